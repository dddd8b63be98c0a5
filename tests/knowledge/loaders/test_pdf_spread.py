"""Tables of a PDF over several pages: each part below the header row of the first, and others left alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from knowledge.chunking import Size, split
from knowledge.loaders import pdf as loader
from knowledge.loaders.base import Block
from knowledge.loaders.lines import Line
from knowledge.loaders.pdf_part import Part
from knowledge.loaders.pdf_spread import Spread, captioned
from tests.knowledge.make_files import ruled_pages
from tests.knowledge.stubs import StubEmbedder

HEAD = ["Product", "Shop", "Sold"]
FIRST = [HEAD, ["Apples", "north", "10"], ["Pears", "south", "7"]]
SECOND = [["Plums", "west", "21"], ["Figs", "east", "1,400"]]
CAPTION = "Table 7: Sales by shop"
Rows = list[list[str]]


def tables(
    tmp_path: Path, parts: list[Rows], above: list[str], below: list[str], bold: frozenset[str] = frozenset()
) -> list[Block]:
    path = tmp_path / "spread.pdf"
    path.write_bytes(ruled_pages(parts, above, below, bold=bold))
    return [block for block in loader.read(path, lambda *_: None).blocks if block.kind == "table"]


def head(block: Block) -> list[str]:
    return block.text.split("\n")[:3]


def test_each_part_has_the_header_row_and_the_caption_of_the_first_and_its_own_page(tmp_path: Path) -> None:
    found = tables(tmp_path, [FIRST, SECOND, SECOND[::-1]], [CAPTION, "", ""], ["1", "2", "3"])
    assert [block.locator.page for block in found] == [1, 2, 3]
    assert (
        found[1].text
        == f"{CAPTION}\n| Product | Shop | Sold |\n| --- | --- | --- |\n| Plums | west | 21 |\n| Figs | east | 1,400 |"
    )
    assert [head(block) for block in found] == [head(found[0])] * 3


def test_a_header_row_that_the_pages_repeat_is_not_doubled(tmp_path: Path) -> None:
    found = tables(tmp_path, [FIRST, [HEAD, *SECOND]], [CAPTION, f"{CAPTION} \\(continued\\)"], ["Page 1 of 2", "Page 2 of 2"])
    assert found[1].text.count("Product") == 1
    assert found[1].text.startswith(f"{CAPTION} (continued)\n| Product |")


@pytest.mark.parametrize(
    "first",
    [
        ["City", "Side", "People"],  # words over a column of figures
        ["Colour", "Size", "2024"],  # a year says nothing
        ["Plums", "west", "many"],  # nothing tells that this is a row: left alone
    ],
)
def test_another_table_with_the_same_columns_is_not_joined(tmp_path: Path, first: list[str]) -> None:
    found = tables(tmp_path, [FIRST, [first, *SECOND]], ["", ""], ["", ""])
    assert found[1].text.startswith(f"| {' | '.join(first)} |")


def test_how_a_row_is_set_tells_header_rows_from_others(tmp_path: Path) -> None:
    words = [["Kind", "Way", "State"], ["alpha", "up", "kept"], ["beta", "down", "lost"]]
    more = [["gamma", "left", "sold"], ["delta", "right", "bought"]]
    heads = frozenset(words[0])
    assert head(tables(tmp_path, [words, more], ["", ""], ["", ""], heads)[1]) == [
        "| Kind | Way | State |", "| --- | --- | --- |", "| gamma | left | sold |"
    ]  # fmt: skip
    assert head(tables(tmp_path, [words, more], ["", ""], ["", ""], heads | set(more[0]))[1])[0] == "| gamma | left | sold |"
    assert head(tables(tmp_path, [words, more], ["", ""], ["", ""])[1])[0] == "| gamma | left | sold |"


@pytest.mark.parametrize(("above", "below"), [("", "Some words between."), ("Table 8: Sales", ""), ("A heading", "")])
def test_what_stands_between_parts_two_tables(tmp_path: Path, above: str, below: str) -> None:
    found = tables(tmp_path, [FIRST, SECOND], ["", above], [below, ""])
    assert "Product" not in found[1].text


def test_what_stands_on_every_page_does_not_part_a_table(tmp_path: Path) -> None:
    found = tables(tmp_path, [FIRST, SECOND], ["Report 2023"] * 2, ["to be continued", "Report"])
    assert head(found[1])[0] == head(found[0])[0]


def test_other_columns_are_another_table(tmp_path: Path) -> None:
    wider = [[*row, "x"] for row in SECOND]
    assert "Product" not in tables(tmp_path, [FIRST, wider], ["", ""], ["", ""])[1].text


def test_columns_stay_in_their_places_where_a_part_leaves_one_empty(tmp_path: Path) -> None:
    rows = [[name, "", sold] for name, _, sold in SECOND]
    found = tables(tmp_path, [FIRST, rows], ["", ""], ["", ""])
    assert found[1].text.split("\n")[::2] == ["| Product | Shop | Sold |", "| Plums |  | 21 |"]


def test_figures_without_rules_go_on_below_their_header() -> None:
    columns = ((72.0, 300.0), (300.0, 340.0), (400.0, 440.0))
    first = Part((("", "Q2", "Q3"), ("Rent", "5", "6")), columns, 60.0, 600.0, ruled=False)
    moved = tuple((left + 3, right) for left, right in columns)
    after = Part((("Heat", "7", "8"), ("Total", "12", "14")), moved, 300.0, 780.0, ruled=False, headed=False)
    footer = [Line("Page 1", 30.0, 10.0)]

    def joined(part: Part, below: list[Line]) -> Part | None:
        spread = Spread()
        spread.join([first, *below])
        return spread.join([part])[1]

    found = joined(after, footer)
    assert found is not None
    assert found.text.split("\n")[0::2] == ["|  | Q2 | Q3 |", "| Heat | 7 | 8 |"]
    assert joined(after, [Line("A note", 30.0, 10.0)]) is None
    assert joined(replace(after, columns=tuple((left + 20, right + 20) for left, right in columns)), footer) is None
    other = replace(after, rows=(("", "2022", "2021"), *after.rows), headed=True)
    assert joined(other, footer) is None


@pytest.mark.parametrize(
    ("own", "caption"),
    [
        ("", "Table 3: Sales"),
        ("Table 3 (continued)", "Table 3: Sales (continued)"),
        ("Table 3: Sales", "Table 3: Sales"),
        ("表3（续）", "Table 3: Sales 表3（续）"),
    ],
)
def test_the_caption_of_a_part_says_what_the_page_says(own: str, caption: str) -> None:
    assert captioned("Table 3: Sales", own) == caption


def test_every_passage_of_every_page_has_the_header_row(tmp_path: Path) -> None:
    rows = [[f"Item {number}", "north", str(100 + number)] for number in range(60)]
    parts = [[HEAD, *rows[:30]], rows[30:]]
    found = tables(tmp_path, parts, ["", ""], ["", ""])
    chunks = split(found, "spread.pdf", StubEmbedder(), Size(60, 0, 200))
    assert len(chunks) > 4
    assert all(chunk.text.startswith("| Product | Shop | Sold |") and chunk.text.count("Product") == 1 for chunk in chunks)
    for chunk in chunks:
        numbers = [int(line.split("|")[1].split()[1]) for line in chunk.text.split("\n")[2:]]
        assert {number // 30 + 1 for number in numbers} == {chunk.locator.page}
