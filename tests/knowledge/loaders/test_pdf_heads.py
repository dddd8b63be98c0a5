"""Tables whose rules begin below their header, as shaded ones do: header, first rows and what goes on are found."""

from pathlib import Path

from knowledge.base import Locator
from knowledge.loaders.base import Block
from knowledge.loaders.lines import Cell, Line
from knowledge.loaders.pdf_heads import going_on, with_head
from knowledge.loaders.pdf_part import Cells, Part
from knowledge.loaders.table import is_lead, take_lead
from tests.knowledge.loaders.test_pdf_table import blocks
from tests.knowledge.make_files import ruled_pdf

WIDTH, HEIGHT, PITCH, TOP = 5.0, 10.0, 14.0, 500.0
COLUMNS = ((70.0, 250.0), (250.0, 330.0), (330.0, 410.0))


def shaded(*rows: Cells, columns: tuple[tuple[float, float], ...] = COLUMNS, headed: bool = False) -> Part:
    return Part(rows, columns, TOP - PITCH * len(rows), TOP, ruled=True, headed=headed, styles=("s",) * len(rows))


def lines(*rows: list[tuple[float, str]]) -> list[Line]:
    """Return lines that end right above the table: in each the left edge and the text of its cells."""
    found = []
    for number, row in enumerate(rows):
        cells = tuple(Cell(text, left, left + WIDTH * len(text)) for left, text in row)
        bottom = TOP - HEIGHT + PITCH * (len(rows) - number)
        several = cells if len(cells) > 1 else ()
        text = " ".join(cell.text for cell in cells)
        found.append(Line(text, bottom, HEIGHT, left=cells[0].left, right=cells[-1].right, cells=several))
    return found


BODY = (("Products", "$ 63,355", "$ 63,948"), ("Services", "19,604", "17,486"))
HEAD = [[(250.0, "Three Months Ended")], [(280.0, "2022"), (360.0, "2021")]]
WORDS = [(72.0, "Some words that stand above the table and run over its columns to the end of the line")]


def test_the_header_above_is_put_into_the_table() -> None:
    above, table = with_head(lines(WORDS, *HEAD), shaded(*BODY))
    assert [line.text for line in above] == [WORDS[0][1]]
    assert table.text.split("\n") == [
        "|  | Three Months Ended 2022 | 2021 |",
        "| --- | --- | --- |",
        "| Products | $ 63,355 | $ 63,948 |",
        "| Services | 19,604 | 17,486 |",
    ]
    assert len(table.styles) == len(table.rows) and table.top > TOP


def test_labels_and_rows_between_header_and_shades_are_rows() -> None:
    rows = [*HEAD, [(72.0, "Beginning balance"), (270.0, "$ 35,929"), (350.0, "$ 39,789")], [(72.0, "Net sales:")]]
    _, table = with_head(lines(*rows[:-1]), shaded(*BODY))
    assert table.rows[1] == ("Beginning balance", "$ 35,929", "$ 39,789")
    _, table = with_head(lines(*HEAD, rows[-1]), shaded(*BODY))
    assert table.rows[1] == ("Net sales:", "", "")


def test_signs_that_have_columns_of_their_own_are_in_no_way() -> None:
    columns = ((70.0, 250.0), (250.0, 320.0), (320.0, 345.0), (345.0, 420.0))
    part = shaded(("Income", "1,200", "", "1,300"), ("Costs", "(1,100", ")", "1,050"), columns=columns)
    heads = lines([(280.0, "2022"), (360.0, "2021")], [(72.0, "Beginning"), (270.0, "$ 5,000"), (350.0, "$ 39,789")])
    _, table = with_head(heads, part)
    assert table.rows == (
        ("", "2022", "2021"), ("Beginning", "$ 5,000", "$ 39,789"), ("Income", "1,200", "1,300"), ("Costs", "(1,100 )", "1,050")
    )  # fmt: skip


def test_a_table_with_a_header_of_its_own_or_none_above_stays_as_it_is() -> None:
    for part in (shaded(("Product", "Q2", "Q3"), *BODY, headed=True), shaded(("a", "b", "c"), *BODY)):
        assert with_head(lines(*HEAD), part) == (lines(*HEAD), part)
    assert with_head(lines(WORDS), shaded(*BODY)) == (lines(WORDS), shaded(*BODY))
    assert with_head([], shaded(*BODY)) == ([], shaded(*BODY))


def test_a_table_goes_on_below_a_label() -> None:
    columns = ((70.0, 240.0), (250.0, 300.0), (300.0, 320.0), (330.0, 390.0), (390.0, 405.0))
    shares = shaded(("Products", "34.5", "%", "36.0", "%"), ("Services", "71.5", "%", "69.8", "%"), columns=columns)
    first = shaded(("", "2022", "2021"), *BODY, headed=True)
    label = [Line(" ", TOP + 4, HEIGHT), *lines([(72.0, "Percentage:")])]
    table = going_on(first, label, shares)
    assert table is not None
    assert table.rows == (
        *first.rows, ("Percentage:", "", ""), ("Products", "34.5 %", "36.0 %"), ("Services", "71.5 %", "69.8 %")
    )  # fmt: skip
    assert len(table.styles) == len(table.rows) or not table.styles
    assert going_on(first, lines(WORDS), shares) is None
    assert going_on(first, label, shaded(("", "2020", "2019"), *BODY, headed=True)) is None
    assert going_on(first, label, shaded(("a", "1.5"), columns=COLUMNS[:2])) is None


def test_what_leads_to_a_table_of_amounts_is_its_caption(tmp_path: Path) -> None:
    rows = [["", "Q2", "Q3"], ["Sales", "1,200", "1,300"], ["Costs", "1,100", "1,050"]]
    table, after = blocks(tmp_path, ruled_pdf(rows, above="The figures of the year were as follows:"))
    assert table.text.split("\n")[0] == "The figures of the year were as follows:"
    assert after.text == "After the table."
    words, table, _ = blocks(tmp_path, ruled_pdf(rows, above="These are the words of another matter."))
    assert words.kind == "text" and table.text.startswith("| ")


def test_leads_are_no_whole_sentences() -> None:
    assert is_lead("Balance sheets (in millions)") and is_lead("were as follows: ")
    assert not is_lead("It ends here.") and not is_lead("long " * 80)


def test_the_unit_and_the_words_above_it_lead_to_a_table() -> None:
    above = [Block(text, Locator(page=3)) for text in ("Before.", "Revenue was as follows:", "(In millions)")]
    assert take_lead(above, 3) == "Revenue was as follows: (In millions)" and len(above) == 1
    assert take_lead(above, 3) == "" and take_lead([Block("Title", Locator(page=2))], 3) == "" and take_lead([], 3) == ""


def test_a_row_of_amounts_is_no_header(tmp_path: Path) -> None:
    rows = [["Sales", "$1,200", "$1,300"], ["Costs", "$1,100", "$1,050"], ["Rest", "$100", "$250"]]
    table, _ = blocks(tmp_path, ruled_pdf(rows))
    assert table.text.split("\n")[:3] == ["|  |  |  |", "| --- | --- | --- |", "| Sales | $1,200 | $1,300 |"]
    rows[0] = ["Costs:", "", ""]
    table, _ = blocks(tmp_path, ruled_pdf(rows))
    assert table.text.split("\n")[2] == "| Costs: |  |  |"
