"""The index: exact, consistent under change, safe under threads."""

import threading

import numpy as np
import pytest

from knowledge.base import EmbedderMismatch
from knowledge.catalog import Halves
from knowledge.index import Index, Indexes


def unit(count: int, seed: int = 0, dimension: int = 24) -> Halves:
    vectors = np.random.default_rng(seed).normal(size=(count, dimension))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float16)


def test_it_finds_what_brute_force_finds() -> None:
    vectors, index = unit(500), Index()
    ids = np.arange(1000, 1500)
    index.rebuild([(ids[:200], vectors[:200]), (ids[200:], vectors[200:])])
    query = unit(1, seed=9).astype(np.float32)
    cosines = (vectors.astype(np.float32) @ query.T)[:, 0]
    expected = ids[np.argsort(-cosines)[:10]].tolist()
    found = index.search(query, 10)
    assert [number for number, _ in found] == expected
    assert np.allclose([score for _, score in found], np.sort(cosines)[::-1][:10], atol=1e-3)


def test_empty_and_small_indexes_answer_with_what_they_have() -> None:
    index = Index()
    query = unit(1).astype(np.float32)
    assert index.search(query, 5) == [] and index.size == 0 and index.ids() == set()
    index.swap((), (7,), unit(1))
    assert [number for number, _ in index.search(query, 5)] == [7]


def test_a_swap_takes_out_and_puts_in() -> None:
    index = Index()
    index.swap((), (1, 2, 3), unit(3))
    index.swap((2, 99), (4,), unit(1, seed=5))
    assert index.ids() == {1, 3, 4} and index.size == 3


def test_another_dimension_is_refused_with_both_numbers_until_it_is_empty() -> None:
    index = Index()
    index.swap((), (1,), unit(1))
    with pytest.raises(EmbedderMismatch, match="24 dimensions, this one has 12"):
        index.search(unit(1, dimension=12).astype(np.float32), 1)
    with pytest.raises(EmbedderMismatch, match="24 dimensions, this one has 12"):
        index.swap((), (2,), unit(1, dimension=12))
    index.swap((1,), (2,), unit(1, dimension=12))
    assert index.ids() == {2}


def test_a_rebuild_that_fails_leaves_it_empty() -> None:
    index = Index()
    index.swap((), (1,), unit(1))

    def broken() -> object:
        yield np.array([5]), unit(1)
        raise OSError

    with pytest.raises(OSError, match=r"^$"):
        index.rebuild(broken())  # type: ignore[arg-type]
    assert index.ids() == set()


def test_threads_change_and_search_it() -> None:
    index, failures = Index(), []
    vectors = unit(2000)

    def change(first: int) -> None:
        for start in range(first, first + 400, 10):
            ids = tuple(range(start, start + 10))
            index.swap((), ids, vectors[start : start + 10])
            index.swap(ids[:5], (), vectors[:0])

    def look() -> None:
        try:
            for k in range(300):
                found = index.search(vectors[k : k + 1].astype(np.float32), 20)
                assert -1 not in dict(found)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=change, args=(k * 400,)) for k in range(4)] + [
        threading.Thread(target=look) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and index.size == 4 * 200


def test_each_base_has_one_index() -> None:
    indexes = Indexes()
    assert indexes.of(1) is indexes.of(1) is not indexes.of(2)
    before = indexes.of(1)
    indexes.drop(1)
    assert indexes.of(1) is not before
