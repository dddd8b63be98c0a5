"""The tags and words of a page, one after another, to blocks: what lxml tells while it reads. Knows no bytes.

A list is one block with an item a line, a table one Markdown table. A table that holds one column, another table or
headings only lays out the page: its cells are paragraphs.
"""

import re
from collections.abc import Mapping

from knowledge.base import Locator
from knowledge.loaders import markdown_html
from knowledge.loaders.base import Block, Kind
from knowledge.loaders.cleaning import Cleaner
from knowledge.loaders.html_table import Table
from knowledge.loaders.outline import Outline
from knowledge.loaders.table import take_caption
from knowledge.loaders.text import LONGEST

NO_TEXT = "script|style|template|noscript|iframe|object|embed|canvas|svg|audio|video|head"
CONTROLS = "nav|button|select|textarea|input|datalist"
UNSEEN = frozenset(f"{NO_TEXT}|{CONTROLS}".split("|"))
LETTERS = "img|br|acronym|data|ins|label|meter|output|progress|rb|rp|rt|ruby|time|math|mi|mn|mo|mrow|msup|msub"
INLINE = frozenset(f"{markdown_html.INLINE}|{LETTERS}".split("|"))
"""Elements that stand in a line: those that Markdown may hold, and some more."""
WRAPPERS = frozenset({"div", "p"})
LISTS = frozenset({"ul", "ol", "menu", "dir"})
HEADINGS = {f"h{level}": level for level in range(1, 7)}
HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
BREAK = "\v"
DEEPEST = 8
"""Levels of lists that are told apart."""


class Page:
    """A parser target of lxml: `start`, `end`, `data`, `comment`, `close`; then `blocks`."""

    def __init__(self, cleaner: Cleaner) -> None:
        self._cleaner = cleaner
        self._outline = Outline()
        self._blocks: list[Block] = []
        self._words: list[str] = []
        self._title = ""
        self._unseen = 0
        self._head = False
        self._heading = False
        self._code = 0
        self._lists: list[int | None] = []
        self._marker = ""
        self._items: list[str] = []
        self._tables: list[Table] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Take in a start tag."""
        tag = tag.lower()
        if tag == "title" and self._head:
            self._unseen, self._words = 0, []
        elif self._unseen or tag in UNSEEN or is_hidden(attributes):
            self._head = self._head or (tag == "head" and not self._unseen)
            self._unseen += 1
        elif tag == "br":
            self._words.append("\n" if self._code else BREAK)
        elif tag == "img":
            self._words.append(f" {attributes.get('alt') or ''} ")
        elif self._heading and tag in WRAPPERS:
            self._words.append(" ")
        elif tag not in INLINE:
            self._flush()
            self._heading = tag in HEADINGS
            self._open(tag, attributes)

    def _open(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag in LISTS:
            self._lists.append(start_of(attributes) if tag == "ol" else None)
        elif tag == "li" and self._lists:
            number = self._lists[-1]
            self._marker = "- " if number is None else f"{number}. "
            self._lists[-1] = None if number is None else number + 1
        elif tag == "pre":
            self._code += 1
        elif tag == "table":
            self._end_list()
            for outer in self._tables[-1:]:
                self._lay_out(outer)
            self._tables.append(Table())
        elif self._tables:
            if tag in HEADINGS:
                self._lay_out(self._tables[-1])
            self._tables[-1].open(tag, attributes)

    def end(self, tag: str) -> None:
        """Take in an end tag; lxml tells one for each start tag."""
        tag = tag.lower()
        if tag == "title" and self._head:
            self._title = self._title or " ".join(self._cleaner.clean("".join(self._words)).split())
            self._words, self._unseen = [], 1  # the rest of the head is not seen
        elif self._unseen:
            self._unseen -= 1
            self._head = self._head and tag != "head"
        elif tag in HEADINGS:
            self._enter(HEADINGS[tag])
        elif tag == "pre":
            self._flush("code")
            self._code = max(self._code - 1, 0)
        elif tag not in INLINE and not (self._heading and tag in WRAPPERS):
            self._flush()
            self._close(tag)

    def _close(self, tag: str) -> None:
        if tag in LISTS and self._lists:
            self._lists.pop()
            if not self._lists:
                self._end_list()
        elif tag == "li":
            self._marker = ""
        elif tag == "table" and self._tables:
            self._end_table()
        elif self._tables:
            self._tables[-1].close(tag)

    def data(self, text: str) -> None:
        """Take in words."""
        if not self._unseen:
            self._words.append(text)

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
        raw, self._words = "".join(self._words), []
        if not raw.strip():
            return
        if self._tables and self._tables[-1].add(self._cleaner.clean(raw.replace(BREAK, " "))):
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
        text = " ".join(self._cleaner.clean("".join(self._words).replace(BREAK, " ")).split())
        self._words, self._heading = [], False
        self._end_list()
        self._blocks += self._outline.enter(level, text)

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

    def _add(self, text: str, kind: Kind = "text") -> None:
        if text.strip():
            self._blocks.append(Block(text, Locator(headings=self._outline.path()), kind))


def is_hidden(attributes: Mapping[str, str]) -> bool:
    """Whether an element says that a browser shows nothing of it."""
    return "hidden" in attributes or bool(HIDDEN.search(attributes.get("style", "")))


def start_of(attributes: Mapping[str, str]) -> int:
    """Return the number that an ordered list begins with."""
    number = attributes.get("start", "")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 8 else 1
