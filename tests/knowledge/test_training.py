"""The kind of an index follows its size, while it is searched and changed, and nothing is lost on the way."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from knowledge import flat, training
from knowledge.flat import Flat
from knowledge.index import Index
from knowledge.training import Training
from tests.knowledge.vectors import clustered, nearest

LARGE = 400
VECTORS = clustered(6000)
NONE = np.empty((0, 0), dtype=np.float16)


def filled(count: int) -> Index:
    index = Index(LARGE)
    index.rebuild([(np.arange(count), VECTORS[:count])])
    return index


def recall(index: Index, ids: np.ndarray) -> float:
    hits = 0
    for seed in range(30):
        query = clustered(1, seed + 100).astype(np.float32)
        hits += len({number for number, _ in index.search(query, 10)} & set(nearest(ids, VECTORS[ids], query, 10)))
    return hits / 300


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Return what lets trainings go on that have copied the vectors."""
    go = threading.Event()
    centres = Training._centres

    def waiting(self: Training, vectors: np.ndarray) -> np.ndarray:
        assert go.wait(60)
        return centres(self, vectors)

    monkeypatch.setattr(Training, "_centres", waiting)
    yield go
    go.set()


def test_a_small_base_is_compared_whole_and_a_large_one_in_lists() -> None:
    small, large = filled(LARGE - 1), filled(4000)
    small.settle()
    large.settle()
    assert small.lists == 0 and large.lists == training.lists_for(4000)
    assert large.ids() == set(range(4000))
    assert recall(large, np.arange(4000)) >= 0.95


def test_it_grows_more_lists_and_none_when_it_shrinks() -> None:
    index = filled(LARGE)
    index.settle()
    few = index.lists
    index.swap((), range(LARGE, 6000), VECTORS[LARGE:])
    index.settle()
    assert index.lists >= 2 * few and recall(index, np.arange(6000)) >= 0.95
    index.swap(range(LARGE // 2 - 1, 6000), (), NONE)
    assert index.lists == 0 and index.ids() == set(range(LARGE // 2 - 1))
    assert recall(index, np.arange(LARGE // 2 - 1)) == 1
    index.swap((), range(LARGE // 2, LARGE - 5), VECTORS[LARGE // 2 : LARGE - 5])
    index.settle()
    assert index.lists == 0


def test_between_the_two_sizes_it_stays_what_it_is() -> None:
    index = filled(LARGE)
    index.settle()
    for _ in range(3):
        index.swap(range(LARGE - 50, LARGE), (), NONE)
        assert index.lists > 0
        index.swap((), range(LARGE - 50, LARGE), VECTORS[LARGE - 50 : LARGE])
        assert index._training is None


def test_while_it_is_made_the_exact_one_answers_and_changes_are_kept(held: threading.Event) -> None:
    index = filled(LARGE)
    index.swap(range(50), range(1000, 1030), VECTORS[1000:1030])
    index.swap(range(1000, 1010), (50,), VECTORS[:1])  # one that comes again, with another vector
    ids = {50, *range(51, LARGE), *range(1010, 1030)}
    assert index.lists == 0 and index.ids() == ids
    assert index.search(VECTORS[1020:1021].astype(np.float32), 1)[0][0] == 1020
    held.set()
    index.settle()
    assert index.lists > 0 and index.ids() == ids
    assert index.search(VECTORS[1020:1021].astype(np.float32), 1)[0][0] == 1020


def test_what_was_replaced_meanwhile_stays_replaced(held: threading.Event) -> None:
    index = filled(LARGE)
    before = index._training
    index.rebuild([(np.arange(5), clustered(5, dimension=8))])
    held.set()
    assert before is not None
    before.wait()
    assert index.lists == 0 and index.ids() == set(range(5))


def test_emptied_meanwhile_it_takes_another_dimension(held: threading.Event) -> None:
    index = filled(LARGE)
    before = index._training
    index.swap(range(LARGE), (7,), clustered(1, dimension=8))
    held.set()
    assert before is not None
    before.wait()
    assert index.ids() == {7} and index.search(clustered(1, dimension=8).astype(np.float32), 3)[0][0] == 7


def test_vectors_that_move_while_they_are_copied_are_copied_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flat, "PIECE", 100)
    index = Index(LARGE)
    begun: list[int] = []
    pieces = Flat.pieces

    def disturbed(self: Flat) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        begun.append(len(begun))
        for place, piece in enumerate(pieces(self)):
            yield piece
            if place == 1 and len(begun) <= disturbances:
                first = 150 * len(begun)
                index.swap(range(first - 150, first - 130), range(first + 4000, first + 4010), VECTORS[first : first + 10])

    monkeypatch.setattr(Flat, "pieces", disturbed)
    for disturbances in (1, training.ATTEMPTS):
        begun.clear()
        index.rebuild([(np.arange(1000), VECTORS[:1000])])
        index.settle()
        assert len(begun) == disturbances + 1 and index.lists > 0 and index._again == 0
        gone = {number for k in range(disturbances) for number in range(150 * k, 150 * k + 20)}
        came = {number for k in range(disturbances) for number in range(150 * k + 4150, 150 * k + 4160)}
        assert index.ids() == set(range(1000)) - gone | came


def test_it_ends_when_it_is_closed(held: threading.Event) -> None:
    index = filled(LARGE)
    held.set()
    index.close()
    assert index._training is None and index.ids() == set(range(LARGE))


def test_one_that_fails_leaves_the_exact_one_and_is_not_tried_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def failing(self: Training, vectors: np.ndarray) -> np.ndarray:
        tries.append(len(vectors))
        raise MemoryError

    monkeypatch.setattr(Training, "_centres", failing)
    index = filled(LARGE)
    index.settle()
    index.swap((), range(LARGE, LARGE + 10), VECTORS[LARGE : LARGE + 10])
    index.settle()
    assert tries == [LARGE] and index.lists == 0 and recall(index, np.arange(LARGE + 10)) == 1
    index.swap((), range(LARGE + 10, 2 * LARGE), VECTORS[LARGE + 10 : 2 * LARGE])
    index.settle()
    assert tries == [LARGE, 2 * LARGE]


def test_a_file_keeps_the_lists() -> None:
    index = filled(2000)
    index.settle()
    again = Index(LARGE)
    again.restore([array.copy() for array in index.arrays()])
    assert again.lists == index.lists and again.ids() == index.ids() and again._training is None
    query = clustered(1, 3).astype(np.float32)
    assert again.search(query, 20) == index.search(query, 20)


def test_threads_search_and_change_it_across_the_bound() -> None:
    index, failures = filled(LARGE - 50), []

    def change(first: int) -> None:
        for start in range(first, first + 1000, 50):
            ids = range(start, start + 50)
            index.swap((), ids, VECTORS[start : start + 50])
            index.swap(ids[:20], (), NONE)

    def look() -> None:
        try:
            for row in range(300):
                found = index.search(VECTORS[row : row + 1].astype(np.float32), 20)
                assert len(found) == 20 and -1 not in dict(found)
                assert row >= LARGE - 50 or index.lists or found[0][1] > 0.99
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=change, args=(1000 + 1000 * k,)) for k in range(3)]
    threads += [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    index.settle()
    kept = set(range(LARGE - 50)) | {number for number in range(1000, 4000) if number % 50 >= 20}
    assert failures == [] and index.ids() == kept and index.lists > 0


class Changes(RuleBasedStateMachine):
    """An index about the bound, and the ids that it should hold."""

    def __init__(self) -> None:
        super().__init__()
        self.index, self.held, self.next = filled(LARGE - 40), set(range(LARGE - 40)), LARGE - 40

    @rule(count=st.integers(1, 90))
    def add(self, count: int) -> None:
        new = range(self.next, self.next + count)
        self.index.swap((), new, VECTORS[[number % 6000 for number in new]])
        self.held |= set(new)
        self.next += count

    @rule(step=st.integers(2, 9), replaced=st.booleans())
    def remove(self, step: int, replaced: bool) -> None:
        gone = sorted(self.held)[::step]
        new = range(self.next, self.next + 10 * replaced)
        self.index.swap(gone, new, VECTORS[[number % 6000 for number in new]])
        self.held = self.held - set(gone) | set(new)
        self.next += len(new)

    @rule()
    def settle(self) -> None:
        self.index.settle()

    @rule()
    def again(self) -> None:
        arrays = [array.copy() for array in self.index.arrays()]
        self.index.close()
        self.index = Index(LARGE)
        self.index.restore(arrays)

    @rule(part=st.integers(2, 40), seed=st.integers(0, 50))
    def search(self, part: int, seed: int) -> None:
        query = clustered(1, seed).astype(np.float32)
        only = np.array(sorted(self.held)[::part], dtype=np.int64)
        expected = nearest(only, VECTORS[only % 6000], query, 5)
        found = self.index.search(query, 5, only)
        cosines = VECTORS[np.array(expected, dtype=np.int64) % 6000].astype(np.float32) @ query[0]
        assert {number for number, _ in found} <= set(only.tolist())
        assert np.allclose([score for _, score in found], cosines, atol=1e-3)

    @invariant()
    def it_holds_what_it_should(self) -> None:
        assert self.index.ids() == self.held and self.index.size == len(self.held)

    def teardown(self) -> None:
        self.index.settle()
        assert self.index.ids() == self.held and self.index._again == 0  # no training failed
        assert (self.index.lists > 0) or len(self.held) < LARGE


def test_whatever_comes_and_goes_about_the_bound() -> None:
    how = settings(max_examples=15, stateful_step_count=25, deadline=None, derandomize=True, database=None)
    run_state_machine_as_test(Changes, settings=settings(how, suppress_health_check=list(HealthCheck)))
