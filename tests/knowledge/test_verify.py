"""What is wrong with a data folder is found and named; nothing is, where nothing is."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from knowledge import terms, verify
from knowledge.library import Library
from knowledge.mirror import ADVICE
from knowledge.shelf import NO_VECTORS
from tests.knowledge.conftest import Make, finish
from tests.knowledge.stubs import story


@pytest.fixture
def filled(make: Make) -> Library:
    library = make()
    for name in ("one.txt", "two.txt"):
        library.add("default", name, story(name[:3], 4))
    library.add("default", "bad.txt", b"BROKEN")
    finish(library)
    return library


def sql(query: str) -> Callable[[Library], None]:
    def change(library: Library) -> None:
        with library._store.write() as connection:
            connection.execute("PRAGMA defer_foreign_keys=ON")
            connection.execute(query)

    return change


def unlink(library: Library) -> None:
    library._originals.path(library.documents("default")[0].sha256).unlink()


def bend(library: Library) -> None:
    library._originals.path(library.documents("default")[0].sha256).write_bytes(b"other bytes")


def test_a_whole_one_open_and_closed(filled: Library, tmp_path: Path) -> None:
    assert filled.verify() == []
    filled.close()
    assert verify.findings(tmp_path / "data") == []


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (sql("DELETE FROM chunks WHERE id = 2"), r"'one\.txt' of the knowledge base 'default' says that it has 4 passages"),
        (sql("UPDATE chunks SET vector = x'0000' WHERE id = 2"), "vectors of the knowledge base 'default' are of 2 lengths"),
        (sql("DELETE FROM entries WHERE name = 'one.txt'"), r"document 'one\.txt' .* belongs to no file"),
        (sql("DELETE FROM entries WHERE name = 'bad.txt'"), r"unfinished job of 'bad\.txt' .* belongs to no file"),
        (unlink, r"original of 'one\.txt' is missing"),
        (bend, r"original of 'one\.txt' is damaged"),
    ],
)
def test_what_is_wrong_is_named(filled: Library, tmp_path: Path, change: Callable[[Library], None], text: str) -> None:
    change(filled)
    said = "\n".join(finding.text for finding in filled.verify() if not finding.harmless)
    assert re.search(text, said), said
    filled.close()
    assert [finding for finding in verify.findings(tmp_path / "data") if not finding.harmless]


def test_an_index_that_differs_is_named(filled: Library) -> None:
    with filled._store.read() as connection:
        number = connection.execute("SELECT min(id) FROM chunks").fetchone()[0]
    filled._indexes.of(filled._base("default")).swap([number], (), NO_VECTORS)
    lacks = "lacks 1 passages and has 0 too many"
    assert [finding.text for finding in filled.verify()] == [
        f"of knowledge base 1 the index {lacks} and the word index {lacks}: {ADVICE}"
    ]


def test_words_that_the_index_lacks_or_has_too_many_are_named_though_the_vectors_are_right(filled: Library) -> None:
    lexical = filled._indexes.of(filled._base("default"))._lexical
    packed = [terms.pack(["apple"])]
    lexical.remove([2])
    lexical.add([1000], packed)
    lexical.add([1001], packed)
    assert [finding.text for finding in filled.verify()] == [
        f"of knowledge base 1 the word index lacks 1 passages and has 2 too many: {ADVICE}"
    ]


def test_an_index_whose_words_do_not_fit_its_vectors_is_not_kept_for_the_next_start(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("knowledge.index_cache.WORTH", 1)
    library = make()
    library.add("default", "one.txt", story("apple", 4))
    finish(library)
    library._indexes.of(library._base("default"))._lexical.clear()
    library.close()
    assert not list((tmp_path / "data" / "indexes").glob("*.index"))
    again = make()
    assert again.verify() == []
    again.close()
    assert list((tmp_path / "data" / "indexes").glob("*.index"))


def test_what_a_killed_process_leaves_is_harmless_and_goes(filled: Library, make: Make, tmp_path: Path) -> None:
    filled._originals.keep(filled._originals.receive([b"nobody's"], 100))
    filled._originals.receive([b"broken off"], 100)
    filled.close()
    found = verify.findings(tmp_path / "data")
    assert [finding.harmless for finding in found] == [True, True]
    make()
    assert verify.findings(tmp_path / "data") == []


def test_a_database_that_was_emptied_is_not_called_whole(filled: Library, tmp_path: Path) -> None:
    filled.close()
    (tmp_path / "data" / "knowledge.db").write_bytes(b"")
    assert [(one.harmless, "is empty" in one.text) for one in verify.findings(tmp_path / "data")][-1] == (False, True)
