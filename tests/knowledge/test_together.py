"""Small texts that wait are embedded together, and each job ends as it would by itself all the same."""

import threading
from collections.abc import Callable, Sequence

import pytest

from knowledge.base import Job
from knowledge.embeddings import Vectors
from knowledge.ingest import MOST_TOGETHER, TOGETHER, together
from knowledge.jobs import Task
from knowledge.library import Library
from tests.knowledge.checks import check_open
from tests.knowledge.conftest import Make, finish, reach
from tests.knowledge.promises import contents
from tests.knowledge.stubs import StubEmbedder, story

NAMES = ("apple", "pear", "plum", "cherry", "quince")


class Listening(StubEmbedder):
    """Remembers how many texts it was given each time; fails for "poison"."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[int] = []

    def encode(self, texts: Sequence[str], step: Callable[[int], None] = lambda done: None) -> Vectors:
        self.given.append(len(texts))
        if any("poison" in text for text in texts):
            raise RuntimeError("CUDA error")
        return super().encode(texts, step)


def waiting(make: Make, embedder: StubEmbedder, files: dict[str, bytes], **values: int) -> Library:
    """Return a library in which files wait for its model."""
    library = make(load=False, embedder=embedder, **values)
    for name, data in files.items():
        library.add("default", name, data)
    return library


def load(library: Library) -> list[Job]:
    library.load(lambda what, part: None)
    return finish(library)


def embedding(make: Make) -> tuple[Library, threading.Event]:
    """Return a library in which all files are being embedded together, and what lets that go on."""
    model = StubEmbedder()
    model.gate = threading.Event()
    library = waiting(make, model, {f"{name}.txt": story(name, 3) for name in NAMES})
    library.load(lambda what, part: None)
    reach(lambda: all(job.stage == "embedding" for job in library.jobs("default")))
    return library, model.gate


def test_small_texts_are_given_to_the_model_together(make: Make) -> None:
    model = Listening()
    library = waiting(make, model, {f"{name}.txt": story(name, 3) for name in NAMES})
    jobs = load(library)
    assert [(job.stage, job.chunks, job.detail) for job in jobs] == [("ready", 3, "3 passages")] * len(NAMES)
    assert model.given == [3 * len(NAMES)]
    for name in NAMES:
        assert library.search("default", f"{name} part1", 1, mode="dense")[0].source.name == f"{name}.txt"
    check_open(library)


def test_a_text_that_no_vector_can_be_made_of_fails_alone(make: Make) -> None:
    model = Listening()
    library = waiting(make, model, {"a.txt": b"apple", "bad.txt": b"poison", "broken.txt": b"BROKEN", "c.txt": b"cherry"})
    jobs = load(library)
    assert [(job.stage, job.code) for job in jobs] == [
        ("ready", ""),
        ("failed", "embedder_failed"),
        ("failed", "broken"),
        ("ready", ""),
    ]
    assert model.given == [3, 1, 1, 1]
    check_open(library)


def test_one_that_is_cancelled_meanwhile_leaves_the_others(make: Make) -> None:
    library, gate = embedding(make)
    assert {job.detail for job in library.jobs("default")} == {"0 of 3 passages"}
    library.cancel(library.jobs("default")[1].id)
    library.remove("default", "plum.txt")
    gate.set()
    assert [job.stage for job in finish(library)] == ["ready", "cancelled", "ready", "ready"]
    assert [document.name for document in library.documents("default")] == ["apple.txt", "cherry.txt", "quince.txt"]
    check_open(library)


def test_closing_lets_all_of_them_begin_again_uncounted(make: Make) -> None:
    library, gate = embedding(make)
    threading.Timer(0.1, gate.set).start()
    library.close()
    library = make(load=False)
    assert {(job.stage, job.code) for job in library.jobs("default")} == {("waiting", "")}
    assert [task.attempts for task in library._shelf.jobs.next(most=9)] == [0] * len(NAMES)
    load(library)
    assert contents(library, "plum.txt") == {"plu"}


def test_together_they_are_no_more_than_a_base_may_hold(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.pipeline.MOST_OF_BASE", 10)
    library = make()
    library.add("default", "apple.txt", story("apple", 4))
    finish(library)
    library.close()
    files = {"pear.txt": story("pear", 5), "plum.txt": story("plum", 4), "apple.txt": story("apple", 5)}
    library = waiting(make, StubEmbedder(), files)
    assert [(job.stage, job.code) for job in load(library)[1:]] == [("ready", ""), ("failed", "too_large"), ("ready", "")]
    assert "would hold 13 passages" in library.jobs("default")[2].detail


def task(number: int, name: str, size: int = 100, base: int = 1, attempts: int = 0) -> Task:
    return Task(Job(number, "default", name, size, "waiting", 0.0, 0, 0.0), base, "0" * 64, number, None, attempts)


@pytest.mark.parametrize(
    ("tasks", "many"),
    [
        ([], 0),
        ([task(1, "a.md"), task(2, "b.txt"), task(3, "c.MD")], 3),
        ([task(1, "a.md"), task(2, "b.pdf"), task(3, "c.md")], 1),
        ([task(1, "a.pdf"), task(2, "b.md")], 1),
        ([task(1, "a.md", TOGETHER), task(2, "b.md", 1)], 1),
        ([task(1, "a.md", TOGETHER + 1), task(2, "b.md")], 1),
        ([task(1, "a.md", TOGETHER - 9), task(2, "b.md", 9), task(3, "c.md", 1)], 2),
        ([task(1, "a.md"), task(2, "b.md", base=2)], 1),
        ([task(1, "a.md"), task(2, "b.md"), task(3, "a.md")], 2),
        ([task(1, "a.md", attempts=1), task(2, "b.md")], 1),
        ([task(1, "a.md"), task(2, "b.md", attempts=2), task(3, "c.md")], 1),
    ],
)
def test_which_files_are_together(tasks: list[Task], many: int) -> None:
    assert together(tasks) == tasks[:many]


def test_a_long_queue_is_taken_in_parts(make: Make) -> None:
    model = Listening()
    library = waiting(make, model, {f"{number}.txt": b"one passage" for number in range(2 * MOST_TOGETHER + 1)})
    load(library)
    assert model.given == [MOST_TOGETHER, MOST_TOGETHER, 1]
