"""Rows of cells as a Markdown table: the form in which every format's tables are kept. Knows no format.

The chunker repeats the header row, and the caption above it, on each part of a table that is too long for one passage.
"""

import re
from collections.abc import Iterable, Sequence

from knowledge.loaders.base import Block

MAX_COLUMNS = 200
"""Cells that a row is filled up to; a cell may claim to span two thousand million, and only the first may have text."""
CAPTION = re.compile(r"(?:table|tab\.|tabelle|tableau|tabla|таблица|表格?)\s*[\dA-Z]{1,3}\b", re.IGNORECASE)
LONGEST_CAPTION = 300


def markdown(rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """Return rows as a Markdown table, the first one as its header; empty when no cell has text.

    Cells are written as `cell` returns them. Rows without text are left out, and columns at the end that hold none.
    """
    table = [row for row in map(trimmed, rows) if row]
    if not table:
        return ""
    width = min(max(map(len, table)), MAX_COLUMNS)
    lines = [line([*row, *[""] * (width - len(row))]) for row in table]
    rule = line(["---"] * max(width, len(table[0])))
    return "\n".join([*filter(None, [" ".join(caption.split())]), lines[0], rule, *lines[1:]])


def trimmed(row: Sequence[str]) -> Sequence[str]:
    """Return a row without the empty cells at its end."""
    end = len(row)
    while end and not row[end - 1]:
        end -= 1
    return row[:end]


def cell(text: str) -> str:
    """Return the text of a cell on one line, with the sign escaped that divides cells."""
    return " ".join(text.split()).replace("|", "\\|")


def line(cells: Sequence[str]) -> str:
    """Return one row."""
    return f"| {' | '.join(cells)} |"


def is_caption(text: str) -> bool:
    """Whether a paragraph right above a table is its caption: "Table 3: ...", "表 3 ..."."""
    return len(text) <= LONGEST_CAPTION and CAPTION.match(text) is not None


def take_caption(blocks: list[Block], headings: tuple[str, ...] = ()) -> str:
    """Take the caption of a table below these headings off the blocks above it, on one line; "" where there is none."""
    last = blocks[-1] if blocks else None
    if last is None or last.kind != "text" or last.locator.headings != headings or not is_caption(last.text):
        return ""
    return " ".join(blocks.pop().text.split())
