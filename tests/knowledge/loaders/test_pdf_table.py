"""Tables of a PDF that are drawn with rules: cells in their places, merged cells once, and what is no table."""

from pathlib import Path

import pytest

from knowledge.loaders import pdf as loader
from knowledge.loaders.base import Block
from knowledge.loaders.pdf_table import grids_of
from tests.knowledge.make_files import ruled_pdf

ROWS = [["Product", "Q2", "Q3"], ["A", "10", "11"], ["B", "20", "21 |"], ["C", "", "31"]]


def blocks(tmp_path: Path, content: bytes) -> list[Block]:
    path = tmp_path / "table.pdf"
    path.write_bytes(content)
    return list(loader.read(path, lambda *_: None).blocks)


def test_a_ruled_table_is_markdown_with_its_caption(tmp_path: Path) -> None:
    table, after = blocks(tmp_path, ruled_pdf(ROWS, above="Table 7: Sales"))
    assert table.text == (
        "Table 7: Sales\n| Product | Q2 | Q3 |\n| --- | --- | --- |\n| A | 10 | 11 |\n| B | 20 | 21 \\| |\n| C |  | 31 |"
    )
    assert (table.kind, table.locator.page) == ("table", 1)
    assert (after.text, after.kind) == ("After the table.", "text")


def test_what_stands_above_is_no_caption_unless_it_says_so(tmp_path: Path) -> None:
    found = blocks(tmp_path, ruled_pdf(ROWS, above="Sales in this year"))
    assert [block.kind for block in found] == ["text", "table", "text"]


def test_merged_cells_stand_once(tmp_path: Path) -> None:
    table, _ = blocks(tmp_path, ruled_pdf([["Product", "Sales", ""], *ROWS[1:]], merged=(0, 1)))
    assert table.text.split("\n")[0] == "| Product | Sales |  |"
    assert table.text.count("Sales") == 1


@pytest.mark.parametrize(
    "rows",
    [
        [["A frame around words"]],
        [["one", "row", "only"]],
        [["a list"], ["in a frame"], ["of rows"]],
        [["a column of", ""], ["", "running text"], ["in a frame", ""]],
    ],
)
def test_frames_are_no_tables(tmp_path: Path, rows: list[list[str]]) -> None:
    found = blocks(tmp_path, ruled_pdf(rows))
    assert {block.kind for block in found} == {"text"}
    assert "".join(cell for row in rows for cell in row).replace(" ", "") in "".join(
        "".join(block.text.split()) for block in found
    )


def test_rules_through_words_are_a_drawing(tmp_path: Path) -> None:
    long = [
        ["a label that is much longer than its cell", "", ""],
        ["and another one that goes through rules", "", ""],
    ]
    found = blocks(tmp_path, ruled_pdf([["x", "y", "z"], *long, ["a", "b", "c"]]))
    assert {block.kind for block in found} == {"text"}


def test_rules_that_do_not_meet_make_no_grid() -> None:
    apart = [(0.0, 0.0, 100.0, 0.0), (0.0, 50.0, 100.0, 50.0), (0.0, 99.0, 100.0, 99.0), (200.0, 0.0, 200.0, 99.0)]
    assert grids_of(apart) == []
