"""Word documents (.docx) to paragraphs, lists and tables below their headings, in the order of the document.

Reads the XML itself, as a stream: python-docx's `iter_inner_content` leaves out content controls, text boxes, tracked
insertions and strict documents, keeps the whole document in memory, and makes a list entry for every column that a cell
claims to span. Comments, headers, footers, pictures and deleted text are not read, fields not computed, links not
followed.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from knowledge.base import Locator, UnreadableFile
from knowledge.loaders.archive import Archive, another_kind, open_archive
from knowledge.loaders.base import Block, Extract, Kind, PageReport
from knowledge.loaders.cleaning import Cleaner
from knowledge.loaders.docx_numbers import Numbers
from knowledge.loaders.docx_styles import PLAIN, Style, child, local, of_properties, styles_of, value
from knowledge.loaders.docx_table import table_of
from knowledge.loaders.docx_text import begins_with_box, floating_in, holds_picture, notes_in, parts_in, put_before, text_of
from knowledge.loaders.outline import Outline
from knowledge.loaders.table import LONGEST_CAPTION, take_caption, with_captions_below

MAIN = "word/document.xml"
NOTES = (("footnotes", "footnote"), ("endnotes", "endnote"))
ITEM = re.compile(r"[•◦▪·●○■]\s+|[-*–]\s+")
"""A bullet that somebody typed in a list paragraph."""
FIGURE = re.compile(
    r"fig|abb|bild|ill|img|image|obr|ris|рис|ilustra|diagram|chart|graph|listing|equation|formel|图|圖|図|그림", re.I
)
"""What the caption begins with of something else than a table."""


def read(path: Path, report: PageReport) -> Extract:
    """Return the blocks of a Word document; raises `UnreadableFile` when it is none, encrypted or over the limits."""
    with open_archive(path) as archive:
        main = archive.related("", "officeDocument") or MAIN
        if main not in archive or main.startswith(("xl/", "ppt/")):
            raise another_kind("word/", main)
        styles = archive.related(main, "styles")
        numbers = archive.related(main, "numbering")
        document = _Document(styles_of(archive.tree(styles) if styles else None), archive.tree(numbers) if numbers else None)
        for element in body_of(archive, main):
            document.take(element)
        for relation, name in NOTES:
            part = archive.related(main, relation)
            document.take_notes(archive.tree(part) if part else None, name)
    report(1, 1)
    return document.extract()


def body_of(archive: Archive, part: str) -> Iterator[Element]:
    """Yield the elements of the document's body, each forgotten after use: a long document is never whole in memory."""
    above: list[Element] = []
    for event, element in archive.elements(part):
        if event == "start":
            above.append(element)
            if len(above) == 1 and local(element) != "document":
                raise UnreadableFile("wrong_type", "the file is an Office document, but not a Word document")
            continue
        above.pop()
        if len(above) == 2:
            if local(above[1]) == "body":
                yield element
            above[1].clear()


class _Document:
    """The blocks so far, and what the next paragraph goes on with: the headings above it, an unfinished list."""

    def __init__(self, styles: dict[str, Style], numbering: Element | None) -> None:
        self._styles = styles
        lists = {identifier: style.numbered.list for identifier, style in styles.items() if style.numbered}
        self._numbers = Numbers(numbering, lists)
        self._outline = Outline()
        self._cleaner = Cleaner()
        self._blocks: list[Block] = []
        self._items: list[str] = []
        self._notes: dict[tuple[str, str], tuple[str, ...]] = {}
        self._unread = 0
        self._captions: dict[int, Block] = {}
        self._pictured = False

    def take(self, element: Element) -> None:
        """Take in one element of the body, or of whatever wraps parts of a body."""
        name = local(element)
        if name == "p":
            self._take_paragraph(element)
        elif name == "tbl":
            self._take_table(element)
        elif name == "altChunk":
            self._unread += 1
        else:
            for part in parts_in(element):
                self.take(part)

    def take_notes(self, root: Element | None, name: str) -> None:
        """Add the notes that the text refers to, below the headings where it does."""
        self._end_list()
        for note in root if root is not None else ():
            headings = self._notes.get((name, value(note, "id") or ""))
            if headings is not None:
                self._add("\n".join(filter(None, (text_of(part) for part in note))), headings=headings)

    def extract(self) -> Extract:
        """Return the whole."""
        self._end_list()
        self._blocks += self._outline.leave()
        warnings = self._cleaner.warnings()
        if self._unread:
            warnings += (f"{self._unread} documents embedded in the document are not read",)
        return Extract(tuple(with_captions_below(self._blocks, self._captions)), None, warnings)

    def _take_paragraph(self, paragraph: Element) -> None:
        if begins_with_box(paragraph):
            self._take_boxes(paragraph)
            self._take_words(paragraph)
        else:
            self._take_words(paragraph)
            self._take_boxes(paragraph)

    def _take_boxes(self, paragraph: Element) -> None:
        for box in floating_in(paragraph):
            self._end_list()
            for part in box:
                self.take(part)

    def _take_words(self, paragraph: Element) -> None:
        text = self._cleaner.clean(text_of(paragraph)).strip()
        style, label = self._style_of(paragraph)
        if text and style.level is not None:
            self._end_list()
            self._blocks += self._outline.enter(style.level, " ".join([label, *text.split()]).strip())
        elif text and style.item is not None:
            self._items.append("  " * min(style.item, 8) + f"{label or '-'} {text if label else ITEM.sub('', text, count=1)}")
        elif text:
            self._add(f"{label} {text}" if label else text)
            if style.caption and not self._pictured and len(text) <= LONGEST_CAPTION and not FIGURE.match(text):
                self._captions[id(self._blocks[-1])] = self._blocks[-1]
        self._pictured = not text and holds_picture(paragraph)
        for key in notes_in(paragraph):
            self._notes.setdefault(key, self._outline.path())

    def _style_of(self, paragraph: Element) -> tuple[Style, str]:
        """Return what a paragraph is, and its number; each is asked for once, in their order."""
        properties = child(paragraph, "pPr")
        identifier = value(child(properties, "pStyle")) or ""
        style = of_properties(properties, self._styles.get(identifier, PLAIN))
        return style, self._cleaner.clean(self._numbers.next(style.numbered, identifier, style.level is not None))

    def _take_table(self, table: Element) -> None:
        self._end_list()
        cells = [cell for row in parts_in(table, "tr") for cell in parts_in(row, "tc")]
        if len(cells) == 1:  # a frame around text, not a table
            for part in parts_in(cells[0]):
                self.take(part)
            return
        for paragraph in parts_in(table, "p"):
            put_before(paragraph, self._style_of(paragraph)[1])
        caption = take_caption(self._blocks, self._outline.path(), self._captions)
        self._add(table_of(table, caption), kind="table")
        self._pictured = False
        for key in notes_in(table):
            self._notes.setdefault(key, self._outline.path())

    def _add(self, text: str, kind: Kind = "text", headings: tuple[str, ...] | None = None) -> None:
        if kind == "text":
            self._end_list()
        text = self._cleaner.clean(text).strip()
        if text:
            self._blocks.append(Block(text, Locator(headings=self._outline.path() if headings is None else headings), kind))

    def _end_list(self) -> None:
        if self._items:
            text, self._items = "\n".join(self._items), []
            self._blocks.append(Block(text, Locator(headings=self._outline.path())))
