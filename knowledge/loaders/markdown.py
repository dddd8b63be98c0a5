"""Markdown to paragraphs, lists, tables and code below their headings, in source form, with line numbers.

Only the structure of blocks is parsed (CommonMark and tables); inline markup stays as it was written, for it is text
that people search. A table in HTML becomes one in Markdown, other HTML is reduced to what a reader sees; front matter
is text: nothing of it is evaluated.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.base import Locator
from knowledge.loaders.base import Block, Extract, Kind, PageReport
from knowledge.loaders.cleaning import Cleaner
from knowledge.loaders.html import parsed
from knowledge.loaders.markdown_html import visible
from knowledge.loaders.outline import Outline
from knowledge.loaders.table import is_caption
from knowledge.loaders.text import LONGEST, text_of

if TYPE_CHECKING:
    from markdown_it.token import Token

LIBRARIES = ("markdown_it",)

MAX_NESTING = 20
MAX_FRONT_MATTER = 200
CODE = {"fence", "code_block"}
LINK = re.compile(r"\[([^\[\]]*)\]\([^()\s]*\)")
EMPHASIS = re.compile(r"(?<!\w)(\*{1,3}|_{1,3}|`+)(?=\S)(.+?)(?<=\S)\1(?!\w)")
ATTRIBUTES = re.compile(r"(?:\s+#+)?\s*\{\s*[#.][^{}]*\}\s*$")
"""What some programs read at the end of a heading: a name for its place, also behind the heading's closing signs."""


def read(path: Path, report: PageReport) -> Extract:
    """Return the blocks of a Markdown file; raises `UnreadableFile` when it is not text."""
    text, warnings = text_of(path)
    report(1, 1)
    return Extract(tuple(blocks_of(text)), None, warnings)


def blocks_of(text: str) -> Iterator[Block]:
    """Yield the blocks of a Markdown text in order, each table together with the caption right above it."""
    above: Block | None = None
    for block in sections(text):
        if above is not None and belongs(above, block):
            gap = "\n" * ((block.locator.first_line or 0) - (above.locator.last_line or 0))
            place = Locator(None, block.locator.headings, above.locator.first_line, block.locator.last_line)
            block = Block(f"{above.text}{gap}{block.text}", place, "table")
        elif above is not None:
            yield above
        above = block
    if above is not None:
        yield above


def belongs(above: Block, block: Block) -> bool:
    """Whether a paragraph is the caption of the table that follows it, at most one empty line below."""
    lines = (block.locator.first_line or 0) - (above.locator.last_line or 0)
    alike = above.locator.headings == block.locator.headings and 0 < lines < 3
    return alike and (above.kind, block.kind) == ("text", "table") and is_caption(above.text)


def sections(text: str) -> Iterator[Block]:
    """Yield the blocks of a Markdown text in order."""
    lines = text.split("\n")
    start = front_matter(lines)
    outline = Outline()
    yield from stretch(lines, 0, start, outline)
    done = start
    for token in top(lines[start:]):
        first, last = (start + line for line in token.map or (0, 0))
        yield from stretch(lines, done, first, outline)  # link definitions have no token
        yield from section(token, lines, first, last, outline)
        done = max(done, last)
    yield from stretch(lines, done, len(lines), outline)
    yield from outline.leave()


def front_matter(lines: list[str]) -> int:
    """Return how many lines of metadata between two "---" the file begins with."""
    if lines[0].rstrip() != "---" or len(lines) < 2 or not lines[1].strip():
        return 0
    for number, line in enumerate(lines[1:MAX_FRONT_MATTER], 1):
        if line.rstrip() in ("---", "..."):
            return number + 1
    return 0


def top(lines: list[str]) -> "Iterator[Token]":
    """Yield the tokens that stand for whole blocks; that of a heading carries its text."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"maxNesting": MAX_NESTING}).enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])  # inline markup stays, and with it its slow cases
    heading = None
    for token in parser.parse("\n".join(lines)):
        if heading is not None and token.type == "inline":
            heading.content = token.content
            yield heading
            heading = None
        elif token.level == 0 and token.map and token.nesting >= 0:
            if token.type == "heading_open":
                heading = token
            else:
                yield token


def section(token: "Token", lines: list[str], first: int, last: int, outline: Outline) -> Iterator[Block]:
    """Yield what one token stands for; `first` and `last` count from 0, `last` is the line after it."""
    if token.type == "heading_open":
        yield from outline.enter(int(token.tag[1:]), title(token.content), first + 1)
    elif token.type in CODE:
        yield from stretch(lines, first, last, outline, "code")
    elif token.type == "table_open":
        yield from stretch(lines, first, last, outline, "table")
    elif token.type == "html_block" and has_table(source := "\n".join(lines[first:last])):
        place = Locator(None, outline.path(), first + 1, last)
        yield from (Block(block.text, place, block.kind) for block in parsed(source, Cleaner()).blocks())
    elif token.type != "hr":
        yield from stretch(lines, first, last, outline)


def has_table(source: str) -> bool:
    """Whether a stretch of HTML holds a table whole."""
    lower = source.lower()
    begin = lower.find("<table")
    return begin >= 0 and lower.find("</table", begin) >= 0


def stretch(lines: list[str], first: int, last: int, outline: Outline, kind: Kind = "text") -> Iterator[Block]:
    """Yield lines as one block, or as several where they are a very long list; nothing when no word is in them."""
    while first < last and not lines[first].strip():
        first += 1
    for begin, end in parts(lines, first, last) if kind == "text" else [(first, last)]:
        source = "\n".join(lines[begin:end]).rstrip()
        text = source if kind == "code" else visible(source, "" if kind == "table" else "\n")
        if text.strip():
            ending = begin + source.count("\n") + 1
            yield Block(text.strip("\n"), Locator(None, outline.path(), begin + 1, ending), kind)


def parts(lines: list[str], first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield the stretch in parts of about `LONGEST` characters at most, divided before lines at the margin."""
    begin, size = first, 0
    for number in range(first, last):
        if size > LONGEST and lines[number][:1].strip():
            yield begin, number
            begin, size = number, 0
        size += len(lines[number])
    if begin < last:
        yield begin, last


def title(content: str) -> str:
    """Return the words of a heading, without markup: they are shown as a path."""
    words = ATTRIBUTES.sub("", LINK.sub(r"\1", visible(content, " ")))
    return " ".join(EMPHASIS.sub(r"\2", words).split())
