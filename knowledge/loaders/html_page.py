"""The tags and words of a page, one after another, to blocks: what lxml tells while it reads. Knows no bytes.

A list is one block with an item a line, a table one Markdown table. A table that holds one column, another table or
headings only lays out the page: its cells are paragraphs.
"""

from collections.abc import Mapping

from knowledge.base import Locator
from knowledge.loaders.base import Block, Kind
from knowledge.loaders.cleaning import Cleaner
from knowledge.loaders.html_figure import Figure
from knowledge.loaders.html_table import Table
from knowledge.loaders.html_tags import HEADINGS, INLINE, LAYING_OUT, LISTS, UNSEEN, WRAPPERS, is_hidden, start_of
from knowledge.loaders.html_words import BREAK, Words
from knowledge.loaders.outline import Outline
from knowledge.loaders.table import take_caption
from knowledge.loaders.text import LONGEST

DEEPEST = 8
"""Levels of lists that are told apart."""


class Page:
    """A parser target of lxml: `start`, `end`, `data`, `comment`, `close`; then `blocks`."""

    def __init__(self, cleaner: Cleaner) -> None:
        self._cleaner = cleaner
        self._outline = Outline()
        self._blocks: list[Block] = []
        self._words = Words()
        self._title = ""
        self._unseen = 0
        self._head = False
        self._heading = False
        self._code = 0
        self._lists: list[int | None] = []
        self._marker = ""
        self._items: list[str] = []
        self._tables: list[Table] = []
        self._figures: list[Figure | None] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Take in a start tag."""
        tag = tag.lower()
        if tag == "title" and self._head:
            self._unseen = 0
            self._words.take()
        elif self._unseen or tag in UNSEEN or is_hidden(tag, attributes):
            self._head = self._head or (tag == "head" and not self._unseen)
            self._unseen += 1
        elif tag == "br":
            self._words.add("\n" if self._code else BREAK)
        elif self._heading and tag in WRAPPERS:
            self._words.add(" ")
        elif tag == "math" and attributes.get("alttext"):
            self._words.add(attributes["alttext"])
            self._unseen = 1
        elif tag in INLINE:
            self._words.open(tag, attributes)
        else:
            self._flush()
            self._heading = tag in HEADINGS and not self._in_data()
            self._open(tag, attributes)

    def _open(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "pre":
            self._code += 1
        if tag in LISTS:
            self._lists.append(start_of(attributes) if tag == "ol" else None)
        elif tag == "li" and self._lists:
            number = self._lists[-1]
            self._marker = "- " if number is None else f"{number}. "
            self._lists[-1] = None if number is None else number + 1
        elif tag == "figure":
            deep = len(self._figures) >= DEEPEST
            self._figures.append(None if deep else Figure(len(self._blocks)))
        elif tag == "figcaption" and self._figures and self._figures[-1]:
            self._end_list()
            self._figures[-1].open(self._blocks)
        elif tag == "table" and not self._in_data():
            self._end_list()
            self._marker = ""
            for outer in self._tables[-1:]:
                self._lay_out(outer)
            self._tables.append(Table(attributes))
        elif self._tables:
            if tag in LAYING_OUT and not self._in_data():
                self._lay_out(self._tables[-1])
            self._tables[-1].open(tag, attributes)

    def end(self, tag: str) -> None:
        """Take in an end tag; lxml tells one for each start tag."""
        tag = tag.lower()
        if tag == "title" and self._head:
            title = " ".join(self._cleaner.clean(self._words.take()).split())
            self._title = self._title or title
            self._unseen = 1  # the rest of the head is not seen
        elif self._unseen:
            self._unseen -= 1
            self._head = self._head and tag != "head"
        elif tag in HEADINGS and not self._in_data():
            self._enter(HEADINGS[tag])
        elif tag == "pre":
            self._flush("code")
            self._code = max(self._code - 1, 0)
        elif tag in INLINE:
            self._words.close(tag)
        elif not (self._heading and tag in WRAPPERS):
            self._flush()
            self._close(tag)

    def _close(self, tag: str) -> None:
        if tag in LISTS and self._lists:
            self._lists.pop()
            if not self._lists:
                self._end_list()
        elif tag == "li":
            self._marker = ""
        elif tag in ("figure", "figcaption") and self._figures:
            self._end_figure(tag)
        elif tag == "table" and self._tables and not self._tables[-1].is_inner():
            self._end_table()
        elif self._tables:
            self._tables[-1].close(tag)

    def data(self, text: str) -> None:
        """Take in words."""
        if not self._unseen:
            self._words.add(text)

    def comment(self, text: str) -> None:
        """Leave a comment out."""

    def close(self) -> None:
        """Take in the end of the page."""
        self._unseen = 0
        self._flush()
        while self._tables:
            self._end_table()
        self._end_list()
        self._blocks += self._outline.leave()

    def blocks(self, fallback: str = "") -> list[Block]:
        """Return the blocks; the page's title is above its headings unless they say the same."""
        title = self._title or fallback
        tops = {block.locator.headings[0] for block in self._blocks if block.locator.headings}
        if not title or any(top in title or title in top for top in tops):
            return self._blocks
        if not self._blocks:
            return [Block(title, Locator())]
        return [
            Block(block.text, Locator(block.locator.page, (title, *block.locator.headings)), block.kind)
            for block in self._blocks
        ]

    def _flush(self, kind: Kind = "text") -> None:
        raw = self._words.take()
        if not raw.strip():
            return
        if self._tables and self._tables[-1].add(self._cleaner.clean(raw.replace(BREAK, " ")), self._marker):
            self._marker = ""
            return
        if kind == "code" or self._code:
            self._end_list()
            self._add(self._cleaner.clean(raw.replace(BREAK, "\n")).strip("\n"), "code")
            return
        lines = (" ".join(self._cleaner.clean(line).split()) for line in raw.split(BREAK))
        text = "\n".join(filter(None, lines))
        if self._lists:
            self._item(text)
        else:
            self._add(text)

    def _item(self, text: str) -> None:
        indent = "  " * (min(len(self._lists), DEEPEST) - 1)
        lead = self._marker or "  "
        self._items.append(indent + lead + text.replace("\n", "\n" + indent + " " * len(lead)))
        self._marker = ""
        if sum(map(len, self._items[-50:])) > LONGEST and len(self._lists) == 1:
            self._end_list()

    def _end_list(self) -> None:
        if self._items:
            text, self._items = "\n".join(self._items), []
            self._add(text)

    def _enter(self, level: int) -> None:
        text = " ".join(self._cleaner.clean(self._words.take().replace(BREAK, " ")).split())
        self._heading = False
        self._end_list()
        self._blocks += self._outline.enter(level, text)

    def _in_data(self) -> bool:
        """Whether this is in a cell of a table of data."""
        return bool(self._tables) and self._tables[-1].holds()

    def _lay_out(self, table: Table) -> None:
        """Tell a table that it only lays out the page; what it held so far becomes paragraphs."""
        for text in table.lay_out():
            self._add(text)

    def _end_table(self) -> None:
        table = self._tables.pop()
        if table.is_layout():
            self._lay_out(table)
            return
        caption = "" if table.caption else take_caption(self._blocks, self._outline.path())
        self._add(table.markdown(caption), "table")

    def _end_figure(self, tag: str) -> None:
        self._end_list()
        figure = self._figures.pop() if tag == "figure" else self._figures[-1]
        if figure is not None:
            (figure.end if tag == "figure" else figure.close)(self._blocks)

    def _add(self, text: str, kind: Kind = "text") -> None:
        if text.strip():
            self._blocks.append(Block(text, Locator(headings=self._outline.path()), kind))
