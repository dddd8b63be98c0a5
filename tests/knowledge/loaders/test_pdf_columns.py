"""Tables of figures without rules: rows of a label and figures in columns, with their header; prose is none."""

from dataclasses import replace

from knowledge.loaders.lines import Cell, Line
from knowledge.loaders.pdf_columns import with_tables

WIDTH, HEIGHT, PITCH = 5.0, 10.0, 14.0


def page(*rows: list[tuple[float, str]]) -> list[Line]:
    """Return the lines of a page: in each row the left edge and the text of its cells."""
    lines = []
    for number, row in enumerate(rows):
        cells = tuple(Cell(text, left, left + WIDTH * len(text)) for left, text in row)
        text = " ".join(cell.text for cell in cells)
        bottom = 700 - PITCH * number
        lines.append(
            Line(text, bottom, HEIGHT, left=cells[0].left, right=cells[-1].right, cells=cells[: len(cells) * (len(cells) > 1)])
        )
    return lines


def figures(label: str, *values: str) -> list[tuple[float, str]]:
    return [(72.0, label), *((300 + 80.0 * place - WIDTH * len(value), value) for place, value in enumerate(values))]


HEAD = [(270.0, "Q2"), (350.0, "Q3")]
BODY = [figures("Product", "$ 15,741", "$ 16,631"), figures("Service", "34,381", "(28,686)"), figures("Total", "50,122", "$ —")]


def found(*rows: list[tuple[float, str]]) -> list[str]:
    return [one.text for one in with_tables(page(*rows))]


def test_rows_of_labels_and_figures_are_a_table_below_their_header() -> None:
    words = [(72.0, "Some words that stand above the table and run over its columns to the end of the line")]
    after = [(72.0, "Words after it.")]
    assert found(words, HEAD, *BODY, after) == [
        words[0][1],
        "|  | Q2 | Q3 |\n| --- | --- | --- |\n| Product | $ 15,741 | $ 16,631 |\n| Service | 34,381 | (28,686) |\n"
        "| Total | 50,122 | $ — |",
        "Words after it.",
    ]


def test_labels_and_single_figures_stay_in_the_table() -> None:
    rows = [*BODY[:2], [(72.0, "Costs:")], figures("Rent", "7"), BODY[2], figures("Share", "12 %", "3.5%")]
    (table,) = found(HEAD, [(72.0, "Sales:")], *rows)
    assert [line.split(" | ")[0] for line in table.split("\n")][2:] == [
        "| Sales:", "| Product", "| Service", "| Costs:", "| Rent", "| Total", "| Share"
    ]  # fmt: skip
    assert "| Rent | 7 |  |" in table


def test_a_header_of_several_lines_is_one_row() -> None:
    heads = [[(260.0, "June 25,")], [(270.0, "2022")], [(340.0, "June 26,")], [(350.0, "2021")]]
    first, *lines = page([(72.0, "(In millions)"), (280.0, "Three Months")], *heads, *BODY)
    lines[2:] = [replace(line, bottom=line.bottom + 2 * PITCH) for line in lines[2:]]
    (table,) = with_tables([first, *lines])
    assert table.text.split("\n")[0] == "| (In millions) | Three Months June 25, 2022 | June 26, 2021 |"


def test_years_below_a_header_belong_to_it() -> None:
    table = found([(300.0, "Year ended")], [(270.0, "2022"), (350.0, "2021")], *BODY)[0]
    assert table.split("\n")[0] == "|  | 2022 | Year ended 2021 |"


def test_a_row_of_a_label_and_years_is_a_header() -> None:
    table = found([(72.0, "Ended June 30,"), (270.0, "2022"), (350.0, "2021")], *BODY)[0]
    assert table.split("\n")[:2] == ["| Ended June 30, | 2022 | 2021 |", "| --- | --- | --- |"]


def test_columns_of_text_and_few_rows_are_no_table() -> None:
    columns = [[(72.0, "the left column of a page"), (320.0, "and the right one of it")]] * 6
    assert found(*columns) == [line.text for line in page(*columns)]
    assert found(*BODY[:2]) == [line.text for line in page(*BODY[:2])]
    contents = [[(72.0, f"{number} Chapter"), (500.0, str(number * 7))] for number in range(1, 9)]
    assert found(*contents) == [line.text for line in page(*contents)]
    ticks = [[(100.0 + 50 * place, str(place)) for place in range(5)]] * 4
    assert found(*ticks) == [line.text for line in page(*ticks)]


def test_figures_that_share_no_columns_are_no_table() -> None:
    rows = [[(72.0, "row"), (200.0 + 30 * number, "123456789"), (250.0 + 30 * number, "987654321")] for number in range(5)]
    assert found(*rows) == [line.text for line in page(*rows)]


def test_signs_that_stand_apart_go_with_their_figures() -> None:
    rows = [[(72.0, f"item {n}"), (200.0, "$"), (230.0, "12"), (300.0, "15"), (312.0, "%")] for n in range(3)]
    assert found(*rows)[0].split("\n")[2] == "| item 0 | $ 12 | 15 % |"
