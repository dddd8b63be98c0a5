"""PDF to paragraphs with page numbers: by PDFium, and by pypdf where PDFium cannot open the file.

Reads what is written as text, and tells the pages that are pictures (`ocr` recognises those); does not follow links,
open attachments or run scripts.
PDFium is not thread-safe: one process reads one file (the sandbox).
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from knowledge.base import Locator, UnreadableFile
from knowledge.loaders import magic
from knowledge.loaders.base import Block, Extract, PageReport
from knowledge.loaders.cleaning import Cleaner
from knowledge.loaders.lines import Line, paragraphs
from knowledge.loaders.page_numbers import ranges
from knowledge.loaders.pdf_letters import is_guessed
from knowledge.loaders.pdf_lines import lines_of
from knowledge.loaders.pdf_part import Part
from knowledge.loaders.pdf_rules import rules_of
from knowledge.loaders.pdf_spread import Spread
from knowledge.loaders.pdf_upright import turned
from knowledge.loaders.table import take_caption, take_lead, with_captions_below
from knowledge.loaders.table_head import is_of_amounts

LIBRARIES = ("pypdfium2",)

MAX_PAGES = 2000
PASSWORD, SECURITY = 4, 5
"""PDFium's error codes for a password that is missing and for a kind of encryption it does not know."""

LEADERS = re.compile(r"(?:[ \t]?\.){5,}[ \t]*")
"""Dots between a heading and its page number: nothing is lost but ink, which a language model would read dot by dot."""
NO_GLYPHS = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)], " ")
"""Fonts of formulas put signs at control characters; that is usual and worth no warning."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its lines and tables, whether anything is drawn on it, could not be read at all, or had to be guessed."""

    lines: tuple[Line | Part, ...]
    drawn: bool = False
    broken: bool = False
    guessed: bool = False


def read(path: Path, report: PageReport) -> Extract:
    """Return the paragraphs of a PDF; raises `UnreadableFile` when it is none, encrypted, too long, or blank."""
    head = magic.head_of(path)
    if b"%PDF-" not in head:
        raise UnreadableFile("wrong_type" if head else "empty", magic.other_kind(head, "a PDF document"))
    cleaner, spread, blocks, pages = Cleaner(), Spread(), [], []
    for number, count, page in pages_of(path):
        blocks += blocks_of(page, number, cleaner, spread)
        pages.append(page)
        report(number, count)
    written = {block.locator.page for block in blocks}
    pictures = tuple(number for number, page in enumerate(pages, 1) if page.drawn and number not in written)
    if not blocks and not pictures:
        raise no_text(pages)
    return Extract(tuple(with_captions_below(blocks)), len(pages), (*about(pages), *cleaner.warnings()), pictures)


def blocks_of(page: Page, number: int, cleaner: Cleaner, spread: Spread) -> list[Block]:
    """Return the paragraphs and tables of a page; the caption above a table belongs to it."""
    blocks: list[Block] = []
    lines, joined = spread.join(page.lines)
    for tabular, group in groupby(lines, key=lambda one: isinstance(one, Part)):
        parts = list(group)
        tables = [one for one in parts if isinstance(one, Part)]
        for one in tables or paragraphs(one for one in parts if isinstance(one, Line)):
            text = cleaner.clean((one.text if isinstance(one, Part) else one).translate(NO_GLYPHS))
            if isinstance(one, Part):
                title = cleaner.clean(one.title.translate(NO_GLYPHS))
                above = take_caption(blocks)
                if not above and one is not joined and is_of_amounts(one.rows):
                    above = take_lead(blocks, number)
                own = " ".join(filter(None, [above, title]))
                text = f"{spread.told(one, own, joined)}\n{text}".lstrip("\n")
            text = LEADERS.sub(" … ", text)
            if text.strip():
                blocks.append(Block(text, Locator(page=number), "table" if tabular else "text"))
    return blocks


def pages_of(path: Path) -> Iterator[tuple[int, int, Page]]:
    """Yield number, count and content of each page, by whichever library can open the file."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(path)
        count = len(document)
    except pypdfium2.PdfiumError as error:
        if error.err_code in (PASSWORD, SECURITY):
            raise encrypted() from error
        yield from pages_by_pypdf(path)
        return
    check_count(count)
    for index in range(count):
        yield index + 1, count, page_by_pdfium(document, index)


def page_by_pdfium(document: Any, index: int) -> Page:
    """Return one page as PDFium reads it."""
    import pypdfium2

    try:
        page = document[index]
        page, text_page = turned(document, index, page, page.get_textpage())
    except pypdfium2.PdfiumError:
        return Page((), broken=True)
    text = text_page.get_text_range()
    rules = rules_of(page) if text.strip() and not page.get_rotation() else []
    lines = tuple(lines_of(text, text_page, page.get_cropbox(), rules)) if text.strip() else ()
    drawn = not lines and any(True for _ in page.get_objects(max_depth=1))
    guessed = is_guessed(text_page)
    text_page.close()
    page.close()
    return Page(lines, drawn, guessed=guessed)


def pages_by_pypdf(path: Path) -> Iterator[tuple[int, int, Page]]:
    """Yield the pages as pypdf reads them; it repairs files that PDFium gives up."""
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # one line for every odd glyph otherwise
    try:
        reader = pypdf.PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise encrypted()
        count = reader.get_num_pages()
        check_count(count)
        for index in range(count):
            yield index + 1, count, page_by_pypdf(reader, index)
    except (UnreadableFile, MemoryError):
        raise
    except Exception as error:
        raise UnreadableFile("broken", "the PDF is damaged and cannot be repaired") from error


def page_by_pypdf(reader: Any, index: int) -> Page:
    """Return one page as pypdf reads it."""
    try:
        text = reader.pages[index].extract_text()
    except MemoryError:
        raise
    except Exception:
        return Page((), broken=True)
    return Page(tuple(Line(line) for line in text.split("\n")), drawn=True)


def check_count(pages: int) -> None:
    """Raise for more pages than are read."""
    if pages > MAX_PAGES:
        raise UnreadableFile("too_large", f"it has {pages:,} pages; {MAX_PAGES:,} are read at most: split it")


def encrypted() -> UnreadableFile:
    """Return the error for a file that needs a password."""
    return UnreadableFile("encrypted", "the PDF needs a password: save it without one")


def no_text(pages: list[Page]) -> UnreadableFile:
    """Return the error for a document in which no page has text or a picture."""
    count = len(pages)
    if not pages:
        return UnreadableFile("empty", "the PDF has no pages")
    if all(page.broken for page in pages):
        return UnreadableFile("broken", f"the PDF is damaged: none of its pages can be read ({count})")
    return UnreadableFile("empty", f"the file holds no text: all its pages are blank ({count})")


def about(pages: list[Page]) -> Iterator[str]:
    """Yield the warnings about pages that could not be read, or not surely."""
    broken = [number for number, page in enumerate(pages, 1) if page.broken]
    guessed = [number for number, page in enumerate(pages, 1) if page.guessed]
    if broken:
        yield f"{ranges(broken)} {'is' if len(broken) == 1 else 'are'} damaged and left out"
    if guessed:
        yield f"some letters of {ranges(guessed)} may be wrong or missing: the PDF does not tell which letters its fonts draw"
