"""Tables of a Word document as Markdown tables, header row first. Knows no styles.

Merged cells stand once, where they begin; tables in cells are flattened into their cell.
"""

from xml.etree.ElementTree import Element

from knowledge.loaders.docx_styles import child, number, value
from knowledge.loaders.docx_text import boxes_in, parts_in, text_of

MAX_COLUMNS = 200
"""Cells a row is filled up to; a cell may claim to span two thousand million."""


def markdown(table: Element) -> str:
    """Return a table as Markdown, empty when no cell has text."""
    rows = [row_of(row) for row in parts_in(table, "tr")]
    rows = [row for row in rows if any(row)]
    if not rows:
        return ""
    width = max(map(len, rows))
    lines = [_line(row + [""] * (width - len(row))) for row in rows]
    return "\n".join([lines[0], _line(["---"] * width), *lines[1:]])


def row_of(row: Element) -> list[str]:
    """Return the cells of a row; the columns that a cell spans beyond its first are empty."""
    cells: list[str] = []
    for cell in parts_in(row, "tc"):
        span = number(value(child(cell, "tcPr", "gridSpan"))) or 1
        cells += [cell_text(cell)] + [""] * min(span - 1, max(MAX_COLUMNS - len(cells), 0))
    return cells


def cell_text(cell: Element) -> str:
    """Return a cell's text on one line."""
    words = [text_of(cell)] + [text_of(box) for box in boxes_in(cell)]
    return " ".join(" ".join(words).split()).replace("|", "\\|")


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
