"""Ids and their lists: right whatever comes and goes, in whatever order."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.places import NOWHERE, Places

STEPS = st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 60), min_size=1, max_size=20)), max_size=25)


def numbers(ids: object) -> np.ndarray:
    return np.array(list(ids), dtype=np.int64)  # type: ignore[call-overload]


@given(STEPS)
@settings(deadline=None, derandomize=True)
def test_it_holds_what_a_dictionary_would(steps: list[tuple[bool, set[int]]]) -> None:
    places, held = Places(numbers([5, 3]), np.array([1, 2], dtype=np.int32)), {5: 1, 3: 2}
    for step, (comes, ids) in enumerate(steps):
        if comes:
            new = numbers(ids - held.keys())
            places.put(new, np.full(len(new), step, dtype=np.int32))
            held |= dict.fromkeys(new.tolist(), step)
        else:
            places.take(numbers(ids))
            held = {number: list_ for number, list_ in held.items() if number not in ids}
        assert places.ids().tolist() == sorted(held) and places.size == len(held)
        assert places.of(numbers(range(62))).tolist() == [held.get(number, NOWHERE) for number in range(62)]


def test_what_was_taken_out_is_forgotten_in_the_end() -> None:
    places = Places(np.arange(100), np.zeros(100, dtype=np.int32))
    for start in range(100, 5000, 100):
        places.put(np.arange(start, start + 100), np.ones(100, dtype=np.int32))
        places.take(np.arange(start - 100, start))
    assert places.size == 100 and len(places._ids) < 500
