"""Jobs: their stages and words, one bad file beside good ones, cancelling, retrying, waiting for the model."""

import threading

import pytest

from knowledge.base import Job, KnowledgeError, StorageFull, TooLarge
from knowledge.catalog import NewDocument
from knowledge.library import Library
from tests.knowledge.conftest import Make, finish, reach
from tests.knowledge.stubs import StubEmbedder, story


def job(library: Library, number: int) -> Job:
    return next(found for found in library.jobs("default") if found.id == number)


def test_a_job_goes_through_its_stages_and_its_document_is_found(make: Make) -> None:
    embedder = StubEmbedder()
    embedder.gate = threading.Event()
    library = make(embedder=embedder)
    added = library.add("default", "a.txt", story("apple", 9))
    assert (added.stage, added.size) == ("waiting", len(story("apple", 9)))
    reach(lambda: job(library, added.id).stage == "embedding")
    now = job(library, added.id)
    assert now.detail == "0 of 9 passages" and now.chunks == 9 and 0 < now.part < 1
    embedder.gate.set()
    done = finish(library)[0]
    assert (done.stage, done.part, done.chunks, done.detail, done.code) == ("ready", 1.0, 9, "9 passages", "")
    assert done.seconds > 0
    assert library.search("default", "apple", 1)


def test_jobs_wait_for_the_model_and_say_so(make: Make) -> None:
    library = make(load=False)
    library.add("default", "a.txt", b"text")
    assert [(j.stage, j.detail) for j in library.jobs("default")] == [("waiting", "waiting for the embedding model")]
    library.load(lambda what, part: None)
    assert finish(library)[0].stage == "ready"


def test_bad_files_fail_with_their_reason_and_the_others_are_stored(library: Library) -> None:
    library.add("default", "good1.txt", b"good")
    library.add("default", "broken.txt", b"BROKEN")
    library.add("default", "crash.txt", b"CRASH")
    library.add("default", "empty.txt", b" \n ")
    library.add("default", "good2.txt", b"better")
    assert [(j.name, j.stage, j.code) for j in finish(library)] == [
        ("good1.txt", "ready", ""),
        ("broken.txt", "failed", "broken"),
        ("crash.txt", "failed", "crashed"),
        ("empty.txt", "failed", "empty"),
        ("good2.txt", "ready", ""),
    ]
    assert [j.detail for j in library.jobs("default")][1:3] == [
        "the file is broken",
        "an error of the server (RuntimeError); its log tells more",
    ]
    assert [document.name for document in library.documents("default")] == ["good1.txt", "good2.txt"]


def test_a_long_queue_takes_no_more_files(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.jobs.MOST_WAITING", 2)
    library = make(load=False)
    library.create("other")
    library.add("default", "a.txt", b"text")
    library.add("other", "b.txt", b"text")
    with pytest.raises(TooLarge, match="2 files are waiting to be read already"):
        library.add("default", "c.txt", b"text")
    library.load(lambda what, part: None)
    finish(library)
    finish(library, "other")
    library.add("default", "c.txt", b"text")


def test_cancelling_a_waiting_job_a_reading_one_and_a_finished_one(library: Library) -> None:
    slow = library.add("default", "slow.txt", b"SLOW")
    waiting = library.add("default", "waiting.txt", b"text")
    last = library.add("default", "last.txt", b"text")
    reach(lambda: job(library, slow.id).detail == "page 74 of 120")
    assert job(library, slow.id).stage == "reading" and job(library, slow.id).part > 0
    assert library.cancel(waiting.id).stage == "cancelled"
    assert library.cancel(slow.id).stage == "cancelled"
    assert [j.stage for j in finish(library)] == ["cancelled", "cancelled", "ready"]
    assert library.cancel(last.id).stage == "ready"
    with pytest.raises(KnowledgeError, match="no job 999"):
        library.cancel(999)


def test_cancelling_while_it_embeds_leaves_nothing_and_can_be_retried(make: Make) -> None:
    embedder = StubEmbedder()
    embedder.gate = threading.Event()
    library = make(embedder=embedder)
    added = library.add("default", "a.txt", story("apple", 20))
    reach(lambda: job(library, added.id).stage == "embedding")
    library.cancel(added.id)
    embedder.gate.set()
    library.add("default", "b.txt", b"next")
    assert [j.stage for j in finish(library)] == ["cancelled", "ready"]
    assert [d.name for d in library.documents("default")] == ["b.txt"]
    assert library.retry(added.id).stage == "waiting"
    finish(library)
    assert job(library, added.id).stage == "ready"
    with pytest.raises(KnowledgeError, match="is ready"):
        library.retry(added.id)


def test_a_full_disk_fails_the_file_and_can_be_retried(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    library, full = make(), threading.Event()
    full.set()
    put = library._shelf.put

    def refuse(new: NewDocument, ready: Job) -> None:
        if full.is_set():
            raise StorageFull("the disk is full")
        put(new, ready)

    monkeypatch.setattr(library._shelf, "put", refuse)
    added = library.add("default", "a.txt", b"text")
    assert (finish(library)[0].stage, finish(library)[0].code) == ("failed", "storage_full")
    full.clear()
    library.retry(added.id)
    assert finish(library)[0].stage == "ready"


def test_dismissing_forgets_what_is_done_and_its_bytes(make: Make) -> None:
    library = make()
    library.add("default", "good.txt", b"good")
    library.add("default", "broken.txt", b"BROKEN")
    finish(library)
    assert len(library._originals.kept()) == 2
    library.dismiss("default")
    assert library.jobs("default") == [] and len(library._originals.kept()) == 1
    assert library.original("default", "good.txt") == b"good"


def test_closing_in_the_middle_lets_the_job_begin_again_uncounted(make: Make) -> None:
    for _ in range(5):
        library = make()
        if not library.jobs("default"):
            library.add("default", "slow.txt", b"SLOW")
        reach(lambda: library.jobs("default")[0].stage == "reading")  # noqa: B023
        library.close()
    library = make(load=False)
    assert [(j.stage, j.code) for j in library.jobs("default")] == [("waiting", "")]


def test_the_list_of_finished_jobs_does_not_grow_for_ever(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.jobs.KEPT", 5)
    library.add("default", "a.txt", b"text")
    finish(library)
    for _ in range(20):
        assert library.add("default", "a.txt", b"text").stage == "skipped"
    assert len(library.jobs("default")) == 5
