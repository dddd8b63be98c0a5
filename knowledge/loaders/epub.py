"""E-books (.epub) to the blocks of their chapters, in reading order, by the reader of web pages.

Knows the container and the package document (EPUB 3.3, "Open Container Format", "Package document"). Pictures, fonts
and scripts are not read; nothing outside the book is fetched.
"""

import posixpath
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from knowledge.base import UnreadableFile
from knowledge.loaders.archive import Archive, open_archive
from knowledge.loaders.base import Extract, PageReport
from knowledge.loaders.cleaning import Cleaner
from knowledge.loaders.html import blocks_of

LIBRARIES = ("lxml.etree",)

BOOK = "an e-book (.epub)"
CONTAINER = "META-INF/container.xml"
LOCKS = "META-INF/encryption.xml"
PAGES = ("application/xhtml+xml", "text/html")
FONTS = (".ttf", ".otf", ".woff", ".woff2")


def read(path: Path, report: PageReport) -> Extract:
    """Return the blocks of a book; raises `UnreadableFile` when it is none, locked or over the limits."""
    cleaner, blocks, missing = Cleaner(), [], 0
    with open_archive(path, BOOK) as archive:
        if CONTAINER not in archive:
            raise UnreadableFile("wrong_type", f"the file is not {BOOK}, it is another kind of archive")
        refuse_locked(archive)
        chapters = list(spine(archive))
        for number, part in enumerate(chapters, 1):
            if part in archive:
                blocks += blocks_of(archive.read(part), cleaner, f"Chapter {number}")[0]
            else:
                missing += 1
            report(number, len(chapters))
    told = (f"{missing} of {len(chapters)} chapters are missing in the file",) if missing else ()
    return Extract(tuple(blocks), None, (*told, *cleaner.warnings()))


def spine(archive: Archive) -> Iterator[str]:
    """Yield the parts of the chapters in reading order."""
    container = archive.tree(CONTAINER)
    found = container.find(".//{*}rootfile") if container is not None else None
    package = found.get("full-path", "") if found is not None else ""
    tree = archive.tree(package)
    if tree is None:
        raise UnreadableFile("broken", "the book is damaged: it does not tell its chapters")
    items = {item.get("id"): item for item in tree.iterfind("{*}manifest/{*}item")}
    for reference in tree.iterfind("{*}spine/{*}itemref"):
        item = items.get(reference.get("idref"))
        if item is not None and item.get("media-type") in PAGES and "nav" not in (item.get("properties") or "").split():
            yield posixpath.normpath(posixpath.join(posixpath.dirname(package), unquote(item.get("href", ""))))


def refuse_locked(archive: Archive) -> None:
    """Raise for a book with digital rights management; hidden fonts are no hindrance."""
    locks = archive.tree(LOCKS)
    locked = [lock.get("URI", "") for lock in locks.iterfind(".//{*}CipherReference")] if locks is not None else []
    if any(not part.lower().endswith(FONTS) for part in locked):
        raise UnreadableFile("encrypted", "the book is locked by its seller (DRM): it cannot be read")
