"""The smallest stretches of a block that chunking keeps together: a sentence, a line of code, a row of a table.

Knows no tokenizer: it is told how many tokens a piece has and where they end.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator

from knowledge.loaders.base import Block

CHARACTERS_PER_TOKEN = 20
"""A token pays for this many characters at most: a word of a million letters is one unknown token to some models."""

# Every alternative begins where something ended (look-behind), so a long run of dots or quotes is passed over once.
_SENTENCE_END = re.compile(
    r"""(?<=[.!?…])["'”’)\]]{0,3}\s+              # Latin: the mark, closing quotes, then white space
      | (?<=[。！？；…])(?![。！？；…])[”’"'」』）】》]{0,3}\s*  # CJK: no white space needed
      | \n[ \t]*\n\s*                             # an empty line
      | \n(?=[ \t]*(?:[-*+•·]|\d{1,3}[.)、])\s)    # before an item of a list
    """,
    re.VERBOSE,
)


class Piece:
    """A stretch [start, end) of a block's text; `cost` in tokens, once measured."""

    __slots__ = ("_breaks", "block", "cost", "end", "is_repeated", "start", "text")

    def __init__(self, block: Block, start: int, end: int, breaks: list[int], is_repeated: bool = False) -> None:
        self.block = block
        self.start = start
        self.end = end
        self.text = block.text[start:end]
        self.cost = 0
        self.is_repeated = is_repeated
        self._breaks = breaks

    def measure(self, tokens: int) -> None:
        """Set the cost from the number of tokens."""
        self.cost = max(tokens, len(self.text) // CHARACTERS_PER_TOKEN, 1)

    def repeated(self) -> "Piece":
        """Return the same piece as the header row of a later part: it does not tell where the part stands."""
        copy = Piece(self.block, self.start, self.end, self._breaks, is_repeated=True)
        copy.cost = self.cost
        return copy

    def cut(self, ends: list[int], limit: int) -> "Iterator[Piece]":
        """Yield pieces of at most `limit` tokens: cut at a line end, else at white space, else between tokens."""
        start, first = 0, 0
        while start < len(self.text):
            room = min(len(self.text), start + limit * CHARACTERS_PER_TOKEN)
            last = min(first + limit, len(ends))
            stop = room if last == len(ends) else max(start + 1, min(room, ends[last - 1]))
            if stop < len(self.text):
                stop = _better(self.text, start, stop)
            piece = Piece(self.block, self.start + start, self.start + stop, self._breaks)
            following = bisect_left(ends, stop + 1, lo=first)
            piece.measure(min(limit, following - first))
            yield piece
            start, first = stop, following

    def lines(self) -> tuple[int, int] | None:
        """Return the first and last line, from 1, of what is not white space; the whole block's where not known."""
        where = self.block.locator
        if where.first_line is None or where.last_line is None:
            return None
        above = len(self._breaks) - (where.last_line - where.first_line)
        if above and (self.block.kind != "table" or above < 0):
            return where.first_line, where.last_line
        start = self.start + len(self.text) - len(self.text.lstrip())
        end = self.start + max(len(self.text.rstrip()) - 1, 0)
        # A table made of a sheet has lines above its rows that are not in the file: the rule, a caption, a repeated header.
        first, last = (max(bisect_left(self._breaks, at) - above, 0) for at in (start, end))
        return where.first_line + first, where.first_line + last


def _better(text: str, start: int, stop: int) -> int:
    """Return a nicer place to cut than `stop`, not much earlier."""
    line = text.rfind("\n", start + (stop - start) // 2, stop)
    if line >= 0:
        return line + 1
    for at in range(stop, start + (stop - start) * 3 // 4, -1):
        if text[at - 1].isspace():
            return at
    return stop


def pieces_of(block: Block) -> Iterator[Piece]:
    """Yield the pieces of a block; together they are its text."""
    breaks = [match.start() for match in re.finditer("\n", block.text)]
    cuts = [match.end() for match in _SENTENCE_END.finditer(block.text)] if block.kind == "text" else [b + 1 for b in breaks]
    start = 0
    for cut in [*cuts, len(block.text)]:
        if cut > start:
            yield Piece(block, start, cut, breaks)
            start = cut
