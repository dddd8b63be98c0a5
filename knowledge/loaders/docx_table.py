"""The cells of a table in a Word document, by rows. Knows no styles.

Merged cells stand once, where they begin; tables in cells are flattened into their cell.
"""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from knowledge.loaders.docx_styles import child, number, value
from knowledge.loaders.docx_text import floating_in, parts_in, text_of
from knowledge.loaders.table import MAX_COLUMNS, cell


def rows_of(table: Element) -> Iterator[list[str]]:
    """Yield the rows of a table; the columns that a cell spans beyond its first are empty."""
    for row in parts_in(table, "tr"):
        cells: list[str] = []
        for element in parts_in(row, "tc"):
            span = number(value(child(element, "tcPr", "gridSpan"))) or 1
            cells += [cell_text(element)] + [""] * min(span - 1, max(MAX_COLUMNS - len(cells), 0))
        yield cells


def cell_text(element: Element) -> str:
    """Return a cell's text on one line."""
    return cell(" ".join([text_of(element)] + [text_of(box) for box in floating_in(element)]))
