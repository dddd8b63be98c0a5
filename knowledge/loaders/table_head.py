"""The first rows of a table whose cells are merged: a title over all its columns, a header of several rows. Knows no format.

A Markdown table has one header row, and each part of a long table repeats it: the rows of a header become one, in which
each word stands once, where its cell begins.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from knowledge.loaders import table

FIGURE = re.compile(r"[-+(]?[$€£¥]?\s?[\d][\d.,'\s]*%?\)?$|\d{4}-\d\d-\d\d")
YEAR = re.compile(r"(?:19|20)\d\d(?:\s?[/\u2013-]\s?\d\d(?:\d\d)?)?$")
AMOUNT = re.compile(r"[-+(\u2212]?\s?[$€£¥₹]?\s?\(?\d[\d.,'\u2009\u202f]*\s?%?\)?\s?%?")
MARKED = re.compile(r"[$€£¥₹%()]|\d[.,']\d")
"""What an amount has, and a plain number, a year, or the number of a column has not."""
MOST = 4
"""Rows of a header, and of titles above it."""

Span = tuple[int, int]
"""Columns and rows that a cell takes."""
Spans = Mapping[tuple[int, int], Span]
"""Row and column, from 0, where a merged cell begins, and what it takes; cells that take one place need not be in it."""


def titles(rows: Sequence[Sequence[str]], spans: Spans) -> int:
    """Return how many of the first rows are each one cell over all columns: a title of what stands below."""
    width = max(map(len, rows), default=0)
    above = 0
    while above < min(MOST, len(rows) - 1) and is_title(rows[above], spans.get((above, 0)), width):
        above += 1
    return above if rows and sum(map(bool, rows[above])) > 1 else 0


def is_title(row: Sequence[str], span: Span | None, width: int) -> bool:
    """Whether a row is one cell over all columns, or the only one of its row."""
    over = len(row) == 1 or (span is not None and span[0] >= width and span[1] == 1)
    return width > 1 and over and len(table.trimmed(row)) == 1


def header_rows(rows: Sequence[Sequence[str]], spans: Spans, above: int = 0, told: int = 0) -> int:
    """Return how many rows the header takes below `above` titles: as many as the format has told, or merged cells show."""
    return max(1, min(max(told, merged_rows(rows, spans, above)), MOST, len(rows) - above - 1))


def merged_rows(rows: Sequence[Sequence[str]], spans: Spans, first: int) -> int:
    """Return how many rows the header takes that begins with row `first`, by its merged cells; figures are none of it."""
    width = max(map(len, rows), default=0)
    begun = {column: spans.get((first, column), (1, 1)) for column in range(width)}
    wide = {place for column, (columns, _) in begun.items() if columns > 1 for place in range(column, column + columns)}
    down = max((count for _, count in begun.values()), default=1)
    figures = (is_figure(cell) for row in rows[first : first + max(down, 2)] for cell in row)
    if not wide or len(wide) >= width or any(figures):
        return 1
    below = rows[first + 1] if first + 1 < len(rows) else ()
    under = any(cell for column, cell in enumerate(below) if column in wide)
    beside = any(all(pair) for column, pair in enumerate(zip(rows[first], below, strict=False)) if column not in wide)
    count = down if down > 1 else 2 if under and not beside else 1
    ends = (row + span[1] for (row, _), span in spans.items() if first <= row < first + count)
    return 1 if max(ends, default=0) > first + count or first + count >= len(rows) else count


def is_figure(cell: str) -> bool:
    """Whether a cell holds a figure or a date; years may be the names of columns."""
    return FIGURE.match(cell) is not None and YEAR.match(cell) is None


def joined(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows of a header as one, the words of each column below each other in its cell."""
    width = max(map(len, rows))
    filled = [[*row, *[""] * (width - len(row))] for row in rows]
    return [" ".join(filter(None, cells)) for cells in zip(*filled, strict=True)]


def has_labels(row: Sequence[str]) -> bool:
    """Whether a row is one of labels and what they say ("Name: | Ann"), and so no header."""
    return any(label.endswith((":", "：")) and said for label, said in pairwise(row))


def begins_with_figures(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row holds amounts, or only what the rows below it are about, and so is no header."""
    label, *cells = rows[0]
    filled = [cell for cell in cells if cell]
    if not filled:
        return label.endswith((":", "：")) and len(rows) > 1
    return holds_amount(filled)


def holds_amount(cells: Sequence[str]) -> bool:
    """Whether one of some cells is an amount, of money or a share."""
    return any(AMOUNT.fullmatch(cell) and MARKED.search(cell) for cell in cells)


def is_of_amounts(rows: Sequence[Sequence[str]]) -> bool:
    """Whether at least every other row of a table holds amounts: its labels alone do not tell what it is about."""
    return 2 * sum(map(holds_amount, rows)) >= len(rows)


def as_markdown(rows: Sequence[Sequence[str]], spans: Spans, told: int = 0, caption: str = "") -> str:
    """Return a table as Markdown: its title with its caption, the rows of its header as one, or an empty header."""
    if not rows:
        return ""
    above = titles(rows, spans)
    body = above + header_rows(rows, spans, above, told - above)
    bare = told <= above and has_labels(rows[above])
    shown = rows[above:] if bare else [joined(rows[above:body]), *rows[body:]]
    return table.markdown(shown, " ".join(filter(None, [caption, title_of(rows[:above])])), bare)


def title_of(rows: Sequence[Sequence[str]]) -> str:
    """Return the words of rows in one."""
    return " ".join(" ".join(filter(None, row)) for row in rows)
