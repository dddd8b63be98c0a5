"""Inverted lists: whole under change, right for a choice of ids, and never of parts that do not fit."""

import numpy as np
import pytest

from knowledge import inverted
from knowledge.flat import Flat
from knowledge.inverted import Inverted
from tests.knowledge.vectors import clustered, nearest

IDS = np.arange(1000, 4000)
VECTORS = clustered(3000)


@pytest.fixture
def index() -> Inverted:
    """Return one of 40 lists about some of its vectors, of which a search sees all."""
    made = Inverted(VECTORS[:40].astype(np.float32), 40)
    made.add(IDS, VECTORS)
    return made


def found(index: Inverted, query: np.ndarray, count: int, only: np.ndarray | None = None) -> list[int]:
    return [int(number) for number in index.search(query, count, only)[0]]


def test_in_all_lists_it_finds_what_brute_force_finds(index: Inverted) -> None:
    for seed in range(5):
        query = clustered(1, seed + 1).astype(np.float32)
        ids, cosines = index.search(query, 20)
        assert ids.tolist() == nearest(IDS, VECTORS, query, 20)
        assert np.allclose(cosines, np.sort(VECTORS.astype(np.float32) @ query[0])[::-1][:20], atol=1e-3)


def test_fewer_lists_find_most(index: Inverted) -> None:
    index.probes = 10
    hits = 0
    for seed in range(40):
        query = clustered(1, seed + 1).astype(np.float32)
        hits += len(set(found(index, query, 10)) & set(nearest(IDS, VECTORS, query, 10)))
    assert 0.8 < hits / 400 < 1


@pytest.mark.parametrize("chosen", [3, 150, 1500], ids=["few", "some", "half"])
def test_a_choice_of_ids_is_compared_whole_where_it_is_not_large(index: Inverted, chosen: int) -> None:
    index.probes = 1
    query = clustered(1, 5).astype(np.float32)
    farthest = np.sort(np.argsort(VECTORS.astype(np.float32) @ query[0])[:chosen])
    only = np.append(IDS[farthest], 10**6)  # and one that is not there
    assert found(index, query, 10, only) == nearest(IDS[farthest], VECTORS[farthest], query, 10)


def test_of_a_large_choice_as_much_is_compared_as_of_all(index: Inverted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inverted, "EXACT", 0)
    index.probes = 10
    hits = hits_of_half = 0
    for seed in range(40):
        query = clustered(1, seed + 1).astype(np.float32)
        hits += len(set(found(index, query, 10)) & set(nearest(IDS, VECTORS, query, 10)))
        hits_of_half += len(set(found(index, query, 10, IDS[::2])) & set(nearest(IDS[::2], VECTORS[::2], query, 10)))
    assert hits_of_half >= hits - 20
    farthest = np.sort(np.argsort(VECTORS.astype(np.float32) @ query[0])[:1000])  # not one is in the nearest ten lists
    assert len(found(index, query, 10, IDS[farthest])) == 10


def test_cosines_of_some_are_those_of_brute_force_in_lists_or_not(index: Inverted) -> None:
    index.probes = 1
    whole, query = Flat(VECTORS.shape[1]), clustered(1, 5).astype(np.float32)
    whole.add(IDS[2000:], VECTORS[2000:])  # out of order, as after switching passages on again
    whole.add(IDS[:2000], VECTORS[:2000])
    some = np.append(np.arange(1003, 3900, 97), 10**6)  # and one that is not there
    expected = np.append(VECTORS.astype(np.float32)[some[:-1] - 1000] @ query[0], 0)
    for one in (index, whole):
        assert np.allclose(one.cosines(query, some), expected, atol=1e-5)
        one.remove(some[:5])
        assert np.allclose(one.cosines(query, some), np.append(np.zeros(5), expected[5:]), atol=1e-5)


def test_ids_too_large_for_a_bitmap_are_chosen_too() -> None:
    made = Inverted(VECTORS[:4].astype(np.float32), 4)
    made.add(IDS + (1 << 40), VECTORS)
    query = clustered(1, 5).astype(np.float32)
    only = (IDS + (1 << 40))[::2]
    assert found(made, query, 5, only) == nearest(only, VECTORS[::2], query, 5)


def test_what_is_taken_out_is_not_found_and_what_stays_is(index: Inverted) -> None:
    gone = IDS[np.random.default_rng(1).permutation(3000)[:2000]]
    index.remove(gone)
    index.remove(np.append(gone[:50], 7))
    kept = np.isin(IDS, gone, invert=True)
    assert index.ids().tolist() == IDS[kept].tolist() and index.size == 1000 == index._faiss.ntotal
    query = clustered(1, 3).astype(np.float32)
    assert found(index, query, 2000) == nearest(IDS[kept], VECTORS[kept], query, 1000)


def test_nothing_is_found_in_nothing() -> None:
    index = Inverted(VECTORS[:4].astype(np.float32), 2)
    query = clustered(1).astype(np.float32)
    assert found(index, query, 5) == [] == found(index, query, 5, np.array([4])) and index.size == 0
    index.add(IDS[:1], VECTORS[:1])
    assert found(index, query, 5, np.array([4])) == [] and found(index, query, 5, IDS[:1]) == [1000]


def test_its_arrays_make_the_same_again(index: Inverted) -> None:
    index.remove(IDS[5:900])
    index.probes = 6
    again = inverted.restored([array.copy() for array in index.arrays()])
    assert again.ids().tolist() == index.ids().tolist() and again.probes == 6
    query = clustered(1, 3).astype(np.float32)
    assert found(again, query, 20) == found(index, query, 20)
    again.remove(IDS[900:])
    assert again.ids().tolist() == IDS[:5].tolist()


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        (0, np.arange(3)),
        (0, np.zeros((3000, 1), dtype=np.int64)),
        (1, np.zeros((3000, 3), dtype=np.uint8)),
        (2, np.full(40, 2)),
        (2, np.append(np.full(39, -1), 3039)),
        (2, np.full(41, 0)),
        (3, np.zeros((40, 3), dtype=np.float32)),
        (3, np.full((40, 16), np.nan, dtype=np.float32)),
        (4, np.array([0])),
        (4, np.array([41])),
        (4, np.array([1, 2])),
    ],
)
def test_parts_that_do_not_fit_are_refused(index: Inverted, part: int, wrong: np.ndarray) -> None:
    arrays = index.arrays()
    arrays[part] = wrong
    with pytest.raises(ValueError, match="an index"):
        inverted.restored(arrays)
