"""What a loader returns: the text of a file as blocks, in reading order. Knows no format."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from knowledge.base import Locator

Kind = Literal["text", "code", "table"]


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of text that belongs together: a paragraph, a list, a code block, a Markdown table with its header row.

    Headings are not blocks of their own: they are in the locator of every block below them.
    """

    text: str
    locator: Locator
    kind: Kind = "text"


@dataclass(frozen=True, slots=True)
class Extract:
    """The text of one file; `pages` for formats that have them, `warnings` for the person who uploaded it.

    `pictures`: the pages (from 1) on which something is drawn, but no text is written.
    """

    blocks: tuple[Block, ...]
    pages: int | None = None
    warnings: tuple[str, ...] = ()
    pictures: tuple[int, ...] = ()


PageReport = Callable[[int, int], None]
"""Told the page just read (from 1) and how many there are."""

Loader = Callable[..., Extract]
"""Called with a `Path` and a `PageReport`, reads the file; `ocr` is told more by keywords. Raises
`knowledge.base.UnreadableFile` with a reason in words. Runs in the sandbox.

Its module names in `LIBRARIES` what it imports only when it is called: the fork server imports that once for all children."""
