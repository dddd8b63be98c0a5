"""Rows of a sheet to Markdown tables with the numbers of their rows. Knows no file format.

Empty rows divide tables. A row of one cell above a table is its caption. A stretch that begins with a number has no
header row of its own: it goes on with the one before, as do the parts of a long table.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from knowledge.base import Locator
from knowledge.loaders.base import Block
from knowledge.loaders.table import LONGEST_CAPTION, cell, is_caption_below, markdown, trimmed
from knowledge.loaders.table_head import FIGURE, Spans, header_rows, joined

MOST_ROWS = 500
"""Rows in one block: a part of a long table is given away before the whole is read."""


@dataclass(frozen=True, slots=True)
class Row:
    """The texts of a row's cells, and the lines (from 1) that it takes in the file."""

    cells: Sequence[str]
    first: int
    last: int


def blocks_of(rows: Iterable[Row], headings: tuple[str, ...] = (), spans: Spans = MappingProxyType({})) -> Iterator[Block]:
    """Yield the tables of a sheet, and what is no table as text; `spans`: what merged cells take, by line and column from 1."""
    header: list[str] = []
    title: list[Row] = []
    for stretch in stretches(rows):
        if title and names_columns(stretch[0].cells) and stretch[0].first == title[0].last + 2:
            stretch = [*title, *stretch]
        elif title:
            yield from block(title, header, headings, spans)
        # Words alone above the first table, an empty row between: its caption, as they are without that row.
        title = stretch if not header and is_alone(stretch) else []
        if not title:
            yield from block(stretch, header, headings, spans)
    if title:
        yield from block(title, header, headings, spans)


def stretches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield the rows between empty ones, not too many at once."""
    part: list[Row] = []
    for row in rows:
        cells = trimmed([cell(text) for text in row.cells])
        # Text and lines go together as long as each row takes one line; see `Piece.lines`.
        if part and (not cells or len(part) >= MOST_ROWS or row.last > row.first):
            yield part
            part = []
        if cells:
            part.append(Row(cells, row.first, row.last))
            if row.last > row.first:
                yield part
                part = []
    if part:
        yield part


def is_alone(rows: list[Row]) -> bool:
    """Whether a stretch is one cell of few words."""
    said = words(rows[0])
    return len(rows) == 1 and sum(map(bool, rows[0].cells)) == 1 and len(said) <= LONGEST_CAPTION and not FIGURE.match(said)


def block(rows: list[Row], header: list[str], headings: tuple[str, ...], spans: Spans) -> Iterator[Block]:
    """Yield a stretch without empty rows; `header` is that of the last table, and is changed to this one's."""
    wide = next((index for index, row in enumerate(rows) if sum(map(bool, row.cells)) > 1), len(rows))
    if header and all(is_caption_below(words(row)) for row in rows):
        yield from (Block(words(row), place([row], headings)) for row in rows)
        return
    if wide == len(rows) and not (header and any(FIGURE.match(words(row)) for row in rows)):  # notes, if below a table
        yield Block("\n".join(map(words, rows)), place(rows, headings))
        return
    above, table = ([], rows) if wide == len(rows) else (rows[:wide], rows[wide:])
    while wide < len(rows) and sum(map(bool, table[-1].cells)) == 1 and is_caption_below(words(table[-1])):
        above, table = [*above, table[-1]], table[:-1]
    caption = " ".join(map(words, above))
    own = not header or (bool(above) and names_columns(table[0].cells)) or is_header(table[0].cells, header)
    shown: list[Sequence[str]] = [row.cells for row in table]
    if own:
        header[:], shown = with_header(shown, table[0].first, spans)
    yield Block(markdown(shown if own else [header, *shown], caption), place(table, headings), "table")


def with_header(rows: list[Sequence[str]], first: int, spans: Spans) -> tuple[list[str], list[Sequence[str]]]:
    """Return the header of a table that begins in line `first`, and its rows, with that as one row."""
    taken = {(row - first, column - 1): span for (row, column), span in spans.items() if row >= first}
    count = header_rows(rows, taken) if taken else 1
    header = joined(rows[:count])
    return header, [header, *rows[count:]]


def is_header(cells: Sequence[str], header: list[str]) -> bool:
    """Whether a row after an empty one names the columns of another table than the one before."""
    return list(cells) != header and names_columns(cells) and len(cells) != len(header)


def names_columns(cells: Sequence[str]) -> bool:
    """Whether a row may be a header row: two words or more, and no number."""
    return sum(map(bool, cells)) > 1 and not any(FIGURE.match(text) for text in cells)


def words(row: Row) -> str:
    """Return the texts of a row's cells in one."""
    return " ".join(filter(None, row.cells))


def place(rows: list[Row], headings: tuple[str, ...]) -> Locator:
    """Return where rows stand."""
    return Locator(None, headings, rows[0].first, rows[-1].last)
