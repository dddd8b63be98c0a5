"""The part of a document's text around a passage, with the passage marked. Runs in the sandbox; any format's loader will do."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from knowledge.loaders import load
from knowledge.loaders.base import Block, PageReport
from knowledge.loaders.locating import Located, Span, locate

AROUND = 20_000
"""Characters on each side of the place that a passage tells, where it is looked for first."""

BEFORE, AFTER, MOST = 3000, 6000, 40_000
"""Characters shown before the passage, after it, and in all."""


def find(
    path: Path, report: PageReport, target: str, quote: str, page: int | None, line: int | None, headings: Sequence[str]
) -> list[list[Any]]:
    """Return ["found", blocks, is there more before, more after, located] of the file that `target` reads.

    A block is [text, kind, page, headings, first line, marks]; marks are pairs of characters in its text.
    """
    blocks = load(target)(path, report).blocks
    starts = list(accumulate((len(block.text) + 1 for block in blocks), initial=0))
    text = "\n".join(block.text for block in blocks)
    hint = starts[_hinted(blocks, page, line, tuple(headings))]
    located = _located(quote, text, hint)
    first, last = (located.spans[0][0], located.spans[-1][1]) if located.found else (hint, hint)
    begin = text.rfind("\n", 0, max(0, first - BEFORE)) + 1
    ending = text.find("\n", min(last + AFTER, begin + MOST))
    end = min(len(text) if ending < 0 else ending, begin + 2 * MOST)
    shown = list(_cut(blocks, starts, located.spans if located.found else (), begin, end))
    return [["found", shown, begin > 0, end < len(text), located.found]]


def _hinted(blocks: Sequence[Block], page: int | None, line: int | None, headings: tuple[str, ...]) -> int:
    """Return the number of the block where the passage should be, 0 where nothing tells."""

    def holds(block: Block) -> bool:
        at = block.locator
        if line is not None and at.last_line is not None:
            return at.last_line >= line
        return at.page == page if page is not None else bool(headings) and at.headings == headings

    return next((number for number, block in enumerate(blocks) if holds(block)), 0)


def _located(quote: str, text: str, hint: int) -> Located:
    begin = max(0, hint - AROUND)
    near = locate(quote, text[begin : hint + AROUND], hint - begin)
    if near.found:
        return Located(tuple((start + begin, end + begin) for start, end in near.spans), near.part)
    return locate(quote, text, hint)


def _cut(blocks: Sequence[Block], starts: Sequence[int], spans: Sequence[Span], begin: int, end: int) -> Iterator[list[Any]]:
    """Yield the blocks, or the parts of them, that stand between two characters."""
    for number in range(bisect_right(starts, begin) - 1, len(blocks)):
        block, start = blocks[number], starts[number]
        if start >= end:
            break
        first, last = max(begin - start, 0), min(end - start, len(block.text))
        marks = [[max(a - start, first) - first, min(b - start, last) - first] for a, b in spans]
        at = block.locator
        line = None if at.first_line is None else at.first_line + block.text.count("\n", 0, first)
        yield [
            *(block.text[first:last], block.kind, at.page, list(at.headings), line),
            [mark for mark in marks if mark[1] > mark[0]],
        ]
