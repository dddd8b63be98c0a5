"""Workbooks: sheets, values as they are shown, and files that want to do harm."""

import datetime
from pathlib import Path
from typing import Any

from knowledge.loaders import xlsx as loader
from knowledge.loaders.archive import MAX_ENTRIES, MAX_PART
from tests.knowledge.loaders.reading import reading
from tests.knowledge.make_files import archive, docx_bytes, office, paragraph, slides, with_part, workbook

extract, failure = reading(loader.read, "book.xlsx")


def plain(book: Any) -> None:
    book.active.append(["name", "price"])
    book.active.append(["Tea", 2])


def test_sheets_are_headings_and_rows_are_lines(tmp_path: Path) -> None:
    def build(book: Any) -> None:
        book.active.title = "Prices"
        book.active["B3"], book.active["C3"] = "name", "price"
        book.active["B4"], book.active["C4"] = "Tea", 2
        book.create_sheet("Empty")
        book.create_sheet("Notes")["A1"] = "only words"
        book.create_sheet("Secret").sheet_state = "hidden"

    found = extract(tmp_path, workbook(build))
    assert [(block.text, block.locator.headings, block.locator.first_line) for block in found.blocks] == [
        ("|  | name | price |\n| --- | --- | --- |\n|  | Tea | 2 |", ("Prices",), 3),
        ("only words", ("Notes",), 1),
    ]
    assert found.warnings == ("1 hidden sheet is not read",)


def test_values_are_written_as_they_are_shown(tmp_path: Path) -> None:
    def build(book: Any) -> None:
        sheet = book.active
        sheet.append(["words", "day", "time", "part", "sum", "yes", "merged", None])
        sheet.append(
            ["a|b\nc", datetime.date(2026, 5, 1), datetime.datetime(2026, 5, 1, 13, 30), 0.25, 0.1 + 0.2, True, "once"]
        )
        sheet["D2"].number_format = "0%"
        sheet.merge_cells("G2:H2")

    (found,) = extract(tmp_path, workbook(build)).blocks
    assert found.text.split("\n")[2] == "| a\\|b c | 2026-05-01 | 2026-05-01 13:30 | 25% | 0.3 | TRUE | once |"
    assert found.locator.headings == ()  # a sheet alone, with the name that the program gave it


def test_currencies_and_times_are_written_as_they_are_shown(tmp_path: Path) -> None:
    formats = {'#,##0.00 "€"': 5, '"$"#,##0.00': -5, "#,##0.00 [$€-407]": 1.5, "[$CHF-807] 0.00": 2, '0 "pieces"': 7}

    def build(book: Any) -> None:
        plain(book)
        for form, value in formats.items():
            book.active.append(["x", value])
            book.active.cell(book.active.max_row, 2).number_format = form
        book.active.append(["x", datetime.timedelta(hours=30, minutes=5)])
        book.active.append(["x", datetime.time(8, 5)])

    (found,) = extract(tmp_path, workbook(build)).blocks
    shown = [row.split("|")[2].strip() for row in found.text.split("\n")[3:]]
    assert shown == ["5 €", "-$5", "1.5 €", "CHF 2", "7", "30:05", "08:05"]


def test_no_digit_of_a_long_number_is_lost(tmp_path: Path) -> None:
    def build(book: Any) -> None:
        plain(book)
        book.active.append(["account", 1234567890123456])

    (found,) = extract(tmp_path, workbook(build)).blocks
    assert "1234567890123456" in found.text


def test_a_header_of_two_rows_is_one_and_notes_are_no_rows(tmp_path: Path) -> None:
    def build(book: Any) -> None:
        sheet = book.active
        for row in (["Region", "2023", None], [None, "H1", "H2"], ["North", 1, 2], [], ["Not yet checked."], ["From us."]):
            sheet.append(row)
        sheet.merge_cells("A1:A2")
        sheet.merge_cells("B1:C1")

    table, notes = extract(tmp_path, workbook(build)).blocks
    assert table.text == "| Region | 2023 H1 | H2 |\n| --- | --- | --- |\n| North | 1 | 2 |"
    assert (table.locator.first_line, table.locator.last_line) == (1, 3)
    assert (notes.text, notes.kind, notes.locator.first_line) == ("Not yet checked.\nFrom us.", "text", 5)


def test_words_above_the_first_table_are_its_caption(tmp_path: Path) -> None:
    def build(book: Any) -> None:
        for row in (
            ["Budget"],
            [],
            ["name", "price"],
            ["Tea", 2],
            [],
            ["Checked"],
            [],
            ["name", "size", "colour"],
            ["a", 1, "b"],
        ):
            book.active.append(row)

    table, note, other = extract(tmp_path, workbook(build)).blocks
    assert table.text.split("\n")[:2] == ["Budget", "| name | price |"]
    assert (table.locator.first_line, table.locator.last_line) == (3, 4)
    assert (note.text, other.text.split("\n")[0]) == ("Checked", "| name | size | colour |")


def test_a_cell_far_away_costs_nothing(tmp_path: Path) -> None:
    def build(book: Any) -> None:
        plain(book)
        book.active["XFD1048576"] = "far"

    found = extract(tmp_path, workbook(build))
    assert [block.locator.first_line for block in found.blocks] == [1, 1048576]


def test_links_and_formulas_are_not_followed(tmp_path: Path) -> None:
    def build(book: Any) -> None:
        plain(book)
        book.active.append(['=WEBSERVICE("http://127.0.0.1:1/x")', "='file:///etc/[passwd]A'!A1", "in between"])
        book.active["A4"], book.active["B4"] = "site", "x"
        book.active["A4"].hyperlink = "http://127.0.0.1:1/y"

    found = extract(tmp_path, workbook(build))
    assert found.blocks[0].text.split("\n")[3:] == ["|  |  | in between |", "| site | x |  |"]
    assert found.warnings == ("2 formulas have no stored result: open the file in a spreadsheet program and save it",)


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    whole = workbook(plain)
    assert failure(tmp_path, with_part(whole, "xl/sharedStrings.xml", b" " * (MAX_PART + 1))).code == "too_large"
    many = {"_rels/.rels": "<x/>", **{f"{number}": "" for number in range(MAX_ENTRIES)}}
    assert failure(tmp_path, archive(dict(many))).code == "too_large"
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><worksheet>&b;</worksheet>'
    for part in ("xl/worksheets/sheet1.xml", "xl/styles.xml", "xl/_rels/workbook.xml.rels", "docProps/core.xml"):
        error = failure(tmp_path, with_part(whole, part, bomb))
        assert (error.code, "document type" in str(error)) == ("broken", True), part


def test_other_files_are_told_by_their_kind(tmp_path: Path) -> None:
    empty = slides(lambda presentation: None)
    assert "it is a presentation (.pptx)" in str(failure(tmp_path, empty))
    assert "it is a Word document (.docx)" in str(failure(tmp_path, docx_bytes(paragraph("x"))))
    assert "save it as .xlsx" in str(failure(tmp_path, office("xl/workbook.bin", {"xl/workbook.bin": b"x"})))
    assert failure(tmp_path, archive({"a.txt": "x"})).code == "wrong_type"
    assert failure(tmp_path, b"name,price").code == "wrong_type"
