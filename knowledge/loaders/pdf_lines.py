"""The lines of one page as PDFium sees them: their words, place and height, and the spaces that PDFium missed.

Knows PDFium's text page only; `pdf_bidi` puts lines from right to left in order. PDFium gives characters one after
another; a space that the file only draws as distance is sometimes left out (1.4 % of the words of a justified report),
so the distance is looked at once more.
"""

import ctypes
import re
import statistics
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby, pairwise
from typing import Any

from knowledge.loaders.bidi import Box
from knowledge.loaders.lines import CJK, Cell, Line
from knowledge.loaders.pdf_bidi import LINE, Order, ordered
from knowledge.loaders.pdf_columns import with_tables
from knowledge.loaders.pdf_flow import is_broken, rejoined
from knowledge.loaders.pdf_heads import going_on, with_head
from knowledge.loaders.pdf_letters import mended
from knowledge.loaders.pdf_part import CURRENCY, Part
from knowledge.loaders.pdf_rules import Rule
from knowledge.loaders.pdf_table import Tables, grids_of
from knowledge.loaders.pdfium_calls import NUMBER, POINTER, address, call

HYPHENS = ("\x02", "\ufffe")
"""PDFium's marks for a hyphen that divides a word at the end of a line; they stand for the line's end, too."""
SPACE = 0.12
"""Distance between two letters, in heights of the line, from which a space is meant: 1.2 pt in a line of 10 pt."""
SWITCH = re.compile(r"(?<=[A-Za-z])(?=[\u0590-\u08ff])")
"""Where a Latin word ends and one from right to left begins, the space that parts them is drawn on the word's other side."""
UNSPACED = re.compile(rf"[{CJK}]{{2}}")
"""Signs that no space divides, however far they are set apart."""
WIDE = 1.0
"""Distance in heights that divides cells: no line is justified so far."""
FIGURE_ENDS = frozenset("0123456789%)\u2014")
LONGEST_NAME = 256
SUBSET = re.compile(r"^[A-Z]{6}\+")
"""What begins the name of a font of which the file holds a part, another one on another page."""
TIGHT = 0.03
"""The usual distance in a line that is not letter-spaced is below this."""


def lines_of(text: str, text_page: Any, shown: Box, rules: list[Rule]) -> Iterator[Line | Part]:
    """Yield the lines and tables of a page that begin in its `shown` part; scans of double pages hold both pages."""
    lines: list[Line] = []
    held: Part | None = None
    for one in all_lines(text, text_page, shown, rules):
        if isinstance(one, Line):
            lines.append(one)
            continue
        joined = going_on(held, lines, one) if held is not None else None
        if joined is None:
            if held is not None:
                yield held
            above, joined = with_head(lines, one)
            yield from with_tables(above)
        held, lines = joined, []
    if held is not None:
        yield held
    yield from with_tables(lines)


def all_lines(text: str, text_page: Any, shown: Box, rules: list[Rule]) -> Iterator[Line | Part]:
    """Yield the lines and ruled tables of a page."""
    if text_page.count_chars() != len(text):
        text = by_characters(text_page)
    order = order_of(mended(text, text_page), text_page)
    text, boxes = order.text, order.boxes
    grids = grids_of(rules)
    tables = Tables(grids, boxes, text, lambda place: style_at(text_page, order.places[place])) if grids else None
    for match in LINE.finditer(text):
        end = match[2]
        for begin, stop, table in runs(tables.owners if tables else {}, *match.span(1)):
            if tables and table is not None:
                part, tables.parts[table] = tables.parts[table], None
                if part is not None:  # where its first characters stand
                    yield replace(part, rows=tuple(tuple(map(paired, row)) for row in part.rows))
            else:
                yield from line_of(text[begin:stop], boxes[begin:stop], shown, end in HYPHENS and stop == match.end(1))


def order_of(text: str, text_page: Any) -> Order:
    """Return a page's text in reading order; `text` has a character for each of PDFium's."""
    boxes = boxes_of(text_page, len(text))
    return rejoined(text, boxes) if is_broken(text) else ordered(text, boxes, text_page.get_charbox)


def style_at(text_page: Any, place: int) -> str:
    """Return how a character is set: font, size, colour; "" where unknown."""
    from pypdfium2 import raw

    name, flags = ctypes.create_string_buffer(LONGEST_NAME), ctypes.c_int()
    if place < 0 or not raw.FPDFText_GetFontInfo(text_page, place, name, LONGEST_NAME, flags):
        return ""
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    raw.FPDFText_GetFillColor(text_page, place, red, green, blue, alpha)
    font = SUBSET.sub("", name.value.decode("utf-8", "replace"))
    return f"{font} {raw.FPDFText_GetFontSize(text_page, place):.1f} {red.value},{green.value},{blue.value}"


def by_characters(text_page: Any) -> str:
    """Return a page's text, its places those of PDFium's characters: its own leaves out some that have no Unicode."""
    from pypdfium2 import raw

    return "".join(chr(raw.FPDFText_GetUnicode(text_page, place)) for place in range(text_page.count_chars()))


def paired(words: str) -> str:
    """Return a text whose rare characters may be two halves, as in UTF-16, with the halves put together."""
    return words if words.isascii() else words.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")


def runs(owners: dict[int, int], begin: int, end: int) -> Iterator[tuple[int, int, int | None]]:
    """Yield the stretches of a line that one table holds, or none."""
    if not owners:
        yield begin, end, None
        return
    for owner, places in groupby(range(begin, end), key=owners.get):
        stretch = list(places)
        yield stretch[0], stretch[-1] + 1, owner


def line_of(words: str, boxes: list[Box], shown: Box, broken: bool) -> Iterator[Line]:
    """Yield a line unless it stands outside the part that is shown."""
    place = next((box for box in boxes if box[2] > box[0]), None)
    if place is None:
        yield Line(paired(words), broken=broken)
    elif within(place, shown):
        last = next(box for box in reversed(boxes) if box[2] > box[0])
        text, cells = spaced(words, boxes)
        yield Line(text, place[1], place[3] - place[1], broken, place[0], last[2], cells)


def boxes_of(text_page: Any, length: int) -> list[Box]:
    """Return the boxes of the first characters, as high as their font and as wide as their advance; empty where unknown."""
    if not length:
        return []
    found = (ctypes.c_float * (4 * length))()  # FS_RECTF: left, top, right, bottom
    get, handle = call("FPDFText_GetLooseCharBox", NUMBER, POINTER, NUMBER, POINTER), address(text_page.raw)
    begin, size = ctypes.addressof(found), ctypes.sizeof(found) // length
    for index, place in enumerate(range(begin, begin + size * length, size)):
        get(handle, index, place)
    sides = found[:]
    return list(zip(sides[0::4], sides[3::4], sides[2::4], sides[1::4], strict=True))


def within(box: Box, shown: Box) -> bool:
    """Whether two boxes have something in common."""
    return box[2] > shown[0] and box[0] < shown[2] and box[3] > shown[1] and box[1] < shown[3]


def spaced(words: str, boxes: list[Box]) -> tuple[str, tuple[Cell, ...]]:
    """Return a line with the spaces put in that its letters' distances tell of, and its cells where it has several."""
    high = max(box[3] - box[1] for box in boxes)
    gaps = [after[0] - before[2] for before, after in pairwise(boxes)]
    wide = (place for place, gap in enumerate(gaps) if gap > SPACE * high and words[place : place + 2].isalnum())
    missing = [place for place in wide if gaps[place] > WIDE * high or not UNSPACED.match(words, place)]
    cells = tuple(cells_in(words, boxes, gaps, high)) if max(gaps, default=0.0) > WIDE * high else ()
    if missing and statistics.median(gaps) <= TIGHT * high:
        begins = [0, *(place + 1 for place in missing)]
        words = " ".join(words[begin:end] for begin, end in zip(begins, [*begins[1:], len(words)], strict=True))
    return SWITCH.sub(" ", paired(words)), cells


def cells_in(words: str, boxes: list[Box], gaps: list[float], high: float) -> Iterator[Cell]:
    """Yield the parts of a line that wide distances divide, or a figure's end and the sign of a currency."""
    begins = [0]
    for place, gap in enumerate(gaps, 1):
        if gap > WIDE * high or (words[place] in CURRENCY and words[begins[-1] : place].rstrip()[-1:] in FIGURE_ENDS):
            begins.append(place)
    for begin, end in zip(begins, [*begins[1:], len(words)], strict=True):
        drawn = [box for box, sign in zip(boxes[begin:end], words[begin:end], strict=True) if sign != " " and box[2] > box[0]]
        if drawn:
            yield Cell(paired(words[begin:end]).strip(), drawn[0][0], drawn[-1][2])
