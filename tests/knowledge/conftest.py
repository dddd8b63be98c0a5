"""Fixtures: the real embedding model once a session, and libraries with a fast stand-in."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from knowledge.base import Job
from knowledge.embeddings import Embedder
from knowledge.evaluation import evaluate
from knowledge.index import LARGE
from knowledge.library import Library
from knowledge.pipeline import Read
from knowledge.sandbox import Sandbox
from tests.knowledge.stubs import StubEmbedder, read_text, settings, story

Make = Callable[..., Library]


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    """The packaged MiniLM, loaded."""
    real = Embedder(None)
    real.load(lambda what, part: None)
    return real


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """What reads files for the server; its processes end with the test."""
    made = Sandbox()
    yield made
    made.close()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Return a function that opens a library in this test's folder; all are closed in the end."""
    opened: list[Library] = []

    def make_library(
        load: bool = True,
        read: Read = read_text,
        embedder: StubEmbedder | None = None,
        pauses: Sequence[float] = (),
        large: int = LARGE,
        **values: int,
    ) -> Library:
        model = embedder or StubEmbedder()
        library = Library(settings(tmp_path / "data", **values), read=read, embedder=model, pauses=pauses, large=large)
        library.open()
        opened.append(library)
        if load:
            library.load(lambda what, part: None)
        return library

    yield make_library
    for library in opened:
        library.close()


@pytest.fixture
def library(make: Make) -> Library:
    return make()


def finish(library: Library, base: str = "default", seconds: float = 30.0) -> list[Job]:
    """Wait until every job of the base is done; returns them."""
    until = time.monotonic() + seconds
    while any(not job.done for job in library.jobs(base)):
        if time.monotonic() > until:
            raise TimeoutError([job for job in library.jobs(base) if not job.done])
        time.sleep(0.005)
    return library.jobs(base)


def reach(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until the condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.002)


def fill(library: Library, *names: str) -> None:
    for name in names:
        library.add("default", name, story(name[:3], 4))
    assert {job.stage for job in finish(library)} <= {"ready", "skipped"}


def ask(library: Library, question: str, runs: int = 1) -> None:
    """Keep a test question and some runs of all."""
    token = library.card("default").id
    library.question_files.add(token, [{"question": question, "file": "one.txt"}])
    for _ in range(runs):
        questions = library.question_files.questions(token)
        found = evaluate(questions, lambda one, mode: library.search("default", one.text, 10, mode=mode), ("lexical",))
        library.question_files.keep(token, found, library.bases()[0], library.embedder_name)
