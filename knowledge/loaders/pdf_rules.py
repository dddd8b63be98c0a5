"""The straight lines that are drawn on a page of a PDF, as PDFium tells them: what may be the rules of a table.

Knows PDFium's path objects only, not what the lines mean.
"""

import ctypes
from collections.abc import Iterator
from typing import Any

from knowledge.loaders.pdfium_calls import NUMBER, POINTER, address, call

MOST_SEGMENTS = 4000
"""A page with more shows a drawing; its lines are not looked at."""
MOST_RULES = 800
STRAIGHT = 3.0
"""Points; what is thinner is a line, also where it is drawn as a thin box."""
SHORTEST = 6.0
"""Points; what is shorter is no rule of a table."""

Point = tuple[float, float]
Rule = tuple[float, float, float, float]
"""Left, bottom, right, top in points; its width or its height is next to nothing."""


def rules_of(page: Any) -> list[Rule]:
    """Return the rules of a page; none where it shows a drawing."""
    found: set[Rule] = set()
    segments = 0
    count = call("FPDFPath_CountSegments", NUMBER, POINTER)
    for path in paths_of(page):
        segments += count(path)
        if segments > MOST_SEGMENTS:
            return []
        if is_seen(path):
            found.update(rule for rule in (rule_between(*ends) for ends in lines_in(path)) if rule)
    return sorted(found) if len(found) <= MOST_RULES else []


def paths_of(page: Any) -> Iterator[int]:
    """Yield the addresses of what is drawn on a page: pypdfium2's own objects of all its letters take longer than all else."""
    from pypdfium2 import raw

    get, kind = call("FPDFPage_GetObject", POINTER, POINTER, NUMBER), call("FPDFPageObj_GetType", NUMBER, POINTER)
    handle = address(page.raw)
    for index in range(raw.FPDFPage_CountObjects(page)):
        found = get(handle, index)
        if found and kind(found) == raw.FPDF_PAGEOBJ_PATH:
            yield found


def is_seen(path: int) -> bool:
    """Whether a path is filled or stroked; others only cut off what is drawn after them."""
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    mode = call("FPDFPath_GetDrawMode", NUMBER, POINTER, POINTER, POINTER)
    return bool(mode(path, ctypes.addressof(fill), ctypes.addressof(stroke))) and bool(fill.value or stroke.value)


def lines_in(path: int) -> Iterator[tuple[Point, Point]]:
    """Yield the ends of the straight lines of a path, in points on the page."""
    from pypdfium2 import raw

    matrix, point = (ctypes.c_float * 6)(), (ctypes.c_float * 2)()
    if not call("FPDFPageObj_GetMatrix", NUMBER, POINTER, POINTER)(path, ctypes.addressof(matrix)):
        return
    a, b, c, d, e, f = matrix
    x = ctypes.addressof(point)
    y = x + ctypes.sizeof(point) // 2
    segment_of = call("FPDFPath_GetPathSegment", POINTER, POINTER, NUMBER)
    point_of = call("FPDFPathSegment_GetPoint", NUMBER, POINTER, POINTER, POINTER)
    kind_of, closes = call("FPDFPathSegment_GetType", NUMBER, POINTER), call("FPDFPathSegment_GetClose", NUMBER, POINTER)
    begin = at = (0.0, 0.0)
    for index in range(call("FPDFPath_CountSegments", NUMBER, POINTER)(path)):
        segment = segment_of(path, index)
        point_of(segment, x, y)
        across, up = point
        before, at = at, (a * across + c * up + e, b * across + d * up + f)
        kind = kind_of(segment)
        if kind == raw.FPDF_SEGMENT_MOVETO:
            begin = at
        elif kind == raw.FPDF_SEGMENT_LINETO:
            yield before, at
        if closes(segment):
            yield at, begin


def rule_between(one: Point, other: Point) -> Rule | None:
    """Return the rule between two points, in whole points; None for what leans or is too short."""
    left, right = sorted((round(one[0]), round(other[0])))
    bottom, top = sorted((round(one[1]), round(other[1])))
    thin, long = sorted((right - left, top - bottom))
    return (left, bottom, right, top) if thin <= STRAIGHT and long >= SHORTEST else None
