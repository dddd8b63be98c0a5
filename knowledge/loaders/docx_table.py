"""The cells of a table in a Word document, by rows. Knows no styles.

Merged cells stand once, where they begin; tables in cells are flattened into their cell.
"""

from xml.etree.ElementTree import Element

from knowledge.loaders.docx_styles import child, is_on, number, value
from knowledge.loaders.docx_text import floating_in, parts_in, text_of
from knowledge.loaders.table import MAX_COLUMNS, cell
from knowledge.loaders.table_head import MOST, Span, as_markdown

FIRST = 2 * MOST
"""Rows of which it is kept what their cells take: those that may be of a header."""


def table_of(table: Element, caption: str) -> str:
    """Return a table as Markdown; rows that Word repeats on each page are its header."""
    rows: list[list[str]] = []
    spans: dict[tuple[int, int], Span] = {}
    told = 0
    for place, row in enumerate(parts_in(table, "tr")):
        told += told == place and is_on(child(row, "trPr", "tblHeader"))
        cells = [""] * skipped(row)
        for element in parts_in(row, "tc"):
            columns = min(number(value(child(element, "tcPr", "gridSpan"))) or 1, max(MAX_COLUMNS - len(cells), 1))
            if place < FIRST:
                lengthen(spans, (place, len(cells)), columns, element)
            cells += [cell_text(element)] + [""] * (columns - 1)
        rows.append(cells)
    return as_markdown(rows, spans, told, caption)


def skipped(row: Element) -> int:
    """Return how many columns a row leaves out before its first cell."""
    return min(number(value(child(row, "trPr", "gridBefore"))) or 0, MAX_COLUMNS - 1)


def lengthen(spans: dict[tuple[int, int], Span], place: tuple[int, int], columns: int, element: Element) -> None:
    """Take in what a cell takes: the first of several that are merged downwards becomes a row longer."""
    merged = child(element, "tcPr", "vMerge")
    row, column = place
    if merged is None or value(merged) == "restart":
        spans[place] = columns, 1
        return
    while row and (row, column) not in spans:
        row -= 1
    if (row, column) in spans:
        spans[row, column] = spans[row, column][0], place[0] - row + 1


def cell_text(element: Element) -> str:
    """Return a cell's text on one line."""
    return cell(" ".join([text_of(element)] + [text_of(box) for box in floating_in(element)]))
