"""Opens the source of a citation: the page of a PDF with the passage boxed, or the text around it with the passage marked.

A passage is found by its words, so a citation still opens when the document was cut or embedded anew since. All parsing and
drawing is the sandbox's. Who may look, this module does not know.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge import names
from knowledge.base import Locator, UnknownDocument, UnreadableFile
from knowledge.loaders import target_for
from knowledge.loaders.pdf import MAX_PAGES
from knowledge.originals import Originals
from knowledge.sandbox import Sandbox
from knowledge.store import Store

if TYPE_CHECKING:
    from knowledge.settings import KnowledgeSettings

PDF = "knowledge.loaders.pdf:read"
LONGEST_QUOTE = 8000
"""Characters of a passage that are looked for."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the text; `marks`: first character of a marked part and the one after its last."""

    text: str
    kind: str
    page: int | None
    headings: tuple[str, ...]
    line: int | None
    marks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """A document opened at a passage; `found`: whether the passage was located in it.

    `pages`: of a PDF that can be drawn (0: it is shown as text), `places`: of its pages that hold the passage, with boxes
    [left, top, right, bottom] in parts of the picture. Else `text`; `before`, `after`: whether there is more of it.
    """

    name: str
    found: bool
    pages: int = 0
    places: tuple[tuple[int, tuple[tuple[float, ...], ...]], ...] = ()
    text: tuple[Stretch, ...] = ()
    before: bool = False
    after: bool = False


class Sources:
    """The documents of a store, as they were uploaded."""

    def __init__(self, settings: "KnowledgeSettings", store: Store, originals: Originals, sandbox: Sandbox) -> None:
        self._settings, self._store, self._originals, self._sandbox = settings, store, originals, sandbox

    def open(self, base: str, file: str, quote: str, at: Locator) -> Opened:
        """Return the document that `file` ("file-...") is in `base` (id or name), opened at `quote`; `at`: where it stood.

        Raises `UnknownDocument` unless that file is a document of that base, and `UnreadableFile`.
        """
        name, path = self._document(base, file)
        target = target_for(name)
        if target == PDF:
            opened = self._pages(name, path, quote, at)
            if opened.pages:
                return opened
        place = {"page": at.page, "line": at.first_line, "headings": at.headings}
        finder, quote = "knowledge.loaders.text_view:find", quote[:LONGEST_QUOTE]
        return _text(name, self._sandbox.ask(finder, path, self._settings, target=target, quote=quote, **place))

    def picture(self, base: str, file: str, page: int) -> bytes:
        """Return a page (from 1) of a PDF as a PNG; raises as `open`, `UnknownDocument` for a page that is not there."""
        name, path = self._document(base, file)
        if target_for(name) != PDF or not 1 <= page <= MAX_PAGES:
            raise UnknownDocument("this document has no such page that could be drawn")
        values = self._sandbox.ask("knowledge.loaders.page_view:draw", path, self._settings, page=page)
        try:
            picture = base64.b64decode(str(values[2]), validate=True)
        except (IndexError, binascii.Error) as error:
            raise _odd() from error
        if not picture:
            raise UnknownDocument("this document has no such page")
        return picture

    def _document(self, base: str, file: str) -> tuple[str, Path]:
        """Return name and place of a document; base and file are bound by one query, so no other's can be reached."""
        with self._store.read() as connection:
            row = connection.execute(
                "SELECT d.name, d.sha256 FROM documents d JOIN bases b ON b.id = d.base_id JOIN files f ON f.id = d.file_id"
                " WHERE f.token = :file AND (b.token = :base OR b.name = :base) ORDER BY b.token = :base DESC",
                {"file": file, "base": names.same(base)},
            ).fetchone()
        if row is None:
            raise UnknownDocument("there is no such document in this knowledge base (any more)")
        path = self._originals.path(str(row[1]))
        if not path.is_file():
            raise UnreadableFile("broken", "the stored original is missing: add the file again")
        return str(row[0]), path

    def _pages(self, name: str, path: Path, quote: str, at: Locator) -> Opened:
        finder, quote = "knowledge.loaders.page_view:find", quote[:LONGEST_QUOTE]
        values = self._sandbox.ask(finder, path, self._settings, quote=quote, page=at.page)
        try:
            _, count, places, found = values
            known = tuple((int(page), tuple(tuple(map(float, box)) for box in boxes)) for page, boxes in places)
            return Opened(name, bool(found), int(count), known or ((min(at.page or 1, max(1, int(count))), ()),))
        except (TypeError, ValueError) as error:
            raise _odd() from error


def _text(name: str, values: Sequence[Any]) -> Opened:
    try:
        _, blocks, before, after, found = values
        return Opened(name, bool(found), text=tuple(map(_stretch, blocks)), before=bool(before), after=bool(after))
    except (TypeError, ValueError) as error:
        raise _odd() from error


def _stretch(values: Sequence[Any]) -> Stretch:
    text, kind, page, headings, line, marks = values
    numbers = [None if number is None else int(number) for number in (page, line)]
    marked = tuple((int(begin), int(end)) for begin, end in marks)
    return Stretch(str(text), str(kind), numbers[0], tuple(map(str, headings)), numbers[1], marked)


def _odd() -> UnreadableFile:
    return UnreadableFile("broken", "reading it gave an answer that could not be understood")
