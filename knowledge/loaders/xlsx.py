"""Workbooks (.xlsx, .xlsm) to Markdown tables, sheet by sheet, with the numbers of their rows; by openpyxl.

Formulas are not computed: their last results, which the file keeps, are read. Links to other workbooks are not
followed, macros not run; hidden sheets, comments, charts and pictures are not read.
"""

import re
import warnings
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from knowledge.loaders.archive import check_office, open_archive
from knowledge.loaders.base import Block, Extract, PageReport
from knowledge.loaders.cleaning import Cleaner
from knowledge.loaders.sheet import Row, blocks_of

LIBRARIES = ("openpyxl",)

UNNAMED = re.compile(r"(?:sheet|tabelle|feuil|hoja|лист|工作表|シート)\s?\d*$", re.IGNORECASE)
"""Names that a program gives: alone in its workbook, such a sheet needs no name."""

NO_RESULT = re.compile(rb"<f\b[^<>]*(?:/>|>[^<>]*</f>)\s*(?:<v\s*/>|<v></v>|</c>)")


def read(path: Path, report: PageReport) -> Extract:
    """Return the tables of a workbook; raises `UnreadableFile` when it is none, encrypted or over the limits."""
    check_office(path, "xl/")
    import openpyxl

    cleaner = Cleaner()
    blocks: list[Block] = []
    # Given the file and not its path: an original is kept without the ending of its name, which openpyxl asks of a path.
    with path.open("rb") as file:
        with warnings.catch_warnings():  # about parts that it leaves out; none of them is text
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        shown = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        for number, sheet in enumerate(shown, 1):
            alone = len(shown) == 1 and UNNAMED.match(sheet.title)
            blocks += tables(sheet, () if alone else (cleaner.clean(sheet.title),), cleaner)
            report(number, len(shown))
    hidden = len(book.worksheets) - len(shown)
    told = (f"{hidden} hidden sheet{'s are' if hidden > 1 else ' is'} not read",) if hidden else ()
    return Extract(tuple(blocks), None, (*told, *never_computed(path), *cleaner.warnings()))


def never_computed(path: Path) -> Iterator[str]:
    """Yield a warning about formulas whose results are not in the file: a program wrote it that computes nothing."""
    with open_archive(path) as archive:
        count = sum(len(NO_RESULT.findall(archive.read(part))) for part in archive.parts("xl/worksheets/sheet"))
    if count:
        verb = "s have" if count > 1 else " has"
        yield f"{count:,} formula{verb} no stored result: open the file in a spreadsheet program and save it"


def tables(sheet: Any, headings: tuple[str, ...], cleaner: Cleaner) -> Iterator[Block]:
    """Yield the tables of one sheet."""
    sheet.reset_dimensions()  # what a file says about its size need not be true, and rows would be filled up to it
    rows = (
        Row([cleaner.clean(text_of(cell)) for cell in row], number, number) for number, row in enumerate(sheet.iter_rows(), 1)
    )
    yield from blocks_of(rows, headings)


def text_of(cell: Any) -> str:
    """Return the value of a cell as a person would read it; dates as ISO 8601."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float | int):
        percent = "%" in (cell.number_format or "")
        return f"{value * 100:.10g}%" if percent else f"{value:.15g}" if isinstance(value, float) else str(value)
    if isinstance(value, datetime):
        return value.isoformat(" ", "minutes") if value.time() != time() else value.date().isoformat()
    return value.isoformat() if isinstance(value, date | time) else str(value)
