"""Files that met what may pass by itself are tried again after pauses, so many times; others have their turn meanwhile."""

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence

import pytest

from knowledge.base import EmbedderFailed, EmbedderMismatch, KnowledgeError, StorageFull, StoreInUse, TooLarge, UnreadableFile
from knowledge.embeddings import Vectors
from knowledge.library import Library
from knowledge.retries import Retries, may_pass
from tests.knowledge.conftest import Make, finish, reach
from tests.knowledge.stubs import StubEmbedder, story

SOON = (0.01, 0.02, 0.03)
LATE = (3600.0,) * 5


class Failing(StubEmbedder):
    """Fails for texts that hold "poison" as often as it is told."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times
        self.tried = 0

    def encode(self, texts: Sequence[str], step: Callable[[int], None] = lambda done: None) -> Vectors:
        if any("poison" in text for text in texts):
            self.tried += 1
            if self.left:
                self.left -= 1
                raise RuntimeError("CUDA error")
        return super().encode(texts, step)


def stages(library: Library) -> list[str]:
    return [job.stage for job in library.jobs("default")]


def resting(library: Library, place: int = 0) -> bool:
    return library.jobs("default")[place].retry is not None


def test_a_model_that_fails_twice_costs_two_pauses(make: Make) -> None:
    model = Failing(2)
    library = make(embedder=model, pauses=SOON)
    library.add("default", "a.txt", b"poison")
    job = finish(library)[0]
    assert (job.stage, job.detail, job.code, job.retry, model.tried) == ("ready", "1 passage", "", None, 3)
    assert library.search("default", "poison", 1)


def test_a_model_that_goes_on_failing_is_tried_so_many_times_and_the_file_rests_failed(make: Make) -> None:
    model = Failing(1000)
    library = make(embedder=model, pauses=SOON)
    number = library.add("default", "a.txt", b"poison").id
    job = finish(library)[0]
    assert (job.stage, job.code, job.retry, model.tried) == ("failed", "embedder_failed", None, 1 + len(SOON))
    assert job.detail == "the embedding model failed (RuntimeError); the log of the server tells more"
    model.left = 1
    library.retry(number)  # begins afresh, with all its tries
    assert finish(library)[0].stage == "ready" and model.tried == 3 + len(SOON)


def test_while_one_rests_the_others_have_their_turn_and_it_says_when_it_is_tried(make: Make) -> None:
    library = make(embedder=Failing(1), pauses=LATE)
    library.add("default", "a.txt", b"poison")
    library.add("default", "b.txt", b"fine")
    reach(lambda: stages(library)[1] == "ready")
    job = library.jobs("default")[0]
    assert (job.stage, job.code, job.done) == ("waiting", "embedder_failed", False) and "RuntimeError" in job.detail
    assert job.retry is not None and (job.retry.number, job.retry.most) == (1, 5)
    assert 3500 < job.retry.at - time.time() <= 3600


def test_a_resting_job_can_be_tried_at_once_and_keeps_count(make: Make) -> None:
    library = make(embedder=Failing(2), pauses=LATE)
    number = library.add("default", "a.txt", b"poison").id
    for count in (1, 2):
        reach(lambda count=count: (rest := library.job(number).retry) is not None and rest.number == count)  # type: ignore[misc]
        library.retry(number)
    assert finish(library)[0].stage == "ready"


def test_a_resting_job_can_be_cancelled_and_is_not_tried_again(make: Make) -> None:
    model = Failing(1000)
    library = make(embedder=model, pauses=LATE)
    number = library.add("default", "a.txt", b"poison").id
    reach(lambda: resting(library))
    cancelled = library.cancel(number)
    assert (cancelled.stage, cancelled.retry, cancelled.detail) == ("cancelled", None, "")
    library.add("default", "b.txt", b"fine")
    assert [job.stage for job in finish(library)] == ["cancelled", "ready"] and model.tried == 1


def test_a_new_start_goes_on_at_once_and_does_not_count_tries_as_crashes(make: Make) -> None:
    for _ in range(4):
        library = make(embedder=Failing(1000), pauses=(0.01, 0.01, 3600.0))
        if not library.jobs("default"):
            library.add("default", "a.txt", b"poison")
        reach(lambda: (rest := library.jobs("default")[0].retry) is not None and rest.number == 3)  # noqa: B023
        library.close()
    library = make()
    assert [(job.stage, job.detail) for job in finish(library)] == [("ready", "1 passage")]


def test_what_came_later_under_the_same_name_waits_for_what_rests(make: Make) -> None:
    library = make(embedder=Failing(1), pauses=LATE)
    first = library.add("default", "a.txt", b"poison").id
    reach(lambda: resting(library))
    library.create("other")
    for base, name in (("default", "a.txt"), ("default", "b.txt"), ("other", "a.txt")):
        library.add(base, name, b"newer")
    reach(lambda: stages(library)[2] == "ready" and library.jobs("other")[0].done)
    assert stages(library)[1] == "waiting"
    library.retry(first)
    assert [job.stage for job in finish(library)] == ["ready", "ready", "ready"]
    assert [passage.text for passage in library.passages("default", "a.txt")] == ["newer"]


def test_a_removed_document_or_base_takes_its_resting_jobs_along(make: Make) -> None:
    model = Failing(1000)
    library = make(embedder=model, pauses=(0.05,) * 1000)
    library.create("other")
    library.add("default", "a.txt", b"poison")
    library.add("other", "b.txt", b"poison")
    reach(lambda: model.tried > 2)
    library.remove("default", "a.txt")
    library.delete("other")
    library.add("default", "c.txt", b"fine")
    finish(library)
    tried = model.tried
    library.add("default", "d.txt", b"fine")
    finish(library)
    assert stages(library) == ["ready", "ready"] and model.tried == tried


@pytest.mark.parametrize("content", [b"BROKEN", b"CRASH", b" \n "])
def test_a_bad_file_fails_at_once(make: Make, content: bytes) -> None:
    library = make(pauses=LATE)
    library.add("default", "a.txt", content)
    assert [job.stage for job in finish(library)] == ["failed"]


def test_a_database_that_another_program_holds_is_waited_for(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.store.BUSY_SECONDS", 0.05)
    gate, held = threading.Event(), threading.Event()

    class Gated(StubEmbedder):
        def encode(self, texts: Sequence[str], step: Callable[[int], None] = lambda done: None) -> Vectors:
            held.set()
            gate.wait(30)
            return super().encode(texts, step)

    library = make(embedder=Gated(), pauses=(0.05,) * 1000)
    library.add("default", "a.txt", story("apple", 3))
    assert held.wait(30)
    other = sqlite3.connect(library._store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    gate.set()
    reach(lambda: resting(library))
    job = library.jobs("default")[0]
    assert (job.stage, job.code) == ("waiting", "storage_busy") and "another program is writing" in job.detail
    other.execute("ROLLBACK")
    other.close()
    assert finish(library)[0].stage == "ready" and library.search("default", "apple", 1)


def test_a_full_disk_rests_and_ends_failed_when_that_can_be_written_down(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    library = make(pauses=SOON)
    write, full, refused = library._store.write, threading.Event(), [0]

    def refuse(durable: bool = True) -> object:
        if full.is_set() and threading.current_thread().name == "ingest":
            refused[0] += 1
            raise StorageFull("the disk is full")
        return write(durable)

    monkeypatch.setattr(library._store, "write", refuse)
    full.set()
    library.add("default", "a.txt", b"text")
    reach(lambda: (rest := library.jobs("default")[0].retry) is not None and rest.number == len(SOON))
    reach(lambda: refused[0] > 10)  # it had all its tries, and its end cannot be written down
    assert stages(library) == ["waiting"]
    full.clear()
    assert finish(library)[0].stage == "ready"


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (StorageFull("x"), True),
        (StoreInUse("x"), True),
        (EmbedderFailed("x"), True),
        (TooLarge("x"), False),
        (EmbedderMismatch("x"), False),
        (UnreadableFile("broken", "x"), False),
        (KnowledgeError("x"), False),
    ],
)
def test_what_may_pass(error: KnowledgeError, passes: bool) -> None:
    assert may_pass(error) == passes


def test_a_disk_that_fails_may_be_well_again_and_a_damaged_file_never_is() -> None:
    for cause, passes in ((sqlite3.OperationalError(), True), (OSError(), True), (sqlite3.DatabaseError(), False)):
        error = KnowledgeError("x")
        error.__cause__ = cause
        assert may_pass(error) == passes


def test_without_pauses_nothing_rests_unless_its_end_cannot_be_written() -> None:
    retries = Retries(())
    assert retries.rest(1, 1, "why", "code") is None and retries.of(1) is None
    assert retries.rest(1, 1, "why", "code", forced=True) is not None and retries.not_due() == {1}
    assert 0 < retries.wait(60) <= 2
    retries.forget_base(1)
    assert retries.of(1) is None and retries.wait(60) == 60
