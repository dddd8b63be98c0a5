"""Another embedding model: the old vectors answer until the new ones are all there, and a stop costs a batch."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from knowledge import rebuild
from knowledge.base import EmbedderMismatch, EmbedderNotReady, KnowledgeError
from knowledge.library import Library
from knowledge.model_folder import Report
from tests.knowledge.checks import check, check_open
from tests.knowledge.conftest import finish, reach
from tests.knowledge.stubs import StubEmbedder, read_text, settings, story

Open = Callable[..., Library]


def old(path: str | None) -> StubEmbedder:
    """The model that the base was made with is where it was."""
    return StubEmbedder("stub", 256)


def gone(path: str | None) -> StubEmbedder:
    raise EmbedderNotReady("there is no such directory")


class New(StubEmbedder):
    """Another model, of another length of vectors; it can be held up, and it can fail."""

    def __init__(self) -> None:
        super().__init__("new", dimension=64)
        self.error: Exception | None = None
        self.batches = 0

    def encode(self, texts, step=lambda done: None):  # type: ignore[no-untyped-def]
        self.batches += 1
        if self.error is not None:
            raise self.error
        return super().encode(texts, step)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Return a function that opens the folder anew, in which the model "stub" has made three documents, by another model."""
    monkeypatch.setattr(rebuild, "BATCH", 4)
    opened: list[Library] = []

    def make(embedder: StubEmbedder | None = None, at=old, fault=lambda point: None) -> Library:  # type: ignore[no-untyped-def]
        while opened:
            opened.pop().close()
        made = Library(settings(tmp_path / "data"), read=read_text, embedder=embedder or New(), embedder_at=at, fault=fault)
        made.open()
        made.load(lambda what, part: None)
        opened.append(made)
        return made

    (tmp_path / "stub").mkdir()
    first = Library(
        settings(tmp_path / "data").model_copy(update={"embedding_path": str(tmp_path / "stub")}),
        read=read_text,
        embedder=StubEmbedder(),
    )
    first.open()
    first.load(lambda what, part: None)
    for name in ("apple", "brick", "cloud"):
        first.add("default", f"{name}.txt", story(name, 8))
    finish(first)
    first.close()
    yield make
    for one in opened:
        one.close()


def best(library: Library, word: str) -> str:
    return library.search("default", f"{word} part2", 1)[0].source.name


def made_by(library: Library) -> str:
    return library.bases()[0].embedder


def test_the_old_model_answers_until_the_new_vectors_are_all_there(library: Open, tmp_path: Path) -> None:
    model = New()
    second = library(model)
    (told,) = second.rebuilds()
    assert (told.base, told.made_by, told.wanted, told.passages, told.done) == ("default", "stub", "new", 24, 0)
    assert not told.running and not told.by_words and told.seconds > 0
    assert second.bases()[0].outdated and second.find("default", "brick part2", 1).by_words == ""
    model.gate = threading.Event()
    second.rebuild("default")
    assert best(second, "brick") == "brick.txt" and second.search("default", "brick", 1, mode="dense")
    model.gate.set()
    reach(lambda: not second.rebuilds())
    assert made_by(second) == "new" and not second.bases()[0].outdated
    assert best(second, "brick") == "brick.txt" and second.search("default", "brick", 1, mode="dense")
    reach(lambda: second.verify() == [])
    second.add("default", "dwarf.txt", story("dwarf", 3))
    assert {job.stage for job in finish(second)} == {"ready"}
    second.close()
    check(tmp_path / "data")
    third = library(New(), at=gone)
    assert third.rebuilds() == [] and best(third, "dwarf") == "dwarf.txt"


def test_where_the_old_model_is_gone_it_is_searched_by_words_and_said(library: Open) -> None:
    second = library(at=gone)
    assert second.rebuilds()[0].by_words
    found = second.find("default", "brick part2", 3)
    assert found.passages[0].source.name == "brick.txt"
    assert "made with the embedding model stub, but the server now uses new: rebuild" in found.by_words
    assert all(passage.score == pytest.approx(passage.scores["lexical"], abs=0.5) for passage in found.passages)
    assert second.search("default", "zebra", 3) == []
    with pytest.raises(EmbedderMismatch, match="rebuild"):
        second.search("default", "brick", 3, mode="dense")
    job = second.add("default", "late.txt", story("late", 3))
    assert {one.id: one for one in finish(second)}[job.id].code == "embedder_mismatch"
    second.rebuild("default")
    reach(lambda: not second.rebuilds())
    assert second.find("default", "brick part2", 1).by_words == ""
    second.retry(job.id)
    finish(second)
    assert best(second, "late") == "late.txt"


def test_another_model_of_the_same_name_does_not_count_as_the_old_one(library: Open) -> None:
    second = library(at=lambda path: StubEmbedder("stub", 32))
    assert second.rebuilds()[0].by_words


def test_the_folder_of_the_old_model_is_remembered(library: Open, tmp_path: Path) -> None:
    asked: list[str | None] = []

    def at(path: str | None) -> StubEmbedder:
        asked.append(path)
        return StubEmbedder()

    library(at=at)
    assert asked == [str(tmp_path / "stub")]
    (tmp_path / "stub").rmdir()
    assert library(at=at).rebuilds()[0].by_words and len(asked) == 1


def test_what_comes_and_goes_meanwhile_has_its_turn(library: Open, tmp_path: Path) -> None:
    model = New()
    model.gate = threading.Event()
    second = library(model)
    second.rebuild("default")
    second.add("default", "late.txt", story("late", 5))
    second.add("default", "apple.txt", story("newer", 5))
    second.remove("default", "cloud.txt")
    finish(second)
    assert made_by(second) == "stub" and best(second, "late") == "late.txt"
    model.gate.set()
    reach(lambda: not second.rebuilds())
    assert made_by(second) == "new"
    assert [best(second, word) for word in ("late", "newer", "brick")] == ["late.txt", "apple.txt", "brick.txt"]
    assert {document.name for document in second.documents("default")} == {"apple.txt", "brick.txt", "late.txt"}
    reach(lambda: second.verify() == [])
    second.close()
    check(tmp_path / "data")


def test_a_restart_goes_on_where_it_was(library: Open) -> None:
    stop = threading.Event()
    stored = [0]

    def fault(point: str) -> None:
        if point == "rebuild_stored":
            stored[0] += 1
            if stored[0] == 3:
                stop.set()
                raise KnowledgeError("stopped")

    second = library(fault=fault)
    second.rebuild("default")
    assert stop.wait(20)
    reach(lambda: second.rebuilds()[0].error == "stopped")
    assert second.rebuilds()[0].done == 12 and not second.rebuilds()[0].running
    second.close()
    model = New()
    third = library(model)
    reach(lambda: not third.rebuilds())
    assert made_by(third) == "new" and model.batches in (3, 4)  # whoever asks first how long it takes has one batch tried


def test_a_model_that_fails_is_told_and_the_old_vectors_stay(library: Open) -> None:
    model = New()
    second = library(model)
    model.error = RuntimeError("no memory")
    second.rebuild("default")
    reach(lambda: bool(second._rebuilds._failed))
    model.error = None
    told = second.rebuilds()[0]
    assert told.error == "an error of the server (RuntimeError)" and not told.running
    assert best(second, "cloud") == "cloud.txt"
    second.rebuild("default")
    reach(lambda: not second.rebuilds())
    assert made_by(second) == "new"


def test_cancelled_it_stays_as_it_was(library: Open) -> None:
    model = New()
    model.gate = threading.Event()
    second = library(model)
    second.rebuild("default")
    second.cancel_rebuild("default")
    model.gate.set()
    assert not second.rebuilds()[0].running and second.rebuilds()[0].done == 0
    assert made_by(second) == "stub" and best(second, "apple") == "apple.txt"


def test_going_back_to_the_old_model_gives_the_half_made_vectors_up(library: Open, tmp_path: Path) -> None:
    def fault(point: str) -> None:
        if point == "rebuild_stored":
            raise KnowledgeError("stopped")

    second = library(fault=fault)
    second.rebuild("default")
    reach(lambda: bool(second.rebuilds()[0].error))
    second.close()
    third = library(StubEmbedder())
    assert third.rebuilds() == [] and best(third, "apple") == "apple.txt"
    with third._store.read() as connection:
        assert connection.execute("SELECT count(*) FROM next_vectors").fetchone() == (0,)
    check_open(third)


def test_searches_while_it_switches_find_what_they_should(library: Open) -> None:
    second = library()
    ended, wrong = threading.Event(), []

    def ask() -> None:
        while not ended.is_set():
            for word in ("apple", "brick", "cloud"):
                if (found := best(second, word)) != f"{word}.txt":
                    wrong.append(found)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    second.rebuild("default")
    reach(lambda: not second.rebuilds())
    ended.set()
    for thread in threads:
        thread.join()
    assert wrong == [] and made_by(second) == "new"


def test_nothing_is_asked_of_a_model_that_is_not_loaded(tmp_path: Path) -> None:
    class Missing(StubEmbedder):
        def load(self, report: Report) -> None:
            raise EmbedderNotReady("no such model")

    unready = Library(settings(tmp_path / "data"), read=read_text, embedder=Missing())
    unready.open()
    with pytest.raises(EmbedderNotReady):
        unready.rebuilds()
    with pytest.raises(EmbedderNotReady):
        unready.rebuild("default")
    unready.close()
