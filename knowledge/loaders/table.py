"""Rows of cells as a Markdown table: the form in which every format's tables are kept. Knows no format.

The chunker repeats the header row, and the caption above it, on each part of a table that is too long for one passage.
"""

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace

from knowledge.loaders.base import Block

MAX_COLUMNS = 200
"""Cells that a row is filled up to; a cell may claim to span two thousand million, and only the first may have text."""
CAPTION = re.compile(
    r"(?i:table|tab\.|tabelle|tableau|tabla|таблица|表格?)\s*(?:\d{1,3}[A-Za-z]?|(?<=\s)(?:[A-Z]\d{0,2}|[IVXLC]{2,6}))\b"
)
"""With a number: "Tables are ..." and "Table of ..." are words of a sentence or a heading."""
UNIT = re.compile(r"[(（][^()（）]*[)）]")
"""What stands between a title and its table: "(In millions)"."""
LONGEST_CAPTION = 300
TITLE = re.compile(rf"(?:{CAPTION.pattern})(?:[.-]\d+)*\s*(?:[:：|\u2013\u2014]|\.\s)")
"""What a caption begins with where it ends as a sentence does."""


def markdown(rows: Iterable[Sequence[str]], caption: str = "", bare: bool = False) -> str:
    """Return rows as a Markdown table, the first one as its header, or below an empty one; empty when no cell has text.

    Cells are written as `cell` returns them. Rows without text are left out, and columns at the end that hold none.
    """
    table = [row for row in map(trimmed, rows) if row]
    if not table:
        return ""
    width = min(max(map(len, table)), MAX_COLUMNS)
    lines = [line([*row, *[""] * (width - len(row))]) for row in ([[], *table] if bare else table)]
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


def take_caption(blocks: list[Block], headings: tuple[str, ...] = (), told: Container[int] = ()) -> str:
    """Take the caption of a table below these headings off the blocks above it, on one line; "" where there is none.

    `told`: the ids of the blocks of which the format says that they are captions.
    """
    last = blocks[-1] if blocks else None
    if last is None or last.kind != "text" or last.locator.headings != headings:
        return ""
    if id(last) not in told and not is_caption(last.text):
        return ""
    return " ".join(blocks.pop().text.split())


def take_lead(blocks: list[Block], page: int | None) -> str:
    """Take the title of a table, or the words that lead to it, off the blocks of its page, on one line; "" without any."""
    words = ""
    while blocks and blocks[-1].kind == "text" and blocks[-1].locator.page == page and is_lead(blocks[-1].text):
        last = " ".join(blocks.pop().text.split())
        words = f"{last} {words}".rstrip()
        if not UNIT.fullmatch(last):
            break
    return words


def is_lead(text: str) -> bool:
    """Whether a paragraph right above a table may be about it: no whole sentence, or one that ends in a colon."""
    words = text.rstrip()
    return len(words) <= LONGEST_CAPTION and (words[-1] in ":：" or words[-1] not in ".!?;,。！？；，")


def is_caption_below(text: str) -> bool:
    """Whether a paragraph right below a table is its caption, and not a sentence about it ("Table 3 shows ... .")."""
    return is_caption(text) and (TITLE.match(text) is not None or text.rstrip()[-1] not in ".!?,;:。！？，；：")


def with_captions_below(blocks: Iterable[Block], told: Container[int] = ()) -> list[Block]:
    """Return blocks, the caption below a table, where none stands above it, as its first line; `told` as in `take_caption`.

    Of tables that stand together each has then been given the caption of the one before: these are moved up.
    """
    found: list[Block] = []
    together = 0
    for block in blocks:
        beside = together > 0 and where(block) == where(found[-1])
        if block.kind == "table":
            together = together + 1 if beside else 1
        else:
            tables = found[len(found) - together :]
            together = 0
            below = beside and (id(block) in told or is_caption_below(block.text))
            if below and not titled(tables[0]) and all(map(titled, tables[1:])):
                found[len(found) - len(tables) :] = moved_up(tables, block)
                continue
        found.append(block)
    return found


def moved_up(tables: Sequence[Block], last: Block) -> Iterator[Block]:
    """Yield tables, each below the caption of the one after it, and the last one below this caption."""
    captions = [*(table.text.split("\n", 1)[0] for table in tables[1:]), " ".join(last.text.split())]
    for block, caption in zip(tables, captions, strict=True):
        rows = block.text.split("\n", 1)[1] if titled(block) else block.text
        yield replace(block, text=f"{caption}\n{rows}")


def titled(block: Block) -> bool:
    """Whether a table has a caption."""
    return not block.text.startswith("|")


def where(block: Block) -> tuple[int | None, tuple[str, ...]]:
    """Return the page and the headings that a block stands on and below."""
    return block.locator.page, block.locator.headings
