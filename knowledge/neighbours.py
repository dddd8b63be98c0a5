"""Passages that stand side by side in a document, made one: what answers often stands beside what is asked about.

A manual has sections of a few lines; each is a passage of its own, and five of one document would be all that a search
finds. Pure functions; which passages are good, and where they are kept, they do not know. The figures behind each number
are in docs/decisions.md.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import takewhile

from knowledge.base import Locator, Passage
from knowledge.chunking import RULE

TOGETHER = 2
"""Neighbours of one section that become one passage, however long: a context of four passages holds four such pairs."""

ROOM = 400
"""Tokens up to which more neighbours become one, of other sections too: as many as two passages of the usual size have."""

LOOKED_AT = 3
"""Passages looked at for each one that is wanted, so that neighbours further down are found."""

ALIKE = 0.6
"""Neighbours become one where the weaker scores this part of the better: one that is far weaker tells something else."""

HEAD = 4
"""Lines of what the parts of a table repeat, at most: a caption, an empty line, the header row, the rule."""

NEAR = 0.7
"""Another document's passage takes the place of one more of a document that has its share, where it scores this part of it."""

FURTHER = 0.92
"""What a passage counts for each one of its document chosen before it, `NEAR` at least: the fourth of a file tells less than
the first of another."""


def merged(passages: Iterable[Passage], wanted: int, share: float = 1.0) -> list[Passage]:
    """Return the best `wanted` of passages, the best first; neighbours that were both found are one, at the better's place.

    A document's further passages must score the more, the more of it is chosen already (`FURTHER`). `share`: the part of them
    that one document may have, while others have passages that score nearly as much.
    """
    runs = _runs(passages, wanted)
    most = max(1, math.ceil(share * wanted))
    chosen: list[list[Passage]] = []
    held: Counter[int] = Counter()
    while runs and len(chosen) < wanted:
        run = _next(runs, held, most)
        runs.remove(run)
        chosen.append(run)
        held[run[0].source.document_id] += 1
    return [_joined(run) for run in sorted(chosen, key=lambda run: -run[0].score)]


def _runs(passages: Iterable[Passage], wanted: int) -> list[list[Passage]]:
    """Return runs of neighbours, each with its best passage first, at least `wanted` where there are so many."""
    runs: list[list[Passage]] = []
    places: dict[int, int] = {}  # of the runs that hold a passage, by its id
    for seen, passage in enumerate(passages):
        if len(runs) >= wanted and seen >= LOOKED_AT * wanted:
            break
        near = sorted({places[one] for one in (passage.chunk_id - 1, passage.chunk_id + 1) if one in places})
        place = next((place for place in near if _joins(runs[place], passage)), None)
        if place is None:
            place = len(runs)
            runs.append([])
        runs[place].append(passage)
        places[passage.chunk_id] = place
    return runs


def _next(runs: Sequence[list[Passage]], held: Counter[int], most: int) -> list[Passage]:
    """Return the run that adds most to what was chosen; `held`: how many of each document that is, of `most`."""
    best = _best(runs, held)
    if held[best[0].source.document_id] < most:
        return best
    others = [run for run in runs if held[run[0].source.document_id] < most and run[0].score >= NEAR * best[0].score]
    return _best(others, held) if others else best


def _best(runs: Sequence[list[Passage]], held: Counter[int]) -> list[Passage]:
    """Return the first of runs, the best first, whose score counts most beside what was chosen of its document before."""
    found, most = runs[0], 0.0
    for run in runs:
        score = run[0].score
        if score <= most:  # nor do those behind it count more
            break
        counted = score * max(NEAR, FURTHER ** held[run[0].source.document_id])
        if counted > most:
            found, most = run, counted
    return found


def _joins(run: Sequence[Passage], passage: Passage) -> bool:
    """Whether a passage becomes one with a run of neighbours."""
    if not any(_beside(one, passage) for one in run):
        return False
    section = all(one.locator.headings == passage.locator.headings for one in run)
    return (section and len(run) < TOGETHER) or sum(one.tokens for one in run) + passage.tokens <= ROOM


def _beside(one: Passage, other: Passage) -> bool:
    if abs(one.chunk_id - other.chunk_id) != 1:  # nearly always, so it is asked first
        return False
    alike = min(one.score, other.score) >= ALIKE * max(one.score, other.score)
    return alike and one.source == other.source and one.locator.page == other.locator.page


def _joined(run: Sequence[Passage]) -> Passage:
    """Return neighbours as one passage, in the order of the text, with what the best one scores.

    It stands below the headings that all have in common; the others are lines of its text.
    """
    if len(run) == 1:
        return run[0]
    ordered = sorted(run, key=lambda passage: passage.chunk_id)
    common = _common([passage.locator.headings for passage in ordered])
    text, above = "", common
    for passage in ordered:
        headings = passage.locator.headings
        shared = 0
        if headings != above:
            text += ("\n\n" if text else "") + " > ".join(headings[len(common) :])
        elif text:  # only passages of one section overlap
            shared = _shared(text, passage.text)
        repeated = _repeated(text, passage.text) if not shared else 0
        text += passage.text[shared:] if shared else "\n" * bool(text) + passage.text[repeated:]
        above = headings
    lines = [(one.locator.first_line, one.locator.last_line) for one in ordered]
    first, last = [one for one, _ in lines if one is not None], [one for _, one in lines if one is not None]
    where = Locator(run[0].locator.page, common, min(first, default=None), max(last, default=None))
    return replace(run[0], text=text, locator=where, tokens=sum(passage.tokens for passage in run))


def _repeated(before: str, after: str) -> int:
    """Return how many characters `after` begins with that are the header row, and caption, of the table `before` ends with."""
    lines = after.split("\n", HEAD)[:HEAD]
    rule = next((place for place, line in enumerate(lines) if RULE.fullmatch(line)), None)
    head = "\n".join([*lines[: rule + 1], ""]) if rule is not None else ""
    table = before[before.rfind(head) :] if head and head in before else ""
    return len(head) if table and all(line.startswith("|") for line in table[len(head) :].split("\n")) else 0


def _common(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the headings with which all paths begin."""
    same = takewhile(lambda level: len(set(level)) == 1, zip(*paths, strict=False))
    return tuple(level[0] for level in same)


def _shared(before: str, after: str) -> int:
    """Return how many characters the end of one text and the beginning of the next have in common: sentences, no mere sign."""
    start = max(0, len(before) - len(after))
    while (start := before.find(after[:1], start)) >= 0:  # at each other place they differ from the first character on
        whole = not before[max(start - 1, 0) : start].isalnum() and after.startswith(before[start:])
        if whole and any(map(str.isalnum, before[start:])):
            return len(before) - start
        start += 1
    return 0
