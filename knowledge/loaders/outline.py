"""The headings above the place that is being read, for the formats that have headings. Knows no format.

A heading is in the locator of every block below it; one with nothing below it becomes a block itself, or its words
would be lost.
"""

from dataclasses import dataclass

from knowledge.base import Locator
from knowledge.loaders.base import Block


@dataclass(slots=True)
class _Heading:
    level: int
    text: str
    line: int | None
    used: bool = False


class Outline:
    """A stack of headings, the outermost first."""

    def __init__(self) -> None:
        self._open: list[_Heading] = []

    def enter(self, level: int, text: str, line: int | None = None) -> list[Block]:
        """Begin a section: sections as deep or deeper end here; returns what `leave` returns for them."""
        ended = self.leave(level)
        if text:
            self._open.append(_Heading(level, text, line))
        return ended

    def leave(self, level: int = 0) -> list[Block]:
        """End the sections of this level and deeper; returns a block for a heading that had nothing below it."""
        blocks = []
        while self._open and self._open[-1].level >= level:
            heading = self._open.pop()
            if not heading.used:
                path = self.path()
                blocks.append(Block(heading.text, Locator(None, path, heading.line, heading.line)))
        return blocks

    def path(self) -> tuple[str, ...]:
        """Return the headings above a block that stands here."""
        for heading in self._open:
            heading.used = True
        return tuple(heading.text for heading in self._open)
