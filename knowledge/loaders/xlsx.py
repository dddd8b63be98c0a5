"""Workbooks (.xlsx, .xlsm) to Markdown tables, sheet by sheet, with the numbers of their rows; by openpyxl.

Formulas are not computed: their last results, which the file keeps, are read. Links to other workbooks are not
followed, macros not run; hidden sheets, comments, charts and pictures are not read.
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from knowledge.loaders.archive import check_office, open_archive
from knowledge.loaders.base import Block, Extract, PageReport
from knowledge.loaders.cleaning import Cleaner
from knowledge.loaders.sheet import Row, blocks_of
from knowledge.loaders.table_head import Span, Spans

LIBRARIES = ("openpyxl",)

UNNAMED = re.compile(r"(?:sheet|tabelle|feuil|hoja|лист|工作表|シート)\s?\d*$", re.IGNORECASE)
"""Names that a program gives: alone in its workbook, such a sheet needs no name."""

MERGED = re.compile(rb'<mergeCell ref="([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})"')
MOST_MERGED = 10_000
CURRENCY = re.compile(r'\[\$([^\]-]+)[^\]]*\]|"?([$\u20ac\u00a3\u00a5\u20b9])"?')
DIGIT = re.compile(r"[0#?]")
NO_RESULT = re.compile(rb"<f\b[^<>]*(?:/>|>[^<>]*</f>)\s*(?:<v\s*/>|<v></v>|</c>)")


def read(path: Path, report: PageReport) -> Extract:
    """Return the tables of a workbook; raises `UnreadableFile` when it is none, encrypted or over the limits."""
    check_office(path, "xl/")
    import openpyxl

    cleaner = Cleaner()
    blocks: list[Block] = []
    merged, uncomputed = looked_through(path)
    # Given the file and not its path: an original is kept without the ending of its name, which openpyxl asks of a path.
    with path.open("rb") as file:
        with warnings.catch_warnings():  # about parts that it leaves out; none of them is text
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        shown = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        for number, sheet in enumerate(shown, 1):
            alone = len(shown) == 1 and UNNAMED.match(sheet.title)
            blocks += tables(sheet, () if alone else (cleaner.clean(sheet.title),), cleaner, merged)
            report(number, len(shown))
    hidden = len(book.worksheets) - len(shown)
    told = (f"{hidden} hidden sheet{'s are' if hidden > 1 else ' is'} not read",) if hidden else ()
    return Extract(tuple(blocks), None, (*told, *never_computed(uncomputed), *cleaner.warnings()))


def looked_through(path: Path) -> tuple[dict[str, Spans], int]:
    """Return what the merged cells of each part with a sheet take, and how many formulas have no result."""
    merged: dict[str, Spans] = {}
    count = 0
    with open_archive(path) as archive:
        for part in archive.parts("xl/worksheets/sheet"):
            content = archive.read(part)
            count += len(NO_RESULT.findall(content))
            merged[part] = dict(map(span_of, islice(MERGED.finditer(content), MOST_MERGED)))
    return merged, count


def span_of(match: re.Match[bytes]) -> tuple[tuple[int, int], Span]:
    """Return the row and column, from 1, of a merged cell, and the columns and rows that it takes."""
    from openpyxl.utils.cell import range_boundaries

    left, top, right, bottom = range_boundaries(match[1].decode())
    return (top, left), (right - left + 1, bottom - top + 1)


def never_computed(count: int) -> Iterator[str]:
    """Yield a warning about formulas whose results are not in the file: a program wrote it that computes nothing."""
    if count:
        verb = "s have" if count > 1 else " has"
        yield f"{count:,} formula{verb} no stored result: open the file in a spreadsheet program and save it"


def tables(sheet: Any, headings: tuple[str, ...], cleaner: Cleaner, merged: Mapping[str, Spans]) -> Iterator[Block]:
    """Yield the tables of one sheet; `merged` by the part that holds it."""
    sheet.reset_dimensions()  # what a file says about its size need not be true, and rows would be filled up to it
    rows = (
        Row([cleaner.clean(text_of(cell)) for cell in row], number, number) for number, row in enumerate(sheet.iter_rows(), 1)
    )
    yield from blocks_of(rows, headings, merged.get(sheet._worksheet_path, {}))


def text_of(cell: Any) -> str:
    """Return the value of a cell as a person would read it; dates as ISO 8601."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float | int):
        form = (cell.number_format or "").split(";")[0]
        figure = f"{value:.15g}" if isinstance(value, float) else str(value)
        return f"{value * 100:.10g}%" if "%" in form else with_currency(figure, form)
    if isinstance(value, timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")
    if isinstance(value, datetime):
        return value.isoformat(" ", "minutes") if value.time() != time() else value.date().isoformat()
    if isinstance(value, time):
        return value.isoformat("auto" if value.second or value.microsecond else "minutes")
    return value.isoformat() if isinstance(value, date) else str(value)


def with_currency(figure: str, form: str) -> str:
    """Return a figure with the sign of the currency that its format shows, on the side where it shows it."""
    found, digit = CURRENCY.search(form), DIGIT.search(form)
    if not found or not digit:
        return figure
    sign = (found[1] or found[2]).strip()
    if digit.start() < found.start():
        return f"{figure} {sign}"
    minus = "-" if figure.startswith("-") else ""
    return f"{minus}{sign}{' ' if sign.isalpha() else ''}{figure.removeprefix('-')}"
