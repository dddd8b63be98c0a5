"""A table on a page of a PDF, or the part of one that the page holds: its cells, and where it stands.

Knows no PDF library and no other page (`pdf_spread` does).
"""

from dataclasses import dataclass
from functools import cached_property

from knowledge.loaders import table

CURRENCY = frozenset("$€£¥₹")

Span = tuple[float, float]
"""Left and right in points."""
Cells = tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """Rows of cells, in columns from left to right, between `bottom` and `top` in points from the page's lower edge.

    `ruled`: the columns are those between rules, else those that figures take. `headed`: the first row may be a header row.
    `styles`: how the last cell of each row is set (font, size, colour), "" where unknown; as many as rows, or none.
    `title`: the words of rows of one cell over all columns, above the header row.
    """

    rows: tuple[Cells, ...]
    columns: tuple[Span, ...]
    bottom: float
    top: float
    ruled: bool
    headed: bool = True
    styles: Cells = ()
    title: str = ""

    @cached_property
    def text(self) -> str:
        """The table as Markdown, without the columns that hold nothing."""
        filled = [column for column in range(len(self.rows[0])) if any(row[column] for row in self.rows)]
        rows = with_currencies([[row[column] for column in filled] for row in self.rows])
        return table.markdown(rows, bare=not self.headed)


def with_currencies(rows: list[list[str]]) -> list[list[str]]:
    """Return rows, a column with a currency's sign before some figures put together with the column of these figures."""
    column = 0
    while rows and column + 1 < len(rows[0]):
        pairs = [(row[column], row[column + 1]) for row in rows]
        signs = [after for before, after in pairs if before in CURRENCY]
        if signs and all(after if before in CURRENCY else not (before and after) for before, after in pairs):
            rows = [[*row[:column], " ".join(filter(None, row[column : column + 2])), *row[column + 2 :]] for row in rows]
        column += 1
    return rows
