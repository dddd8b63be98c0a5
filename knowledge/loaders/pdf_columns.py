"""Tables of figures on a page of a PDF that are set without rules: rows of a label and figures in the same columns.

Knows the lines of a page, no PDF library. Only figures make a table here, at least two columns and three rows of them with
labels: columns of text are told from columns of a page by distances alone too often wrong. The order of the words stays.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from knowledge.loaders import table
from knowledge.loaders.lines import Cell, Line
from knowledge.loaders.pdf_part import Cells, Part, Span

NUMBER = r"[-+(\u2212\u2013]?\s?[$€£¥₹]?\s?[-(\u2212\u2013]?\s?\d[\d.,'\u2009\u202f]*\s?%?\s?\)?\s?%?"
FIGURE = re.compile(rf"{NUMBER}(?:\s?[-\u2013]\s?{NUMBER})?|[$€£¥₹]?\s?[-\u2013\u2014*]|n/?[am]\.?", re.IGNORECASE)
YEAR = re.compile(r"(?:19|20)\d\d")
BEFORE, AFTER = re.compile(r"[(]?[$€£¥₹]"), re.compile(r"[)%]{1,2}")
"""What may stand apart before and after its figure."""
SAME = 0.4
"""Lines whose bottoms are nearer than this part of their height are one row."""
NEXT = 3.0
"""Heights from one row's bottom to the next one's, at most."""
MOST_SPANS = 40
"""Figures of the rows before that one is compared with."""
FEWEST_ROWS, FEWEST_COLUMNS, MOST_COLUMNS = 3, 2, 50
MOST_LABELS = 3
"""Rows without figures that may stand together between rows with them: a long label, a heading."""
MOST_HEADS, HEAD_HIGH, HEAD_LEFT, LONGEST_HEAD = 16, 7.0, 4.0, 60
"""Lines of a header; heights that it may stand above the figures and begin left of them; characters of one of its cells."""


@dataclass(frozen=True, slots=True)
class Row:
    """Lines at one height: their cells, and those that are figures where it is a row of a label and figures only."""

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


def with_tables(lines: Iterable[Line]) -> Iterator[Line | Part]:
    """Yield lines, a table of figures among them in their place."""
    rows = list(rows_of(lines))
    done = at = 0
    while at < len(rows):
        end = end_of(rows, at) if is_full(rows[at]) else at
        columns = columns_of(rows[at:end])
        if columns:
            begin, body = header_of(rows, at, done, columns)
            yield from (line for row in rows[done:begin] for line in row.lines)
            yield part_of(rows[begin:body], rows[body:end], columns)
            done = end
        at = max(end, at + 1)
    yield from (line for row in rows[done:] for line in row.lines)


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
    figures = figures if all(map(is_figure, figures)) else []
    return Row(lines, cells or [Cell(lines[0].text, lines[0].left, lines[0].right)], figures)


def is_figure(cell: Cell) -> bool:
    """Whether a cell is a figure, or the dash in place of one."""
    return FIGURE.fullmatch(cell.text) is not None


def is_full(row: Row) -> bool:
    """Whether a row has so many figures that it may begin a table."""
    return len(row.figures) >= FEWEST_COLUMNS


def end_of(rows: Sequence[Row], at: int) -> int:
    """Return where the table of figures ends that may begin at `at`; single figures must stand below others."""
    end, spans = at + 1, [(cell.left, cell.right) for cell in rows[at].figures]
    for place in range(at + 1, len(rows)):
        row = rows[place]
        if not follows(rows[place - 1], row) or place - end >= MOST_LABELS:
            break
        below = len(row.cells) > len(row.figures) and all(is_below(cell, spans) for cell in row.figures)
        if is_full(row) or (row.figures and below):
            end = place + 1
            spans = [*spans[-MOST_SPANS:], *((cell.left, cell.right) for cell in row.figures)]
        elif len(row.cells) > 1 or row.cells[0].right > min(left for left, _ in spans):
            break
    return end


def is_below(cell: Cell, spans: Sequence[Span]) -> bool:
    """Whether a cell stands over or under one of these."""
    return any(cell.left < right and left < cell.right for left, right in spans)


def header_of(rows: Sequence[Row], at: int, done: int, columns: Sequence[Span]) -> tuple[int, int]:
    """Return where the header begins of the figures that begin at `at`, after the rows before `done`, and where it ends.

    Between header and figures may be labels; where there is no header, both are `at`.
    """
    left = columns[0][0]
    end = at
    while end > max(done, at - MOST_LABELS) and is_label(rows[end - 1], left) and follows(rows[end - 1], rows[end]):
        end -= 1
    begin = end
    while begin > max(done, end - MOST_HEADS) and is_head(rows[begin - 1], rows[end], left, last=begin == end):
        begin -= 1
    figures = rows[at].figures
    years = bool(figures) and all(YEAR.fullmatch(cell.text) for cell in figures)
    if begin == end:
        return at, at + years
    return begin, end + (end == at and years)


def follows(above: Row, row: Row) -> bool:
    """Whether a row stands right below another one."""
    high = max(above.height, row.height)
    return high > 0 and 0 < above.bottom - row.bottom < NEXT * high


def is_label(row: Row, left: float) -> bool:
    """Whether a row is a label only, which ends before the figures begin."""
    return len(row.cells) == 1 and not row.figures and row.cells[0].right <= left


def is_head(row: Row, figures: Row, left: float, last: bool) -> bool:
    """Whether a row may be of a header over figures that begin at `left`; what is over the labels is a unit, or `last`."""
    above = row.bottom - figures.bottom
    if not 0 < above < HEAD_HIGH * figures.height or any(len(cell.text) > LONGEST_HEAD for cell in row.cells):
        return False
    if sum(is_figure(cell) and not YEAR.fullmatch(cell.text) for cell in row.cells) >= FEWEST_COLUMNS:
        return False  # a row of the table, with a cell that is no figure
    over = [cell for cell in row.cells if cell.left >= left - HEAD_LEFT * row.height]
    label = row.cells[: len(row.cells) - len(over)]
    return bool(over) and len(label) <= 1 and all(last or cell.text.startswith("(") for cell in label)


def columns_of(rows: Sequence[Row]) -> list[Span]:
    """Return the columns of the figures, none where the rows are no table."""
    full = [row for row in rows if is_full(row)]
    labelled = sum(len(row.cells) > len(row.figures) for row in full)
    if len(full) < FEWEST_ROWS or 2 * labelled < len(full):
        return []
    columns: list[Span] = []
    for left, right in sorted((cell.left, cell.right) for row in full for cell in row.figures):
        if columns and left < columns[-1][1]:
            columns[-1] = columns[-1][0], max(right, columns[-1][1])
        else:
            columns.append((left, right))
    if not FEWEST_COLUMNS <= len(columns) <= MOST_COLUMNS:
        return []
    placed = [[column_at(cell, columns) for cell in row.figures] for row in full]
    alone = all(len(set(places)) == len(places) for places in placed)
    filled = Counter(place for places in placed for place in places)
    label = max((row.cells[0].left for row in full if len(row.cells) > len(row.figures)), default=0.0)
    good = alone and sum(count >= FEWEST_ROWS for count in filled.values()) >= FEWEST_COLUMNS
    return columns if good and label < columns[0][0] else []


def column_at(cell: Cell, columns: Sequence[Span]) -> int:
    """Return the column that a cell begins over, the nearest one where it is over none."""
    for place, (left, right) in enumerate(columns):
        if cell.left < right and left < cell.right:
            return place
    middle = (cell.left + cell.right) / 2
    return min(range(len(columns)), key=lambda place: abs(sum(columns[place]) / 2 - middle))


def part_of(heads: Sequence[Row], rows: Sequence[Row], columns: Sequence[Span]) -> Part:
    """Return rows below a header as a table; the lines of the header stand one above the other in their cells."""
    head = [joined_heads(heads, columns)] if heads else []
    cells = (*head, *(tuple(in_columns(row, columns)) for row in rows))
    first = [*heads, *rows][0]
    labels = (min(row.cells[0].left for row in rows), columns[0][0])
    return Part(cells, (labels, *columns), rows[-1].bottom, first.bottom + first.height, ruled=False, headed=bool(head))


def joined_heads(heads: Sequence[Row], columns: Sequence[Span]) -> Cells:
    """Return the lines of a header as one row."""
    parts = [in_columns(row, columns) for row in heads]
    return tuple(" ".join(filter(None, cells)) for cells in zip(*parts, strict=True))


def in_columns(row: Row, columns: Sequence[Span]) -> list[str]:
    """Return the text of a row's label and of each column."""
    cells = [""] * (len(columns) + 1)
    figures = row.figures
    for number, cell in enumerate(row.cells):
        label = number == 0 and (bool(figures) or cell.right <= columns[0][0]) and not (figures and is_figure(cell))
        place = 0 if label else column_at(cell, columns) + 1
        cells[place] = " ".join(filter(None, [cells[place], table.cell(cell.text)]))
    return cells
