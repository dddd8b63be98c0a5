"""The rough copy of many vectors: what it leaves to be compared exactly holds the nearest, while vectors come and go."""

import numpy as np
import numpy.typing as npt
import pytest

from knowledge import flat
from knowledge.coarse import Coarse
from knowledge.flat import Flat

WIDTH = 64
Vectors = npt.NDArray[np.float16]


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flat, "MANY", 500)


def made(count: int, seed: int) -> Vectors:
    """Return vectors of length 1, many of them near each other, as those of one document are."""
    chance = np.random.default_rng(seed)
    centres = chance.standard_normal((20, WIDTH))
    vectors = centres[chance.integers(0, 20, count)] + 0.3 * chance.standard_normal((count, WIDTH))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float16)


def has_a_rough_copy(index: Flat) -> bool:
    return index._coarse is not None


def assert_nearest(index: Flat, there: dict[int, npt.NDArray[np.float16]], seed: int, only: list[int] | None = None) -> None:
    ids = np.array(sorted(there) if only is None else only, dtype=np.int64)
    held = np.array([there[number] for number in ids.tolist()], dtype=np.float32)
    for question in made(20, seed).astype(np.float32):
        found, cosines = index.search(question[None], 10, None if only is None else ids)
        exact = held @ question
        assert np.allclose(cosines, np.sort(exact)[::-1][:10], atol=1e-3) and len(set(found.tolist())) == 10
        assert np.allclose(cosines, exact[np.searchsorted(ids, found)], atol=1e-3)


def test_the_nearest_are_found_while_vectors_come_and_go() -> None:
    vectors = made(3000, 1)
    index, there = Flat(WIDTH), dict(zip(range(10, 3010), vectors, strict=True))
    index.add(np.arange(10, 3010), vectors)
    assert_nearest(index, there, 2)
    assert has_a_rough_copy(index)
    chance = np.random.default_rng(3)
    for step in range(5):
        gone = chance.choice(sorted(there), 200, replace=False)
        index.remove(np.sort(gone))
        came = made(100, 10 + step)
        first = 5000 + 100 * step
        index.add(np.arange(first, first + 100), came)
        there = {number: one for number, one in there.items() if number not in set(gone.tolist())}
        there |= dict(zip(range(first, first + 100), came, strict=True))
        assert_nearest(index, there, 20 + step)
    assert_nearest(index, there, 30, only=sorted(there)[::3])
    assert_nearest(index, there, 31, only=sorted(there)[:15])


def test_only_a_second_search_makes_it_and_few_vectors_have_none() -> None:
    vectors = made(600, 4)
    index, question = Flat(WIDTH), vectors[:1].astype(np.float32)
    index.add(np.arange(600), vectors)
    first = index.search(question, 5)
    assert not has_a_rough_copy(index)
    second = index.search(question, 5)
    assert has_a_rough_copy(index) and np.array_equal(first[0], second[0]) and np.allclose(first[1], second[1], atol=1e-6)
    assert len(index.search(question, 590)[0]) == 590
    index.remove(np.arange(200, 600))
    assert index.search(question, 5)[0][0] == 0 and not has_a_rough_copy(index)


def test_a_number_larger_than_all_that_told_the_scale_is_no_error() -> None:
    vectors = made(300, 5) / np.float16(10)
    rough = Coarse(np.arange(300), vectors.view(np.uint8))
    rough.add(np.array([300]), np.eye(1, WIDTH, dtype=np.float16).view(np.uint8))
    assert rough.nearest(np.eye(1, WIDTH, dtype=np.float32), 3, None)[0] == 300


def test_vectors_of_nothing_are_no_error() -> None:
    rough = Coarse(np.arange(3), np.zeros((3, WIDTH), dtype=np.float16).view(np.uint8))
    assert sorted(rough.nearest(np.zeros((1, WIDTH), dtype=np.float32), 3, None).tolist()) == [0, 1, 2]
