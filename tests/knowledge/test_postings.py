"""The best by words are the same whether all postings are read or only those that can matter."""

import random
from collections.abc import Sequence

import numpy as np
import pytest

from knowledge import lexical, postings, terms
from knowledge.lexical import Lexical

WORDS = [f"w{number}" for number in range(200)]
OFTEN = [1 / (number + 1) for number in range(200)]


def passage(chance: random.Random) -> bytes:
    return terms.pack(terms.terms(" ".join(chance.choices(WORDS, OFTEN, k=chance.randint(5, 40)))))


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Lexical:
    """Return one of several segments, with words as often as in a language, and with passages taken out."""
    monkeypatch.setattr(lexical, "LARGEST_SEGMENT", 1000)
    chance, made = random.Random(3), Lexical()
    for start in range(0, 3600, 100):
        made.add(range(start, start + 100), [passage(chance) for _ in range(100)])
    made.remove(chance.sample(range(3600), 500))
    return made


def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows whenever passages are looked up among postings."""
    seen: list[int] = []
    add = postings.Segment._add

    def noting(self: postings.Segment, scores: object, weight: float, where: slice, among: object, average: float) -> None:
        if among is not None:
            seen.append(len(among))  # type: ignore[arg-type]
        add(self, scores, weight, where, among, average)  # type: ignore[arg-type]

    monkeypatch.setattr(postings.Segment, "_add", noting)
    return seen


@pytest.mark.parametrize("only", [None, range(0, 3600, 3), range(0, 3600, 97)], ids=["all", "a third", "few"])
def test_the_best_of_a_few_are_the_best_of_all(
    index: Lexical, monkeypatch: pytest.MonkeyPatch, only: Sequence[int] | None
) -> None:
    chance, seen = random.Random(5), looked_up(monkeypatch)
    chosen = None if only is None else np.array(only, dtype=np.int64)
    for _ in range(60):
        rare, common = chance.sample(WORDS[20:], 4), chance.sample(WORDS[:6], 4)
        weights = index.weights(dict.fromkeys(rare, 1.0) | dict.fromkeys(common, 0.3))
        also = chance.sample(range(3600), 5)
        everything = index.search(weights, 4000, (), chosen)
        best = index.search(weights, 10, also, chosen)
        first = list(best.values())[:10]
        assert first == pytest.approx(sorted(everything.values(), reverse=True)[:10], rel=1e-4)
        assert best == pytest.approx({number: everything[number] for number in best}, rel=1e-4)
        assert {number for number in also if number in everything} <= best.keys()
    assert seen


def test_what_it_counts_is_what_is_there(index: Lexical) -> None:
    assert index.size == 3100 == len(index.ids())
    counted = index._passages, index._length
    index._count()
    assert counted == (index._passages, index._length)
