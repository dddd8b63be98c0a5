"""A figure of a web page while its tags are read: what its `figcaption` says becomes the caption of the table in it.

Knows the blocks of the page so far, no tags. Where the figure holds no table, or several, the words stay where they were.
"""

from dataclasses import replace

from knowledge.loaders.base import Block
from knowledge.loaders.table import titled


class Figure:
    """Begins after so many `blocks` of the page."""

    def __init__(self, begin: int) -> None:
        self._begin = begin
        self._at = begin
        self._caption: list[Block] = []

    def open(self, blocks: list[Block]) -> None:
        """Begin the caption."""
        self._at = len(blocks)

    def close(self, blocks: list[Block]) -> None:
        """End the caption."""
        self._caption = blocks[self._at :]

    def end(self, blocks: list[Block]) -> None:
        """End the figure: give its table the caption."""
        within = blocks[self._begin :]
        tables = [block for block in within if block.kind == "table"]
        said = [block for block in self._caption if any(block is other for other in within)]
        if not said or len(tables) != 1 or titled(tables[0]) or any(block.kind != "text" for block in said):
            return
        words = " ".join(" ".join(block.text.split()) for block in said)
        table = replace(tables[0], text=f"{words}\n{tables[0].text}")
        rest = (block for block in within if not any(block is other for other in said))
        blocks[self._begin :] = [table if block is tables[0] else block for block in rest]
