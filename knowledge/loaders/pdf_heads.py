"""The header of a ruled table of figures whose rules, or shades, begin below it: its lines are put into the table.

Knows the lines and tables of a page, no PDF library. Reports shade their rows and leave the names of the columns white. A
table that begins with words has its header already.
"""

from collections.abc import Sequence
from dataclasses import replace

from knowledge.loaders.lines import Cell, Line
from knowledge.loaders.pdf_columns import (
    MOST_LABELS,
    YEAR,
    Row,
    follows,
    header_of,
    in_columns,
    is_below,
    is_label,
    joined_heads,
    rows_of,
)
from knowledge.loaders.pdf_part import Part, Span
from knowledge.loaders.table_head import begins_with_figures


def with_head(lines: Sequence[Line], part: Part) -> tuple[Sequence[Line], Part]:
    """Return the lines above a table and the table, with those that are its header, or rows of it, in it."""
    if part.headed or len(part.columns) < 2 or not begins_with_figures(part.rows):
        return lines, part
    rows, filled = written(lines), part.filled
    columns = filled.columns[1:]
    if not rows or not columns:
        return lines, part
    high = rows[-1].height
    first = Row([Line("", part.top - high, high)], [Cell(filled.rows[0][0], *filled.columns[0])], [])
    at = body_of([*rows, first], columns)
    begin, body = header_of([*rows, first], at, 0, columns)
    if begin == at:
        return lines, part
    head = joined_heads(rows[begin:body], columns)
    above = [tuple(in_columns(row, columns)) for row in rows[body:]]
    styles = ("", *("" for _ in above), *part.styles) if part.styles else ()
    rest = [line for row in rows[:begin] for line in row.lines]
    return rest, replace(filled, rows=(head, *above, *filled.rows), headed=True, styles=styles, top=rows[begin].bottom + high)


def written(lines: Sequence[Line]) -> list[Row]:
    """Return the rows that lines make, blank ones left out: shades come with lines of a space."""
    return list(rows_of(line for line in lines if line.text.strip()))


def body_of(rows: Sequence[Row], columns: Sequence[Span]) -> int:
    """Return where the rows of figures begin that stand above a table, the last of `rows`, in its columns."""
    at = len(rows) - 1
    while at and follows(rows[at - 1], rows[at]):
        figures = rows[at - 1].figures
        if all(YEAR.fullmatch(cell.text) for cell in figures) or not all(is_below(cell, columns) for cell in figures):
            break
        at -= 1
    return at


def going_on(above: Part, lines: Sequence[Line], part: Part) -> Part | None:
    """Return two tables as one where nothing but labels stands between them, and the second has no header; else None."""
    rows, above, part = written(lines), above.filled, part.filled
    columns = above.columns[1:]
    if part.headed or len(rows) > MOST_LABELS or not same_places(above.columns, part.columns):
        return None
    if not begins_with_figures(part.rows) or not all(is_label(row, columns[0][0]) for row in rows):
        return None
    between = [tuple(in_columns(row, columns)) for row in rows]
    styles = (*above.styles, *("" for _ in between), *part.styles) if above.styles and part.styles else ()
    return replace(above, rows=(*above.rows, *between, *part.rows), bottom=part.bottom, styles=styles)


def same_places(some: Sequence[Span], others: Sequence[Span]) -> bool:
    """Whether columns stand in the same order over each other."""
    if len(some) != len(others) or len(some) < 2:
        return False
    shared = ((min(a[1], b[1]) - max(a[0], b[0]), min(a[1] - a[0], b[1] - b[0])) for a, b in zip(some, others, strict=True))
    return all(2 * both > narrow for both, narrow in shared)
