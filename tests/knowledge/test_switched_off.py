"""A passage that is switched off is found by nothing, at once and for as long as its document stays as it is."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from assistant.whole import read
from knowledge import backup, index_cache, restore
from knowledge.base import Passage, UnknownDocument
from knowledge.langchain_adapter import LibraryRetriever
from knowledge.langchain_store import LibraryVectorStore
from knowledge.library import Library
from tests.knowledge.checks import check, check_open
from tests.knowledge.conftest import Make, finish, reach
from tests.knowledge.stubs import BACK_TO_FOUR, StubEmbedder, story

NAME = "apple.txt"
MODES = ("hybrid", "dense", "lexical")


def fill(library: Library, word: str = "apple", passages: int = 6) -> list[Passage]:
    library.add("default", f"{word}.txt", story(word, passages))
    assert finish(library)[-1].stage == "ready"
    return library.passages("default", f"{word}.txt")


def found(library: Library, passage: Passage, mode: str = "hybrid") -> bool:
    """Whether a search for its own words finds it: alone, or as a part of merged neighbours."""
    own = passage.text.split(maxsplit=2)[1]
    query = f"{passage.text[:60]} {own}"
    some = library.search("default", query, 50, mode=mode)  # type: ignore[arg-type]
    return any(passage.chunk_id == one.chunk_id or passage.text in one.text for one in some)


def switched(library: Library) -> list[int]:
    return [one.chunk_id for one in library.passages("default", NAME) if one.switched_off]


def whole(library: Library) -> None:
    assert library.verify() == []
    check_open(library)


def test_off_and_on_again_at_once(library: Library) -> None:
    passages = fill(library)
    fill(library, "plum")
    second = passages[1]
    assert all(found(library, second, mode) for mode in MODES)
    library.switch_passages("default", NAME, [second.chunk_id], True)
    assert switched(library) == [second.chunk_id]
    assert not any(found(library, second, mode) for mode in MODES)
    assert all(found(library, one) for one in (passages[0], passages[2]))
    assert [one.switched_off for one in library.documents("default")] == [1, 0]
    whole(library)
    library.switch_passages("default", NAME, [second.chunk_id], False)
    assert switched(library) == [] and all(found(library, second, mode) for mode in MODES)
    whole(library)


def test_twice_is_once_and_what_is_not_there_is_told(library: Library) -> None:
    passages, other = fill(library), fill(library, "plum")
    for off in (True, True, False, False):
        library.switch_passages("default", NAME, [passages[0].chunk_id], off)
        assert switched(library) == [passages[0].chunk_id] * off
    for wrong in ([other[0].chunk_id], [passages[0].chunk_id, 10**6]):
        with pytest.raises(UnknownDocument, match="not in the document"):
            library.switch_passages("default", NAME, wrong, True)
    with pytest.raises(UnknownDocument, match="no document"):
        library.switch_passages("default", "gone.txt", [1], True)
    assert switched(library) == [] and library.documents("default")[1].switched_off == 0
    whole(library)


def test_a_document_with_all_passages_off_is_not_found(library: Library) -> None:
    passages = fill(library)
    library.switch_passages("default", NAME, [one.chunk_id for one in passages], True)
    assert [library.search("default", "apple part1", 5, mode=mode) for mode in MODES] == [[], [], []]  # type: ignore[arg-type]
    assert library.find("default", "apple part1", 5).evidence == 0
    whole(library)
    library.switch_passages("default", NAME, [one.chunk_id for one in passages[::2]], False)
    assert {one.chunk_id for one in library.search("default", "apple", 50, mode="dense")} <= {
        one.chunk_id for one in passages[::2]
    }
    whole(library)


def test_merged_neighbours_do_not_bring_it_back(library: Library) -> None:
    passages = fill(library)
    joined = library.search("default", "apple part2 part3", 3)
    assert any(len(one.text) > max(len(each.text) for each in passages) for one in joined), "neighbours are merged here"
    library.switch_passages("default", NAME, [passages[2].chunk_id], True)
    lost = passages[2].text.splitlines()[-1]
    assert all(lost not in one.text for one in library.search("default", "apple part2 part3", 50))


def test_whole_documents_and_the_views_for_langchain_leave_it_out(library: Library) -> None:
    passages = fill(library)
    store = LibraryVectorStore(library)
    store.add_texts([story("pear", 6).decode()], ids=["p"])
    library.switch_passages("default", NAME, [passages[1].chunk_id], True)
    some, total = read(library, "default", "Summarise apple.txt", alone=True)
    assert total == len(passages) - 1 == len(some) and passages[1].chunk_id not in {one.chunk_id for one in some}
    for documents in (
        LibraryRetriever(library=library, top_k=50).invoke("apple part1"),
        store.similarity_search("apple part1", k=50),
        store.get_by_ids([NAME]),
    ):
        assert documents and all(passages[1].text not in one.page_content for one in documents)
    pear = library.passages("default", "p.txt")
    assert store.get_by_ids(["p"])[0].page_content == story("pear", 6).decode()
    library.switch_passages("default", "p.txt", [pear[0].chunk_id], True)
    assert store.get_by_ids(["p"])[0].page_content == "\n\n".join(one.text for one in pear[1:])


def test_it_stays_off_over_restarts_and_backups_until_the_document_is_replaced(make: Make, tmp_path: Path) -> None:
    first = make()
    passages = fill(first)
    off = [passages[1].chunk_id, passages[4].chunk_id]
    first.switch_passages("default", NAME, off, True)
    backup.write(tmp_path / "data", tmp_path / "copy")
    first.close()
    check(tmp_path / "data")
    second = make()
    assert switched(second) == off and not any(found(second, passages[at]) for at in (1, 4))
    whole(second)
    second.add("default", NAME, story("apple", 6))
    assert finish(second)[-1].stage == "skipped" and switched(second) == off
    second.add("default", NAME, story("apple", 7))
    finish(second)
    assert switched(second) == [] and second.documents("default")[0].switched_off == 0
    whole(second)
    second.close()
    restore.put(tmp_path / "copy", tmp_path / "data")
    third = make()
    assert switched(third) == off and not found(third, passages[1])
    whole(third)


def test_it_stays_off_while_another_model_makes_the_vectors_again(make: Make) -> None:
    first = make()
    passages = fill(first)
    off = [passages[1].chunk_id]
    first.switch_passages("default", NAME, off, True)
    first.close()
    second = make(embedder=StubEmbedder("other", 64))
    assert not found(second, passages[1], "lexical")
    second.rebuild("default")
    reach(lambda: not second.rebuilds())
    assert switched(second) == off and not any(found(second, passages[1], mode) for mode in MODES)
    whole(second)
    second.switch_passages("default", NAME, off, False)
    assert all(found(second, passages[1], mode) for mode in MODES)
    whole(second)


def test_the_file_of_an_index_from_before_is_brought_up_to_it(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_cache, "WORTH", 1)
    first = make()
    passages = fill(first)
    fill(first, "plum", 12)
    before = [passages[0].chunk_id, passages[1].chunk_id]
    first.switch_passages("default", NAME, before, True)
    first.close()
    file = first._folder / "indexes" / "1.index"
    kept = file.read_bytes()
    second = make()
    second.switch_passages("default", NAME, before[:1], False)
    second.switch_passages("default", NAME, [passages[3].chunk_id], True)
    second.close()
    file.write_bytes(kept)  # the file of before, as after kill -9
    third = make()
    assert switched(third) == [passages[1].chunk_id, passages[3].chunk_id]
    whole(third)
    assert found(third, passages[0]) and not found(third, passages[1]) and not found(third, passages[3])


def test_a_file_of_an_index_serves_after_a_mere_removal(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_cache, "WORTH", 1)
    first = make()
    passages = fill(first)
    fill(first, "plum")
    first.close()
    file = first._folder / "indexes" / "1.index"
    kept = file.read_bytes()
    second = make()
    second.remove("default", "plum.txt")
    second.switch_passages("default", NAME, [passages[0].chunk_id], True)
    second.close()
    file.write_bytes(kept)
    third = make()
    whole(third)
    assert not found(third, passages[0]) and found(third, passages[1])


def test_an_index_that_cannot_follow_is_made_again(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    passages = fill(library)
    index = library._indexes.of(1)

    def broken(*given: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(type(index), "swap", broken)
        library.switch_passages("default", NAME, [passages[0].chunk_id], True)
    assert not found(library, passages[0])
    whole(library)


def test_an_older_database_has_all_passages_switched_on(make: Make, tmp_path: Path) -> None:
    first = make()
    passages = fill(first)
    first.close()
    path = tmp_path / "data" / "knowledge.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(BACK_TO_FOUR)
    second = make()
    assert switched(second) == [] and found(second, passages[1])
    second.switch_passages("default", NAME, [passages[1].chunk_id], True)
    assert switched(second) == [passages[1].chunk_id] and not found(second, passages[1])
    whole(second)
    with contextlib.closing(sqlite3.connect(f"{path}.schema-4")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (4,)
    second.close()
    shutil.rmtree(tmp_path / "data" / "indexes", ignore_errors=True)
    check(tmp_path / "data")


def test_the_partial_index_answers_which_are_off(make: Make, tmp_path: Path) -> None:
    fill(make())
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "knowledge.db")) as connection:
        for query in ("SELECT switched_off FROM document_rows WHERE base_id = 1",):
            plan = " ".join(str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
            assert "chunks_switched_off" in plan, plan


def test_an_index_that_lags_behind_brings_nothing_back(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    passages = fill(library)
    with monkeypatch.context() as patched:  # as for a search between the commit and the index
        patched.setattr(type(library._indexes.of(1)), "swap", lambda *given: None)
        library.switch_passages("default", NAME, [passages[0].chunk_id], True)
        assert passages[0].chunk_id in library._indexes.of(1).ids()
        assert not any(found(library, passages[0], mode) for mode in MODES)
    (finding,) = library.verify()
    said = "lacks 0 passages and has 1 too many"
    assert f"of knowledge base 1 the index {said} and the word index {said}: " in finding.text
