"""The order of passages that were found by vector and by words. Pure functions.

One score in [0, 1]: the cosine and the part of the question's words that a passage holds, added, the cosine by what the
embedding model is worth for this question. Some more for words that stand together in the question and in the passage.
Then a second look at what the first passages name, for questions that need two documents. What becomes of neighbours
(`neighbours.py`), and where passages are kept, it does not know. The figures behind each number are in
docs/decisions.md.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from knowledge import terms
from knowledge.base import Passage

Floats = npt.NDArray[np.float64]

DENSE = 0.4
"""What the cosine counts where the model knows all words of the question; the words count the rest."""

KEPT = 3
"""The best passages of the first look keep their places: the second look only changes what comes behind them."""

NAMING = 3
"""The best passages of the first look, in which the second one looks for the titles of others."""

NAMED = 0.9
"""A title is named where a passage holds this part of what its words tell."""

LINK = 0.4
"""What a passage gains at most because a better one names its title."""

RARE = 15.0
"""A title whose words tell this much (two rare words) is worth the whole of `LINK`; "Usage" is not."""

PAIR = 0.1
"""What a passage gains, of what it lacks of 1, where it holds all pairs of words that stand together in the question."""

PAIRED = 20
"""The best passages, in which pairs are looked for: what stands further down comes into no answer by them."""

Mode = Literal["hybrid", "dense", "lexical"]
"""By vector and words; for comparison, by one of them alone."""

_NOT_WORDS = re.compile(r"[\W_]+")
_ASCII_GAPS = {code: " " for code in range(128) if not chr(code).isalnum()}
"""The same for a text of ASCII alone, in a third of the time."""


def worth(mode: Mode, familiar: float) -> float:
    """Return what the cosine counts; `familiar`: how well the embedding model knows the question's words, in [0, 1]."""
    return {"hybrid": DENSE * familiar, "dense": 1.0, "lexical": 0.0}[mode]


def fused(dense: Floats, lexical: Floats, weight: float) -> Floats:
    """Return the scores in [0, 1], each of a cosine and a score by words; `weight`: what the cosine counts, words the rest."""
    return weight * np.clip(dense, 0.0, 1.0) + (1 - weight) * lexical


def pairs(question: str) -> list[str]:
    """Return the neighbouring words of a question that name something, two in a text: "oil crisis", "proxy headers"."""
    words = _folded(question).split()
    named = [terms.stem(word) not in terms.FUNCTION_WORDS for word in words]
    both = zip(pairwise(words), pairwise(named), strict=True)
    return [f" {one} {other} " for (one, other), names in both if all(names)]


def paired(passages: Sequence[Passage], wanted: Sequence[str]) -> list[Passage]:
    """Return passages, given by their score, with those of the first further up that hold pairs of the question's words."""
    if not wanted:
        return list(passages)
    found = []
    for one in passages[:PAIRED]:
        title, text = _folded(" ".join(one.locator.headings)), _folded(one.text)
        part = sum(pair in text or pair in title for pair in wanted) / len(wanted)
        found.append(_raised(one, one.score + PAIR * part * (1 - one.score)))
    return [*sorted(found, key=lambda one: -one.score), *passages[PAIRED:]]


def second_look(passages: Sequence[Passage], tells: Mapping[str, float]) -> list[Passage]:
    """Return passages, given by their score, with those further up whose titles the first ones name.

    `tells`: what each term tells (its idf), of the terms of `asked_about`.
    """
    if len(passages) <= KEPT or passages[0].score <= 0:
        return list(passages)
    first = [(terms.held(one.text), title_terms(one), one.score / passages[0].score) for one in passages[:NAMING]]
    most = passages[KEPT - 1].score
    behind = [_raised(one, min(most, one.score + LINK * _named(title_terms(one), first, tells))) for one in passages[KEPT:]]
    return [*passages[:KEPT], *sorted(behind, key=lambda one: -one.score)]


def _raised(passage: Passage, score: float) -> Passage:
    return passage if score == passage.score else replace(passage, score=score)


def asked_about(passages: Sequence[Passage]) -> set[str]:
    """Return the terms whose idf the second look needs: of titles half of which is said in one of the first passages."""
    first = [terms.held(one.text) for one in passages[:NAMING]]
    said = frozenset[str]().union(*first)  # of which few titles are half, so that they are not compared with each of the first
    titles = {title for title in map(title_terms, passages[KEPT:]) if 2 * len(title & said) >= len(title)}
    return {term for title in titles if any(2 * len(title & words) >= len(title) for words in first) for term in title}


def title_terms(passage: Passage) -> frozenset[str]:
    """Return the terms of what a passage stands below."""
    return _title_terms(passage.source.name, passage.locator.headings)


@lru_cache(maxsize=8192)
def _title_terms(name: str, headings: tuple[str, ...]) -> frozenset[str]:
    return frozenset(terms.terms(terms.title(name, headings)))


def _named(
    title: frozenset[str], first: Iterable[tuple[frozenset[str], frozenset[str], float]], tells: Mapping[str, float]
) -> float:
    """Return how much the first passages name the title of another, in [0, 1]."""
    if not title <= tells.keys():
        return 0.0
    whole = sum(tells[term] for term in title)
    best = 0.0
    for words, own, worth in first:
        part = sum(tells[term] for term in title if term in words) / whole if whole and title != own else 0.0
        best = max(best, part * worth) if part >= NAMED else best
    return best * min(1.0, whole / RARE)


@lru_cache(maxsize=128)
def _folded(text: str) -> str:
    """Return the words of a text without case, spacing and punctuation, each between two spaces."""
    folded = text.casefold()
    if folded.isascii():
        return f" {' '.join(folded.translate(_ASCII_GAPS).split())} "
    return f" {_NOT_WORDS.sub(' ', folded).strip()} "


def distinct(passages: Iterable[Passage]) -> Iterator[Passage]:
    """Yield the passages that say something new: other words than each better one, and not only a part of them.

    Case, spacing and punctuation do not count. Digits do: two rows of a table may differ in nothing else.
    """
    seen = ""  # one text, a line each: it is looked through in a third of the time that many take
    for passage in passages:
        words = _folded(passage.text)
        if words not in seen:
            seen += f"{words}\n"
            yield passage


def reranked(passages: Sequence[Passage], scores: Sequence[float]) -> list[Passage]:
    """Return passages by the scores in [0, 1] that a reranker gave them, the best first."""
    pairs = zip(passages, scores, strict=True)
    again = [replace(one, score=score, scores={**one.scores, "rerank": score}) for one, score in pairs]
    return sorted(again, key=lambda one: -one.score)
