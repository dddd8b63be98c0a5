"""One table of a web page while its tags are read. Knows no page.

Merged cells stand once, where they begin; the places that they cover are empty.
"""

from collections.abc import Iterator, Mapping

from knowledge.loaders import table

CELLS = ("td", "th")


class Table:
    """Rows of cells so far; `caption` in words."""

    def __init__(self) -> None:
        self.caption = ""
        self._rows: list[list[str]] = []
        self._covered: dict[int, int] = {}
        self._span = (1, 1)
        self._part = ""
        self._layout = False

    def open(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Take in a start tag inside the table."""
        if tag == "caption":
            self._part = tag
        elif tag == "tr":
            self._rows.append([])
            self._part = ""
        elif tag in CELLS and not self._layout:
            if not self._rows:
                self._rows.append([])
            self._skip()
            self._span = span(attributes, "colspan"), span(attributes, "rowspan")
            self._rows[-1].append("")
            self._part = "cell"

    def close(self, tag: str) -> None:
        """Take in an end tag inside the table."""
        if tag in CELLS and self._part == "cell":
            self._end_cell()
        if tag in CELLS or tag == "caption":
            self._part = ""

    def add(self, text: str) -> bool:
        """Take in words; False where they are not in a cell or only laid out by it."""
        words = table.cell(text)
        if self._part == "caption":
            self.caption = f"{self.caption} {words}".strip()
        elif self._part == "cell" and not self._layout:
            self._rows[-1][-1] = f"{self._rows[-1][-1]} {words}".strip()
        else:
            return False
        return True

    def is_layout(self) -> bool:
        """Whether this is no table of data: it holds a table, a heading, or one column only."""
        return self._layout or max(map(len, self._rows), default=0) < 2

    def lay_out(self) -> Iterator[str]:
        """Make this a table that only lays out the page; yields the texts of its cells so far, which it forgets."""
        self._layout, self._part = True, ""
        texts = [self.caption, *(text for row in self._rows for text in row)]
        self._rows, self.caption = [], ""
        return (text.replace("\\|", "|") for text in texts if text)

    def markdown(self, caption: str = "") -> str:
        """Return the whole as Markdown."""
        return table.markdown(self._rows, self.caption or caption)

    def _skip(self) -> None:
        """Fill in the places that cells of the rows above cover."""
        row = self._rows[-1]
        while self._covered.get(len(row), 0) >= len(self._rows):
            row.append("")

    def _end_cell(self) -> None:
        columns, rows = self._span
        row = self._rows[-1]
        first = len(row) - 1
        columns = max(1, min(columns, table.MAX_COLUMNS - first))
        row += [""] * (columns - 1)
        for column in range(first, first + columns):
            self._covered[column] = len(self._rows) + rows - 1


def span(attributes: Mapping[str, str], name: str) -> int:
    """Return how many columns or rows a cell says that it takes, within reason."""
    number = attributes.get(name, "").strip()
    return min(max(int(number), 1), 10_000) if number.isascii() and number.isdigit() and len(number) < 10 else 1
