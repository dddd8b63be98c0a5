"""A table on a page of a PDF, or the part of one that the page holds: its cells, and where it stands.

Knows no PDF library and no other page (`pdf_spread` does).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from knowledge.loaders import table

CURRENCY = frozenset("$€£¥₹")
BEHIND = frozenset(("%", ")", ")%", "%)", "pp"))

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
    def filled(self) -> "Part":
        """The same without the columns that hold nothing, and signs that stand apart in the column of their figures."""
        places = [column for column in range(len(self.rows[0])) if any(row[column] for row in self.rows)]
        columns = [self.columns[place] for place in places]
        rows = [[row[place] for place in places] for row in self.rows]
        at = 0
        while at + 1 < len(columns):
            if is_signed([(row[at], row[at + 1]) for row in rows]):
                rows = [[*row[:at], " ".join(filter(None, row[at : at + 2])), *row[at + 2 :]] for row in rows]
                columns[at : at + 2] = [(columns[at][0], columns[at + 1][1])]
            else:
                at += 1
        return replace(self, rows=tuple(map(tuple, rows)), columns=tuple(columns))

    @cached_property
    def text(self) -> str:
        """The table as Markdown."""
        return table.markdown(self.filled.rows, bare=not self.headed)


def is_signed(pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether one of two columns holds the signs of figures in the other, and nothing else stands beside anything."""
    both = [pair for pair in pairs if all(pair)]
    return bool(both) and all(belongs(*pair) for pair in both) and not any(map(alone, pairs))


def belongs(before: str, after: str) -> bool:
    """Whether one of two cells is the sign of what is in the other."""
    return bool(before and after) and (is_currency(before) or after in BEHIND)


def alone(pair: tuple[str, str]) -> bool:
    """Whether a sign stands beside nothing."""
    return (is_currency(pair[0]) and not pair[1]) or (pair[1] in BEHIND and not pair[0])


def is_currency(cell: str) -> bool:
    """Whether a cell holds only a currency's sign, or those of two rows between which no rule is drawn."""
    return bool(cell) and CURRENCY.issuperset(cell.replace(" ", ""))
