"""Plain text to paragraphs with line numbers, and the way from bytes to characters for all formats that are text.

Knows no markup. A file whose first bytes or control characters say that it is something else is refused.
"""

from collections.abc import Iterator
from pathlib import Path

from knowledge.base import Locator, UnreadableFile
from knowledge.loaders import magic
from knowledge.loaders.base import Block, Extract, PageReport
from knowledge.loaders.cleaning import Cleaner
from knowledge.loaders.encodings import decode

LONGEST = 4000
"""Characters after which a paragraph that does not end (a log, a table) is divided at a line's end."""
MOST_CONTROLS = 0.05
"""More control characters among the first ones, and it is no text."""
SAMPLE = 65536


def read(path: Path, report: PageReport) -> Extract:
    """Return the paragraphs of a text file; raises `UnreadableFile` when it is not text."""
    text, warnings = text_of(path)
    report(1, 1)
    return Extract(tuple(paragraphs(text)), None, warnings)


def text_of(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the characters of a text file, cleaned, and the warnings about them."""
    data = path.read_bytes()
    kind = magic.kind_of(data[: magic.HEAD])
    if kind:
        raise UnreadableFile("wrong_type", f"the file is not text, it is {kind}")
    text, guess = decode(data)
    refuse_binary(text[:SAMPLE])
    cleaner = Cleaner()
    text = cleaner.clean(text)
    return text, (*guess, *cleaner.warnings())


def refuse_binary(sample: str) -> None:
    """Raise when this is no text: control characters (NUL is only dropped), or signs that stand for nothing."""
    strange = sum(sample.count(chr(code)) for code in (*range(1, 9), *range(14, 27), *range(28, 32), 127, 0xFFFD))
    if strange > MOST_CONTROLS * len(sample):
        raise UnreadableFile("wrong_type", "the file is not text: it is full of control characters")
    letters = sample.replace("\x00", "")
    if len(letters) > 100 and len(set(letters)) == 1 and not letters.isascii():
        raise UnreadableFile("wrong_type", "the file is not text: it is one byte again and again")


def paragraphs(text: str, first: int = 1) -> Iterator[Block]:
    """Yield the paragraphs of a text whose first line has the number `first`; blank lines divide them."""
    part: list[str] = []
    size = 0
    number = first - 1
    for number, line in enumerate(text.split("\n"), first):
        if part and (size > LONGEST or not line.strip()):
            yield block(part, number - 1)
            part, size = [], 0
        if line.strip():
            part.append(line)
            size += len(line)
    if part:
        yield block(part, number)


def block(lines: list[str], last: int) -> Block:
    """Return the block of lines that ends at line `last`."""
    return Block("\n".join(lines).rstrip(), Locator(first_line=last - len(lines) + 1, last_line=last))
