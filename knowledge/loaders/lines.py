"""Lines of a page to paragraphs, by their distance and size. Knows no PDF library.

Measures only what a column of text shows: a wider gap, a jump upwards (the next column) or another size begins a
paragraph. It does not know tables or indents.
"""

import re
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from knowledge.loaders.powers import BASE, POWER, WORD

WIDER = 1.35
"""A gap this many times the usual one begins a paragraph."""
LARGER = 1.2
"""A line this many times as high as its neighbour belongs to another paragraph."""
OVERLAP = 0.35
"""Part of the lower piece's height that pieces of one line share."""
CLOSE, BESIDE, BACK = 0.15, 0.6, 0.3
"""Distances in heights: without a space; within a line; what a mark above another takes back."""
CJK = r"\u2e80-\u303f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef"
CJK_END, CJK_BEGIN = re.compile(rf"[{CJK}]$"), re.compile(rf"^[{CJK}]")
CJK_FULL = 12
"""A shorter line is no full line of running text: a heading, a name, a cell of a table; it stays a line."""
HYPHENATED = re.compile(r"[^\W\d_][-\u2010]$")
SMALLER, RAISED = 0.9, 0.15
"""What is lower than this part of a line, and stands this part of its height above its bottom, is a power or the like."""
LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of a line that wide distances divide from the rest; `left` and `right` in points."""

    text: str
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page: `bottom` and `height` in points from the page's lower edge (height 0: unknown).

    `broken`: it ends in a hyphen, not in `text`, that divides a word. `left` and `right` in points (0 and 0: unknown).
    `cells`: its parts where it has several.
    """

    text: str
    bottom: float = 0.0
    height: float = 0.0
    broken: bool = False
    left: float = 0.0
    right: float = 0.0
    cells: tuple[Cell, ...] = ()


def paragraphs(lines: Iterable[Line]) -> Iterator[str]:
    """Yield the paragraphs of a page's lines, words divided at line ends joined again, ligatures spelt out."""
    page = list(whole(lines))
    usual = usual_gap(page)
    part: list[Line] = []
    for line in page:
        if part and begins(part[-1], line, usual):
            yield joined(part)
            part = []
        if line.text.strip():
            part.append(line)
    if part:
        yield joined(part)


def whole(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield lines, those put together that are pieces of one: a raised or lowered mark, and what goes on after it."""
    held: Line | None = None
    for line in lines:
        if held is not None and continues(held, line):
            larger = held if held.height >= line.height else line
            text = f"{held.text}{between(held, line)}{line.text}"
            held = Line(text, larger.bottom, larger.height, line.broken, held.left, line.right)
        else:
            if held is not None:
                yield held
            held = line
    if held is not None:
        yield held


def between(line: Line, after: Line) -> str:
    """Return what is put between two pieces of a line: nothing, a space, or the sign of a power."""
    if after.left - line.right >= CLOSE * max(line.height, after.height) or is_mark(line, after):
        return " "
    raised = after.height < SMALLER * line.height and after.bottom > line.bottom + RAISED * line.height
    return "^" if raised and POWER.match(after.text) and BASE.search(line.text) else ""


def is_mark(line: Line, after: Line) -> bool:
    """Whether a piece is the mark of a note at a word, which must not become a part of it."""
    return after.height < line.height and after.text[:1].isdigit() and WORD.search(line.text) is not None


def continues(line: Line, after: Line) -> bool:
    """Whether a piece goes on where a line ends, on its height."""
    if line.broken or line.right <= line.left or after.right <= after.left:
        return False
    high, low = max(line.height, after.height), min(line.height, after.height)
    shared = min(line.bottom + line.height, after.bottom + after.height) - max(line.bottom, after.bottom)
    return shared > OVERLAP * low and -BACK * high < after.left - line.right < BESIDE * high


def usual_gap(lines: list[Line]) -> float:
    """Return the usual distance from line to line on this page, 0 when it cannot be told."""
    gaps = [above.bottom - below.bottom for above, below in pairwise(lines) if above.height and below.height]
    heights = [line.height for line in lines if line.height]
    plausible = [gap for gap in gaps if 0.5 * min(heights) < gap < 4 * max(heights)]
    return statistics.median(plausible) if plausible else 0.0


def begins(above: Line, line: Line, usual: float) -> bool:
    """Whether `line` begins a paragraph after `above`."""
    if not line.text.strip():
        return True
    if above.broken or not (above.height and line.height and usual):
        return False
    gap, high, low = above.bottom - line.bottom, max(above.height, line.height), min(above.height, line.height)
    if abs(gap) < 0.5 * high:  # pieces of one line: cells, raised marks
        return False
    return gap < 0 or gap > WIDER * usual or high > LARGER * low


def joined(lines: list[Line]) -> str:
    """Return one paragraph; lines stay lines except where a word or a sentence without spaces goes on."""
    text = lines[0].text.strip()
    for above, line in pairwise(lines):
        text = seam(text, above, line.text.strip())
    return text.translate(LIGATURES)


def seam(text: str, above: Line, following: str) -> str:
    """Return `text`, whose last line is `above`, with the following line joined to it."""
    if above.broken:
        return f"{text}{following}" if following[:1].islower() else f"{text}-{following}"
    if HYPHENATED.search(text) and following[:1].islower():
        return f"{text[:-1]}{following}"
    if CJK_END.search(above.text.rstrip()) and CJK_BEGIN.search(following) and len(above.text) >= CJK_FULL:
        return f"{text}{following}"
    return f"{text}\n{following}"
