"""The straight lines that are drawn on a page of a PDF, as PDFium tells them: what may be the rules of a table.

Knows PDFium's path objects only, not what the lines mean.
"""

import ctypes
from collections.abc import Iterator
from typing import Any

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
    from pypdfium2 import raw

    found: set[Rule] = set()
    segments = 0
    for path in paths_of(page):
        segments += raw.FPDFPath_CountSegments(path)
        if segments > MOST_SEGMENTS:
            return []
        if is_seen(path):
            found.update(rule for rule in (rule_between(*ends) for ends in lines_in(path)) if rule)
    return sorted(found) if len(found) <= MOST_RULES else []


def paths_of(page: Any) -> Iterator[Any]:
    """Yield what is drawn on a page: handles, for pypdfium2's own objects of all its letters take longer than all else here."""
    from pypdfium2 import raw

    for index in range(raw.FPDFPage_CountObjects(page)):
        handle = raw.FPDFPage_GetObject(page, index)
        if handle and raw.FPDFPageObj_GetType(handle) == raw.FPDF_PAGEOBJ_PATH:
            yield handle


def is_seen(path: Any) -> bool:
    """Whether a path is filled or stroked; others only cut off what is drawn after them."""
    from pypdfium2 import raw

    fill, stroke = ctypes.c_int(), ctypes.c_int()
    return bool(raw.FPDFPath_GetDrawMode(path, fill, stroke)) and bool(fill.value or stroke.value)


def lines_in(path: Any) -> Iterator[tuple[Point, Point]]:
    """Yield the ends of the straight lines of a path, in points on the page."""
    from pypdfium2 import raw

    to = raw.FS_MATRIX()
    if not raw.FPDFPageObj_GetMatrix(path, to):
        return
    a, b, c, d, e, f = to.a, to.b, to.c, to.d, to.e, to.f
    x, y = ctypes.c_float(), ctypes.c_float()
    begin = at = (0.0, 0.0)
    for index in range(raw.FPDFPath_CountSegments(path)):
        segment = raw.FPDFPath_GetPathSegment(path, index)
        raw.FPDFPathSegment_GetPoint(segment, x, y)
        before, at = at, (a * x.value + c * y.value + e, b * x.value + d * y.value + f)
        kind = raw.FPDFPathSegment_GetType(segment)
        if kind == raw.FPDF_SEGMENT_MOVETO:
            begin = at
        elif kind == raw.FPDF_SEGMENT_LINETO:
            yield before, at
        if raw.FPDFPathSegment_GetClose(segment):
            yield at, begin


def rule_between(one: Point, other: Point) -> Rule | None:
    """Return the rule between two points, in whole points; None for what leans or is too short."""
    left, right = sorted((round(one[0]), round(other[0])))
    bottom, top = sorted((round(one[1]), round(other[1])))
    thin, long = sorted((right - left, top - bottom))
    return (left, bottom, right, top) if thin <= STRAIGHT and long >= SHORTEST else None
