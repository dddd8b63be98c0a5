"""Tables of figures on a page of a PDF that are set without rules: rows of a label and figures in the same columns.

Knows the lines of a page, no PDF library. Only figures make a table here, at least two columns and three rows of them with
labels: columns of text are told from columns of a page by distances alone too often wrong. The order of the words stays.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from knowledge.loaders import table
from knowledge.loaders.lines import Cell, Line

FIGURE = re.compile(
    r"[-+(\u2212\u2013]?\s?[$€£¥₹]?\s?[-(\u2212\u2013]?\s?\d[\d.,'\u2009\u202f]*\s?%?\s?\)?\s?%?|[-\u2013\u2014*]|n/?[am]\.?",
    re.I,
)
BEFORE, AFTER = re.compile(r"[(]?[$€£¥₹]"), re.compile(r"[)%]{1,2}")
"""What may stand apart before and after its figure."""
SAME = 0.4
"""Lines whose bottoms are nearer than this part of their height are one row."""
NEXT = 3.0
"""Heights from one row's bottom to the next one's, at most."""
FEWEST_ROWS, FEWEST_COLUMNS = 3, 2
MOST_LABELS = 3
"""Rows without figures that may stand together between rows with them: a long label, a heading."""
MOST_HEADS, HEAD_LEFT, LONGEST_HEAD = 4, 4.0, 60
"""Rows of a header; heights that it may begin left of the figures; characters of one of its cells."""

Span = tuple[float, float]
"""Left and right in points."""


@dataclass(frozen=True, slots=True)
class Row:
    """Lines at one height: their cells, and those that are figures where it is a row of a label and figures."""

    lines: list[Line]
    cells: list[Cell]
    figures: list[Cell]

    @property
    def bottom(self) -> float:
        """Its lower edge, in points from the page's."""
        return self.lines[0].bottom

    @property
    def height(self) -> float:
        """The height of its highest line."""
        return max(line.height for line in self.lines)


def with_tables(lines: Iterable[Line]) -> Iterator[Line | str]:
    """Yield lines, a table of figures among them as Markdown in their place."""
    rows = list(rows_of(lines))
    if sum(bool(row.figures) for row in rows) < FEWEST_ROWS:
        yield from (line for row in rows for line in row.lines)
        return
    at = 0
    while at < len(rows):
        end = end_of(rows, at)
        columns = columns_of(rows[at:end])
        if not columns:
            end = at + 1
            yield from rows[at].lines
        else:
            yield markdown(rows[at:end], columns)
        at = end


def rows_of(lines: Iterable[Line]) -> Iterator[Row]:
    """Yield the rows that lines make, each with its cells from left to right."""
    held: list[Line] = []
    for line in lines:
        if held and (abs(held[0].bottom - line.bottom) >= SAME * line.height or line.left < held[-1].right):
            yield row_of(held)
            held = []
        held.append(line)
    if held:
        yield row_of(held)


def row_of(lines: list[Line]) -> Row:
    """Return the row that lines make, signs of currencies and percents that stand apart put together with their figures."""
    cells: list[Cell] = []
    if len(lines) > 1 or lines[0].cells:
        for cell in (cell for line in lines for cell in line.cells or [Cell(line.text.strip(), line.left, line.right)]):
            last = cells[-1] if cells else None
            if last is not None and (BEFORE.fullmatch(last.text) or AFTER.fullmatch(cell.text)):
                cells[-1] = Cell(f"{last.text} {cell.text}", last.left, cell.right)
            else:
                cells.append(cell)
    figures = cells if cells and is_figure(cells[0]) else cells[1:]
    if len(figures) < FEWEST_COLUMNS or not all(map(is_figure, figures)):
        figures = []
    return Row(lines, cells or [Cell(lines[0].text, lines[0].left, lines[0].right)], figures)


def is_figure(cell: Cell) -> bool:
    """Whether a cell is a figure, or the dash in place of one."""
    return FIGURE.fullmatch(cell.text) is not None


def end_of(rows: Sequence[Row], at: int) -> int:
    """Return where a table of figures that may begin at `at` ends; `at` where none does."""
    begin = next((place for place in range(at, min(at + MOST_HEADS + 1, len(rows))) if rows[place].figures), None)
    if begin is None or not all(follows(*pair) for pair in pairwise(rows[at : begin + 1])):
        return at
    left = min(cell.left for cell in rows[begin].figures)
    if not all(is_head(row, left) for row in rows[at:begin]):
        return at
    end = begin + 1
    for place in range(begin + 1, len(rows)):
        row = rows[place]
        if not follows(rows[place - 1], row) or place - end >= MOST_LABELS:
            break
        if row.figures:
            end, left = place + 1, min(left, *(cell.left for cell in row.figures))
        elif row.cells[-1].right > left or len(row.cells) > 1:
            break
    return end


def follows(above: Row, row: Row) -> bool:
    """Whether a row stands right below another one."""
    high = max(above.height, row.height)
    return high > 0 and 0 < above.bottom - row.bottom < NEXT * high


def is_head(row: Row, left: float) -> bool:
    """Whether a row may be of a header over figures that begin at `left`; only its first cell may be over the labels."""
    near = left - HEAD_LEFT * row.height
    over = [cell for cell in row.cells if cell.left >= near]
    return bool(over) and len(row.cells) - len(over) <= 1 and all(len(cell.text) <= LONGEST_HEAD for cell in row.cells)


def columns_of(rows: Sequence[Row]) -> list[Span]:
    """Return the columns of the figures, none where the rows are no table."""
    full = [row for row in rows if row.figures]
    labelled = sum(len(row.cells) > len(row.figures) for row in full)
    if len(full) < FEWEST_ROWS or 2 * labelled < len(full):
        return []
    columns: list[Span] = []
    for left, right in sorted((cell.left, cell.right) for row in full for cell in row.figures):
        if columns and left < columns[-1][1]:
            columns[-1] = columns[-1][0], max(right, columns[-1][1])
        else:
            columns.append((left, right))
    alone = all(len({column_at(cell, columns) for cell in row.figures}) == len(row.figures) for row in full)
    filled = [
        sum(any(column_at(cell, columns) == place for cell in row.figures) for row in full) for place in range(len(columns))
    ]
    label = max((row.cells[0].left for row in full if len(row.cells) > len(row.figures)), default=0.0)
    good = alone and len(columns) >= FEWEST_COLUMNS and sum(count >= FEWEST_ROWS for count in filled) >= FEWEST_COLUMNS
    return columns if good and label < columns[0][0] else []


def column_at(cell: Cell, columns: Sequence[Span]) -> int:
    """Return the column that a cell begins over, the nearest one where it is over none."""
    over = (place for place, (left, right) in enumerate(columns) if cell.left < right and left < cell.right)
    middle = (cell.left + cell.right) / 2
    return next(over, min(range(len(columns)), key=lambda place: abs(sum(columns[place]) / 2 - middle)))


def markdown(rows: Sequence[Row], columns: Sequence[Span]) -> str:
    """Return rows as a table; those above the first figures are its header."""
    begin = next(place for place, row in enumerate(rows) if row.figures)
    lines = [in_columns(row, columns) for row in rows]
    heads = [" ".join(filter(None, parts)) for parts in zip(*lines[:begin], strict=True)]
    return table.markdown([*([heads] if heads else []), *lines[begin:]])


def in_columns(row: Row, columns: Sequence[Span]) -> list[str]:
    """Return the text of a row's label and of each column."""
    cells = [""] * (len(columns) + 1)
    figures = row.figures
    for number, cell in enumerate(row.cells):
        label = number == 0 and (bool(figures) or cell.right <= columns[0][0]) and not (figures and is_figure(cell))
        place = 0 if label else column_at(cell, columns) + 1
        cells[place] = " ".join(filter(None, [cells[place], table.cell(cell.text)]))
    return cells
