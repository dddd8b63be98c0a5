"""Web pages (.html, .htm) to paragraphs, lists, tables and code below their headings.

lxml reads the tags as they come, so that no depth of nesting grows a tree; nothing is fetched, no script is run, and
what a browser would not show is left out (scripts, forms, navigation, hidden elements). Knows no style sheets.
"""

import codecs
import re
from pathlib import Path

from knowledge.base import UnreadableFile
from knowledge.loaders import magic
from knowledge.loaders.base import Block, Extract, PageReport
from knowledge.loaders.cleaning import Cleaner
from knowledge.loaders.encodings import decode
from knowledge.loaders.html_page import Page
from knowledge.loaders.table import with_captions_below
from knowledge.loaders.text import SAMPLE, refuse_binary

LIBRARIES = ("lxml.etree",)

DECLARED = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w:.-]{1,40})|encoding\s*=\s*["']([\w:.-]{1,40})""", re.I)
HEAD = 4096
"""Bytes in which a page may say its encoding; a browser looks at 1024."""
STEP = 1 << 16


def read(path: Path, report: PageReport) -> Extract:
    """Return the blocks of a web page; raises `UnreadableFile` when it is not text."""
    data = path.read_bytes()
    kind = magic.kind_of(data[: magic.HEAD])
    if kind:
        raise UnreadableFile("wrong_type", f"the file is not a web page, it is {kind}")
    cleaner = Cleaner()
    blocks, warnings = blocks_of(data, cleaner)
    report(1, 1)
    return Extract(tuple(blocks), None, (*warnings, *cleaner.warnings()))


def blocks_of(data: bytes, cleaner: Cleaner, fallback: str = "") -> tuple[list[Block], tuple[str, ...]]:
    """Return the blocks of a page and warnings; `fallback` is the heading of a page that has neither title nor headings."""
    text, warnings = characters(data)
    refuse_binary(text[:SAMPLE])
    return with_captions_below(parsed(text, cleaner).blocks(fallback)), warnings


def parsed(text: str, cleaner: Cleaner) -> Page:
    """Return the page that a text in HTML is."""
    from lxml import etree

    page = Page(cleaner)
    parser = etree.HTMLParser(target=page, encoding="utf-8", no_network=True, remove_pis=True)
    for start in range(0, len(text), STEP):
        parser.feed(text[start : start + STEP].replace("\x00", "").encode("utf-8", "replace"))
    if text.strip():
        parser.close()
    return page


def characters(data: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the text in the encoding that the page declares, or that its bytes show, and warnings about a guess."""
    found = DECLARED.search(data[:HEAD])
    if found and not data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        name = (found[1] or found[2]).decode("ascii")
        # "The Encoding Standard", 4.2: pages that say these names mean what Windows does.
        name = {"iso-8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}.get(name.lower(), name)
        try:
            return data.decode(name), ()
        except (LookupError, ValueError):  # not a known encoding, or not the one it is in
            pass
    return decode(data)
