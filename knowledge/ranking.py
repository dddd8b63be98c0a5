"""The order of passages that were found by vector and by words. Pure functions.

One score in [0, 1]: the cosine and the part of the question's words that a passage holds, added, the cosine by what the
embedding model is worth for this question. Then a second look at what the first passages name, for questions that need
two documents. Where passages are kept, it does not know. The figures behind each number are in docs/decisions.md.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Literal

from knowledge import terms
from knowledge.base import Locator, Passage

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

TOGETHER = 2
"""Neighbours that become one passage, at most: a context that holds four passages holds four such pairs."""

ALIKE = 0.6
"""Neighbours become one where the weaker scores this part of the better: one that is far weaker tells something else."""

NEAR = 0.7
"""Another document's passage takes the place of one more of a document that has its share, where it scores this part of it."""

Mode = Literal["hybrid", "dense", "lexical"]
"""By vector and words; for comparison, by one of them alone."""

_NOT_WORDS = re.compile(r"[\W_]+")


def worth(mode: Mode, familiar: float) -> float:
    """Return what the cosine counts; `familiar`: how well the embedding model knows the question's words, in [0, 1]."""
    return {"hybrid": DENSE * familiar, "dense": 1.0, "lexical": 0.0}[mode]


def fused(dense: float, lexical: float, weight: float) -> float:
    """Return the score in [0, 1]; `weight`: what the cosine counts, the words count the rest."""
    return weight * max(0.0, min(1.0, dense)) + (1 - weight) * lexical


def second_look(passages: Sequence[Passage], tells: Mapping[str, float]) -> list[Passage]:
    """Return passages, given by their score, with those further up whose titles the first ones name.

    `tells`: what each term tells (its idf), of the terms of `asked_about`.
    """
    if len(passages) <= KEPT or passages[0].score <= 0:
        return list(passages)
    first = [(_said(one.text), title_terms(one), one.score / passages[0].score) for one in passages[:NAMING]]
    most = passages[KEPT - 1].score
    behind = [_raised(one, min(most, one.score + LINK * _named(one, first, tells))) for one in passages[KEPT:]]
    return [*passages[:KEPT], *sorted(behind, key=lambda one: -one.score)]


def _raised(passage: Passage, score: float) -> Passage:
    return passage if score == passage.score else replace(passage, score=score)


def asked_about(passages: Sequence[Passage]) -> set[str]:
    """Return the terms whose idf the second look needs: of titles half of which is said in one of the first passages."""
    first = [_said(one.text) for one in passages[:NAMING]]
    titles = {title_terms(one) for one in passages[KEPT:]}
    return {term for title in titles if any(2 * len(title & words) >= len(title) for words in first) for term in title}


def title_terms(passage: Passage) -> frozenset[str]:
    """Return the terms of what a passage stands below."""
    return _terms_of(terms.title(passage.source.name, passage.locator.headings))


@lru_cache(maxsize=8192)
def _terms_of(title: str) -> frozenset[str]:
    return frozenset(terms.terms(title))


def _named(
    passage: Passage, first: Iterable[tuple[frozenset[str], frozenset[str], float]], tells: Mapping[str, float]
) -> float:
    """Return how much the first passages name the title of another, in [0, 1]."""
    title = title_terms(passage)
    if not title <= tells.keys():
        return 0.0
    whole = sum(tells[term] for term in title)
    best = 0.0
    for words, own, worth in first:
        part = sum(tells[term] for term in title if term in words) / whole if whole and title != own else 0.0
        best = max(best, part * worth) if part >= NAMED else best
    return best * min(1.0, whole / RARE)


@lru_cache(maxsize=64)
def _said(text: str) -> frozenset[str]:
    return frozenset(terms.terms(text))


def distinct(passages: Iterable[Passage]) -> Iterator[Passage]:
    """Yield the passages that say something new: other words than each better one, and not only a part of them.

    Case, spacing and punctuation do not count. Digits do: two rows of a table may differ in nothing else.
    """
    seen: list[str] = []
    for passage in passages:
        words = f" {_NOT_WORDS.sub(' ', passage.text.casefold()).strip()} "
        if not any(words in other for other in seen):
            seen.append(words)
            yield passage


def reranked(passages: Sequence[Passage], scores: Sequence[float]) -> list[Passage]:
    """Return passages by the scores in [0, 1] that a reranker gave them, the best first."""
    pairs = zip(passages, scores, strict=True)
    again = [replace(one, score=score, scores={**one.scores, "rerank": score}) for one, score in pairs]
    return sorted(again, key=lambda one: -one.score)


def merged(passages: Iterable[Passage], wanted: int, share: float = 1.0) -> list[Passage]:
    """Return the best `wanted` passages; neighbours of one section that were both found are one, at the better's place.

    `share`: the part of them that one document may have, while others have passages that score nearly as much.
    """
    most = max(1, math.ceil(share * wanted))
    runs: list[list[Passage]] = []
    waiting: list[Passage] = []
    for passage in passages:
        run = next((run for run in runs if len(run) < TOGETHER and any(_touch(one, passage) for one in run)), None)
        if run is not None:
            run.append(passage)
            continue
        while waiting and len(runs) < wanted and passage.score < NEAR * waiting[0].score:
            runs.append([waiting.pop(0)])
        if len(runs) == wanted:
            break
        held = sum(run[0].source == passage.source for run in runs)
        (waiting.append(passage) if held >= most else runs.append([passage]))
    runs += [[passage] for passage in waiting[: wanted - len(runs)]]
    return [_joined(run) for run in sorted(runs, key=lambda run: -run[0].score)]


def _touch(one: Passage, other: Passage) -> bool:
    if min(one.score, other.score) < ALIKE * max(one.score, other.score):
        return False
    alike = one.source == other.source and one.locator.headings == other.locator.headings
    return alike and one.locator.page == other.locator.page and abs(one.chunk_id - other.chunk_id) == 1


def _joined(run: Sequence[Passage]) -> Passage:
    """Return passages of one section as one, in the order of the text, with what the best one scores."""
    if len(run) == 1:
        return run[0]
    ordered = sorted(run, key=lambda passage: passage.chunk_id)
    text = ordered[0].text
    for passage in ordered[1:]:
        shared = _shared(text, passage.text)
        text += passage.text[shared:] if shared else "\n" + passage.text
    lines = [(one.locator.first_line, one.locator.last_line) for one in ordered]
    first, last = [one for one, _ in lines if one is not None], [one for _, one in lines if one is not None]
    where = Locator(run[0].locator.page, run[0].locator.headings, min(first, default=None), max(last, default=None))
    return replace(run[0], text=text, locator=where, tokens=sum(passage.tokens for passage in run))


def _shared(before: str, after: str) -> int:
    """Return how many characters the end of one text and the beginning of the next have in common."""
    start = max(0, len(before) - len(after))
    while start < len(before):
        if after.startswith(before[start:]):
            return len(before) - start
        start += 1
    return 0
