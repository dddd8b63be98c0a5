"""A page of a PDF as a picture, and where on it a passage stands. Runs in the sandbox; PDFium draws, nothing is fetched.

Boxes are [left, top, right, bottom] in parts of the picture, from its upper left corner, so that any size of it will do.
"""

import base64
import ctypes
import io
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from knowledge.loaders.base import PageReport
from knowledge.loaders.locating import Located, locate
from knowledge.loaders.pdf_bidi import LETTER
from knowledge.loaders.pdf_letters import mended
from knowledge.loaders.pdf_lines import order_of

LIBRARIES = ("pypdfium2", "PIL.Image")

WIDTH = 1200
"""Pixels of a picture from side to side: twice what a narrow panel shows, for sharp screens."""

MOST_PIXELS = 4_000_000
GRID = 1 << 20
"""Steps in which PDFium gives a place on a page: it knows whole ones only."""

MOST_BOXES = 200
SAME_LINE = 0.4
"""Boxes are of one line where they share this part of the lower one's height,"""
GAP = 1.5
"""and the next begins within this many heights of the line: a wider gap divides columns and cells."""
HIDDEN = 0.5
"""A box that is lower than this part of the usual one holds no text that anybody reads."""
WHOLE = 0.95
"""A passage of which this part was found needs no further page."""


def find(path: Path, report: PageReport, quote: str, page: int | None) -> list[list[Any]]:
    """Return ["found", pages, places, located]; a place is [page, boxes], and there is none unless it is located.

    Looked at are `page` and the next one; None: all of them. `pages` 0: PDFium cannot open the file.
    """
    document = _opened(path)
    count = len(document) if document is not None else 0
    order = range(count) if page is None else range(min(page, count) - 1, min(page + 1, count))
    places, part = [], 0.0
    for index in order:
        located, boxes = _on_page(document, index, quote)
        report(index + 1, count)
        if located.found or (part and located.part) or (page is not None and located.part):
            places.append([index + 1, boxes])
            part += located.part
        if part >= WHOLE:
            break
    found = Located(part=part).found
    return [["found", count, places if found else [], found]]


def draw(path: Path, report: PageReport, page: int) -> list[list[Any]]:
    """Return ["picture", pages, base64 of a PNG]; the picture is empty where there is no such page."""
    document = _opened(path)
    count = len(document) if document is not None else 0
    if document is None or page > count:
        return [["picture", count, ""]]
    shown = document[page - 1]
    width, height = (max(1.0, side) for side in shown.get_size())
    scale = min(WIDTH / width, (MOST_PIXELS / (width * height)) ** 0.5)
    picture = shown.render(scale=scale, rev_byteorder=True, prefer_bgrx=True).to_pil().convert("RGB")
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=3)
    return [["picture", count, base64.b64encode(file.getvalue()).decode("ascii")]]


def _opened(path: Path) -> Any:
    import pypdfium2

    try:
        return pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError:
        return None


def _on_page(document: Any, index: int, quote: str) -> tuple[Located, list[list[float]]]:
    import pypdfium2
    from pypdfium2 import raw

    try:
        page = document[index]
        text_page = page.get_textpage()
    except pypdfium2.PdfiumError:
        return Located(), []
    # By the places of characters, not by the page's text, which leaves some out.
    codes = (raw.FPDFText_GetUnicode(text_page.raw, at) for at in range(text_page.count_chars()))
    text = mended("".join(chr(code) if code <= 0x10FFFF else " " for code in codes), text_page)
    order = order_of(text, text_page) if LETTER.search(text) else None
    located = locate(quote, order.text if order else text)
    spans = (run for span in located.spans for run in (_runs(order.places[slice(*span)]) if order else [span]))
    boxes = [box for begin, end in spans for box in _boxes(page, text_page, begin, end - begin)]
    width, height = page.get_size()
    return located, _seen(_lines(boxes, height / max(width, 1.0)))[:MOST_BOXES]


def _runs(places: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the stretches, begin and end, that places of characters make; -1 is none."""
    there = sorted(place for place in places if place >= 0)
    for _, run in groupby(enumerate(there), key=lambda one: one[1] - one[0]):
        stretch = [place for _, place in run]
        yield stretch[0], stretch[-1] + 1


def _boxes(page: Any, text_page: Any, start: int, length: int) -> Iterator[list[float]]:
    """Yield the boxes of a stretch of characters: one a line, or one a word where the words are set one by one."""
    for number in range(text_page.count_rects(start, length)):
        left, bottom, right, top = text_page.get_rect(number)
        corners = [_place(page, left, top), _place(page, right, bottom)]
        (x0, x1), (y0, y1) = sorted(x for x, _ in corners), sorted(y for _, y in corners)
        if x1 > 0 and y1 > 0 and x0 < 1 and y0 < 1:
            yield [round(min(max(side, 0.0), 1.0), 5) for side in (x0, y0, x1, y1)]


def _lines(boxes: list[list[float]], shape: float) -> list[list[float]]:
    """Return boxes with those of one line in one; `shape`: height of the page by its width."""
    lines: list[list[float]] = []
    for box in boxes:
        last = lines[-1] if lines else box
        low, high = max(last[1], box[1]), min(last[3], box[3])
        tall = max(last[3] - last[1], box[3] - box[1])
        beside = high - low > SAME_LINE * min(last[3] - last[1], box[3] - box[1])
        gap = max(box[0] - last[2], last[0] - box[2]) / shape
        if lines and beside and -tall < gap < GAP * tall:
            sides = list(zip(last, box, strict=True))
            lines[-1] = [min(sides[0]), min(sides[1]), max(sides[2]), max(sides[3])]
        else:
            lines.append(box)
    return lines


def _seen(boxes: list[list[float]]) -> list[list[float]]:
    """Return boxes without those that are far lower than the usual one: of marks that a program has hidden in the page."""
    usual = sorted(box[3] - box[1] for box in boxes)[len(boxes) // 2] if boxes else 0.0
    return [box for box in boxes if box[3] - box[1] >= HIDDEN * usual]


def _place(page: Any, x: float, y: float) -> tuple[float, float]:
    """Return a point of the page as parts of its picture; PDFium knows its crop box and how it is turned."""
    from pypdfium2 import raw

    across, down = ctypes.c_int(), ctypes.c_int()
    raw.FPDF_PageToDevice(page.raw, 0, 0, GRID, GRID, 0, x, y, ctypes.byref(across), ctypes.byref(down))
    return across.value / GRID, down.value / GRID
