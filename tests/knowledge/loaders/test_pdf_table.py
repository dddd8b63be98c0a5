"""Tables of a PDF that are drawn with rules: cells in their places, merged cells once, and what is no table."""

import io
from pathlib import Path

import pypdf
import pytest

from knowledge.loaders import pdf as loader
from knowledge.loaders.base import Block
from knowledge.loaders.pdf_part import Part
from knowledge.loaders.pdf_rules import Rule
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


def test_a_header_of_two_rows_is_one(tmp_path: Path) -> None:
    rows = [["", "2023", ""], ["Region", "H1", "H2"], ["North", "1", "2"]]
    table, _ = blocks(tmp_path, ruled_pdf(rows, above="Table 7: Sales", merged=(0, 1)))
    assert table.text == "Table 7: Sales\n| Region | 2023 H1 | H2 |\n| --- | --- | --- |\n| North | 1 | 2 |"
    table, _ = blocks(tmp_path, ruled_pdf([rows[0], ["North", "1", "2"], ["South", "3", "4"]], merged=(0, 1)))
    assert table.text.split("\n")[0] == "|  | 2023 |  |"


def test_a_row_of_one_cell_above_is_a_title_and_labels_are_no_header(tmp_path: Path) -> None:
    rows = [["Pilot", ""], ["Age:", "48"], ["Hours:", "1,020"]]
    table, _ = blocks(tmp_path, ruled_pdf(rows, above="Table 7: People", merged=(0, 0)))
    assert table.text == "Table 7: People Pilot\n|  |  |\n| --- | --- |\n| Age: | 48 |\n| Hours: | 1,020 |"


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


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("shown_upright", [True, False])
def test_a_page_that_is_drawn_turned_is_read_as_if_upright(tmp_path: Path, degrees: int, shown_upright: bool) -> None:
    upright = ruled_pdf(ROWS, above="Table 7: Sales")
    writer, out = pypdf.PdfWriter(clone_from=io.BytesIO(upright)), io.BytesIO()
    page = writer.pages[0]
    page.rotate(degrees)
    page.transfer_rotation_to_content()
    if shown_upright:
        page.rotate(-degrees)
    writer.write(out)
    assert blocks(tmp_path, out.getvalue()) == blocks(tmp_path, upright)


def test_rules_through_words_are_a_drawing(tmp_path: Path) -> None:
    long = [
        ["a label that is much longer than its cell", "", ""],
        ["and another one that goes through rules", "", ""],
    ]
    found = blocks(tmp_path, ruled_pdf([["x", "y", "z"], *long, ["a", "b", "c"]]))
    assert {block.kind for block in found} == {"text"}


def test_grids_side_by_side_with_the_same_rows_are_one_table() -> None:
    def grid(left: float, bottoms: list[float]) -> list[Rule]:
        across = [(left, y, left + 100, y) for y in bottoms]
        return [*across, *((x, bottoms[0], x, bottoms[-1]) for x in (left, left + 50, left + 100))]

    rows = [0.0, 20.0, 40.0, 60.0]
    assert [(one.rows, one.columns) for one in grids_of(grid(0, rows) + grid(110, rows))] == [(3, 5)]
    assert len(grids_of(grid(0, rows) + grid(150, rows))) == 2
    assert len(grids_of(grid(0, rows) + grid(110, [0.0, 30.0, 40.0, 60.0]))) == 2
    assert len(grids_of(grid(0, rows) + grid(0, [100.0, 120.0, 140.0, 160.0]))) == 2


def filled(*rows: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    columns = tuple((100.0 * place, 100.0 * place + 90) for place in range(len(rows[0])))
    part = Part(rows, columns, 0.0, 100.0, ruled=True).filled
    assert [len(row) for row in part.rows] == [len(part.columns)] * len(rows)
    return part.rows


def test_signs_stand_with_their_figures() -> None:
    found = filled(("Net sales", "$", "10"), ("Costs", "7", ""), ("Total", "$", "3"))
    assert found == (("Net sales", "$ 10"), ("Costs", "7"), ("Total", "$ 3"))
    kept = (("Country", "Sign", "Name"), ("USA", "$", "dollar"))
    assert filled(*kept) == kept
    assert filled(("a", "", "34.5", "%"), ("b", "", "(2", ")%")) == (("a", "34.5 %"), ("b", "(2 )%"))
    assert filled(("taxes", "$ $", "12"), ("interest", "", "7")) == (("taxes", "$ $ 12"), ("interest", "7"))
    kept = (("Unit", "", "%"), ("kg", "7", ""))
    assert filled(*kept) == kept


def test_rules_that_do_not_meet_make_no_grid() -> None:
    apart = [(0.0, 0.0, 100.0, 0.0), (0.0, 50.0, 100.0, 50.0), (0.0, 99.0, 100.0, 99.0), (200.0, 0.0, 200.0, 99.0)]
    assert grids_of(apart) == []
