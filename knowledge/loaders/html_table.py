"""One table of a web page while its tags are read. Knows no page.

Merged cells stand once, where they begin; the places that they cover are empty. A table in a cell of a table of data is
told in words in that cell. A table without a header gets an empty one: its first row is not what its columns are called.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from knowledge.loaders import table
from knowledge.loaders.table_head import MOST, Span, has_labels, header_rows, is_figure, joined, title_of, titles

CELLS = ("td", "th")
SECTIONS = {"thead": 0, "tbody": 1, "tfoot": 2}
"""Parts of a table, in the order in which a browser shows them."""
MOST_ROWS = 10_000
"""Rows or columns that a cell is believed to take."""
LAID_OUT = ("presentation", "none")


@dataclass(slots=True)
class _Row:
    """The cells of a row and where merged ones begin; `heads` of them are `th`, `others` are not."""

    section: int
    cells: list[str] = field(default_factory=list)
    spans: dict[int, Span] = field(default_factory=dict)
    heads: int = 0
    others: int = 0

    def is_header(self) -> bool:
        """Whether all its cells are of a header."""
        return self.heads > 0 and not self.others and any(self.cells)


class Table:
    """Rows of cells so far; `caption` in words."""

    def __init__(self, attributes: Mapping[str, str]) -> None:
        self.caption = ""
        self._rows: list[_Row] = []
        self._covered: dict[int, int] = {}
        self._span = (1, 1)
        self._section = SECTIONS["tbody"]
        self._part = ""
        self._words: list[str] = []
        self._layout = attributes.get("role", "").strip().lower() in LAID_OUT
        self._inner = 0
        self._pause = False

    def open(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Take in a start tag inside the table."""
        if self._inner:
            self._inner += tag == "table"
        elif tag == "table":
            self._inner = 1
        elif tag == "caption":
            self._part = tag
        elif tag in SECTIONS:
            self._begin(SECTIONS[tag])
        elif tag == "tr":
            self._seal()
            self._rows.append(_Row(self._section))
            self._part = ""
        elif tag in CELLS and not self._layout:
            self._open_cell(tag, attributes)

    def close(self, tag: str) -> None:
        """Take in an end tag inside the table."""
        if self._inner:
            self._inner -= tag == "table"
            self._pause = self._pause or tag == "tr"
            return
        if tag in CELLS and self._part == "cell":
            self._seal()
            self._end_cell()
        if tag in SECTIONS:
            self._begin(SECTIONS["tbody"])
        if tag in CELLS or tag == "caption":
            self._part = ""

    def add(self, text: str, marker: str = "") -> bool:
        """Take in words, a list's item after its `marker`; False where they are not in a cell or only laid out by it."""
        words = table.cell(marker + text)
        if self._part == "caption":
            self.caption = f"{self.caption} {words}".strip()
        elif self._part == "cell" and not self._layout:
            if self._pause and self._words:
                self._words[-1] += ";"
            self._words.append(words)
            self._pause = False
        else:
            return False
        return True

    def holds(self) -> bool:
        """Whether this is a table of data for what comes next: headings and tables in its cells lay out nothing."""
        if self._layout or self._part != "cell":
            return False
        row = self._rows[-1]
        if self._inner or self.caption or row.section != SECTIONS["tbody"] or self._rows[0].section == SECTIONS["thead"]:
            return True
        beside = row.heads > 0 and row.others > 0 and bool(row.cells[0])
        return beside or (row is not self._rows[0] and self._rows[0].is_header() and len(self._rows[0].cells) > 1)

    def is_inner(self) -> bool:
        """Whether a table in a cell of this one is being read."""
        return self._inner > 0

    def is_layout(self) -> bool:
        """Whether this is no table of data: it holds a table, a heading, or one column only that nothing is said of."""
        self._seal()
        if self._layout:
            return True
        told = self.caption or (self._rows and self._rows[0].is_header() and any(row.others for row in self._rows))
        return max((len(table.trimmed(row.cells)) for row in self._rows), default=0) < (1 if told else 2)

    def lay_out(self) -> Iterator[str]:
        """Make this a table that only lays out the page; yields the texts of its cells so far, which it forgets."""
        self._layout, self._part = True, ""
        self._seal()
        texts = [self.caption, *(text for row in self._in_order() for text in row.cells)]
        self._rows, self.caption = [], ""
        return (text.replace("\\|", "|") for text in texts if text)

    def markdown(self, caption: str = "") -> str:
        """Return the whole as Markdown."""
        ordered = [row for row in self._in_order() if any(row.cells)]
        rows = [row.cells for row in ordered]
        spans = {(number, column): span for number, row in enumerate(ordered[: 2 * MOST]) for column, span in row.spans.items()}
        above = titles(rows, spans)
        told = told_by(ordered[above:])
        bare = not told and is_bare(ordered[above:])
        body = above + (0 if bare else header_rows(rows, spans, above, told))
        caption = " ".join(filter(None, [self.caption or caption, title_of(rows[:above])]))
        shown = rows[above:] if bare or not rows else [joined(rows[above:body]), *rows[body:]]
        return table.markdown(shown, caption, bare)

    def _in_order(self) -> list[_Row]:
        return sorted(self._rows, key=lambda row: row.section)

    def _begin(self, section: int) -> None:
        self._section, self._part = section, ""
        self._covered.clear()  # no cell goes on in another part

    def _open_cell(self, tag: str, attributes: Mapping[str, str]) -> None:
        if not self._rows:
            self._rows.append(_Row(self._section))
        self._seal()
        row = self._rows[-1]
        while self._covered and self._covered.get(len(row.cells), 0) >= len(self._rows):  # what cells above cover
            row.cells.append("")
        self._span = (span(attributes, "colspan"), span(attributes, "rowspan")) if attributes else (1, 1)
        row.cells.append("")
        row.heads += tag == "th"
        row.others += tag == "td"
        self._part, self._pause = "cell", False

    def _seal(self) -> None:
        """Put the words of the cell that is being read into it."""
        if self._words:
            self._rows[-1].cells[-1], self._words = " ".join(self._words), []

    def _end_cell(self) -> None:
        columns, rows = self._span
        row = self._rows[-1]
        first = len(row.cells) - 1
        columns = max(1, min(columns, table.MAX_COLUMNS - first))
        row.cells += [""] * (columns - 1)
        if (columns, rows) != (1, 1):
            row.spans[first] = columns, rows
            for column in range(first, first + columns):
                self._covered[column] = len(self._rows) + rows - 1


def told_by(rows: Sequence[_Row]) -> int:
    """Return how many of the first rows the page says are the table's header."""
    told = sum(row.section == SECTIONS["thead"] for row in rows)
    return told or next((number for number, row in enumerate(rows) if not row.is_header()), len(rows))


def is_bare(rows: Sequence[_Row]) -> bool:
    """Whether a table of which the page does not tell a header has none: its figures begin at once, or it has labels only."""
    first = rows[0].cells if rows else []
    return any(row.heads for row in rows) or has_labels(first) or any(map(is_figure, first))


def span(attributes: Mapping[str, str], name: str) -> int:
    """Return how many columns or rows a cell says that it takes, within reason; 0 rows are all that follow."""
    number = attributes.get(name, "").strip()
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        return 1
    return min(int(number) or (MOST_ROWS if name == "rowspan" else 1), MOST_ROWS)
