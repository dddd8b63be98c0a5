"""Tables of every format: header row and caption on each passage of a long one, captions above and below, cells once."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from knowledge.base import Locator
from knowledge.chunking import Size, split
from knowledge.loaders import docx, html, markdown, pptx, xlsx
from knowledge.loaders.base import Block
from knowledge.loaders.table import is_caption_below, with_captions_below
from tests.knowledge.make_files import slides, word, workbook
from tests.knowledge.stubs import StubEmbedder

CAPTION = "Table 1: Stock"
ROWS = [["Name", "Colour", "Amount"], *([f"Item {number}", "red", str(1000 + number)] for number in range(200))]
TABLE = "| A | B |\n| --- | --- |\n| 1 | 2 |"


def word_file(path: Path) -> list[Block]:
    def build(document: Any) -> None:
        document.add_paragraph(CAPTION)
        table = document.add_table(len(ROWS), 3)
        for row, texts in zip(table.rows, ROWS, strict=True):
            for cell, text in zip(row.cells, texts, strict=True):
                cell.text = text

    return list(docx.read(word(path, build), lambda *_: None).blocks)


def web_page(path: Path) -> list[Block]:
    rows = "".join(f"<tr>{''.join(f'<td>{text}</td>' for text in row)}</tr>" for row in ROWS)
    path.write_text(f"<table><caption>{CAPTION}</caption>{rows}</table>")
    return list(html.read(path, lambda *_: None).blocks)


def markdown_file(path: Path) -> list[Block]:
    head, *rows = (f"| {' | '.join(row)} |" for row in ROWS)
    path.write_text("\n".join([CAPTION, "", head, "| --- | :-: | --: |", *rows]))
    return list(markdown.read(path, lambda *_: None).blocks)


def sheet(path: Path) -> list[Block]:
    path.write_bytes(workbook(lambda book: [book.active.append(row) for row in [[CAPTION], *ROWS]]))
    return list(xlsx.read(path, lambda *_: None).blocks)


def slide(path: Path) -> list[Block]:
    def build(show: Any) -> None:
        page = show.slides.add_slide(show.slide_layouts[5])
        page.shapes.title.text = "A slide"
        page.shapes.add_textbox(0, 1000, 10, 10).text_frame.text = CAPTION
        table = page.shapes.add_table(len(ROWS), 3, 0, 2000, 10, 10).table
        for row, texts in enumerate(ROWS):
            for column, text in enumerate(texts):
                table.cell(row, column).text = text

    path.write_bytes(slides(build))
    return list(pptx.read(path, lambda *_: None).blocks)


@pytest.mark.parametrize("made", [word_file, web_page, markdown_file, sheet, slide])
def test_each_passage_of_a_long_table_has_its_caption_and_header_row_once(
    tmp_path: Path, made: Callable[[Path], list[Block]]
) -> None:
    chunks = split(made(tmp_path / "table.xlsx"), "table", StubEmbedder(), Size(100, 20, 200))
    assert len(chunks) > 10
    for chunk in chunks:
        assert re.match(rf"{CAPTION}\n+\| Name \| Colour \| Amount \|\n\| ?:?-", chunk.text)
        assert chunk.text.count("Colour") == 1
    assert [name for chunk in chunks for name in re.findall(r"Item \d+", chunk.text)] == [row[0] for row in ROWS[1:]]


def block(text: str, heading: str = "H") -> Block:
    return Block(text, Locator(headings=(heading,)), "table" if "|" in text else "text")


def found(*blocks: Block) -> list[str]:
    return [one.text for one in with_captions_below(blocks)]


def test_a_caption_below_a_table_is_put_above_it() -> None:
    assert found(block(TABLE), block("Table 2: Some\nvalues"), block("After.")) == [f"Table 2: Some values\n{TABLE}", "After."]


def test_tables_with_captions_below_each_get_their_own() -> None:
    read = [block(TABLE), block(f"Table 1: One\n{TABLE}"), block(f"Table 2: Two\n{TABLE}"), block("Table 3: Three")]
    assert found(*read) == [f"Table {name}\n{TABLE}" for name in ("1: One", "2: Two", "3: Three")]


@pytest.mark.parametrize(
    "blocks",
    [
        [block(f"Table 1: One\n{TABLE}"), block("Table 2: Two")],
        [block(TABLE), block("Words."), block("Table 2: Two")],
        [block(TABLE), block("Table 2: Two", "Another heading")],
        [block(TABLE), block("Table 2 shows what was measured.")],
        [block("Table 2: Two")],
    ],
)
def test_what_is_no_caption_of_the_table_above_stays(blocks: list[Block]) -> None:
    assert with_captions_below(blocks) == blocks


def test_captions_are_told_from_sentences() -> None:
    assert all(
        map(is_caption_below, ["Table 2. The values.", "Table 1.1: List of values.", "Table 3 Values by year", "表 3 数值"])
    )
    assert not any(
        map(is_caption_below, ["Table 1.1 shows the values.", "表3显示了数值。", "Tables are good", "Table 4 says:"])
    )


def test_a_caption_in_the_last_row_of_a_sheet_is_no_row(tmp_path: Path) -> None:
    path = tmp_path / "sheet.xlsx"
    path.write_bytes(
        workbook(lambda book: [book.active.append(row) for row in [*ROWS[:3], ["Table 9: Stock"], [], ["Table 8: No"]]])
    )
    table, after = xlsx.read(path, lambda *_: None).blocks
    assert table.text.split("\n")[::4] == ["Table 9: Stock", "| Item 1 | red | 1001 |"]
    assert (table.locator.first_line, table.locator.last_line) == (1, 3)
    assert (after.text, after.kind) == ("Table 8: No", "text")
