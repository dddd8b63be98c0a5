"""What a child tells of its file, line by line (`loaders/child.py`). The file may have taken it over: nothing is believed."""

import json
from typing import Any

from knowledge.base import Locator, UnreadableFile
from knowledge.loaders.base import Block, Extract, PageReport


class Found:
    """What the child has told so far. A child taken over by its file may write anything, so every line is checked."""

    def __init__(self, max_characters: int, report: PageReport) -> None:
        self.whole = False
        self._blocks: list[Block] = []
        self._characters = 0
        self._max_characters = max_characters
        self._report = report
        self._pages: int | None = None
        self._warnings: tuple[str, ...] = ()
        self._pictures: tuple[int, ...] = ()

    def take(self, line: bytes) -> None:
        """Take in one line; raises the `UnreadableFile` it tells of, or that its text is too long."""
        try:
            kind, *values = json.loads(line)
            if kind == "page":
                page, pages = map(int, values)
            elif kind == "block":
                self._blocks.append(block_of(values))
            elif kind == "done":
                self._pages, self._warnings, self._pictures = _done_of(values)
            else:
                code, message = map(str, values)
        except (ValueError, TypeError, RecursionError) as error:
            raise UnreadableFile("broken", "reading it gave an answer that could not be understood") from error
        if kind == "page":
            self._report(page, pages)
        elif kind == "block":
            self._count(len(self._blocks[-1].text))
        elif kind == "done":
            self.whole = True
        else:
            raise _told(code, message)

    def _count(self, characters: int) -> None:
        self._characters += characters
        if self._characters > self._max_characters:
            limit = f"{self._max_characters:,} characters (--max-characters)"
            raise UnreadableFile("too_large", f"its text is longer than {limit}")

    def extract(self) -> Extract:
        """Return the whole."""
        return Extract(tuple(self._blocks), self._pages, self._warnings, self._pictures)


class Answer:
    """The line that a child answers with; what it tells of its way there is left out."""

    def __init__(self) -> None:
        self.whole = False
        self.values: list[Any] = []

    def take(self, line: bytes) -> None:
        """Take in one line; raises the `UnreadableFile` it tells of."""
        try:
            values = json.loads(line)
            kind = values[0]
            told = None if kind != "error" else _told(*map(str, values[1:3]))
        except (ValueError, TypeError, IndexError, KeyError, RecursionError) as error:
            raise UnreadableFile("broken", "reading it gave an answer that could not be understood") from error
        if told is not None:
            raise told
        if kind != "page":
            self.values, self.whole = values, True


def block_of(values: list[Any]) -> Block:
    """Return the block that a line's values tell; raises `ValueError` or `TypeError` for anything else."""
    text, kind, page, headings, first, last = values
    if not isinstance(text, str) or kind not in ("text", "code", "table"):
        raise ValueError("not a block")
    numbers = [None if number is None else int(number) for number in (page, first, last)]
    return Block(text, Locator(numbers[0], tuple(map(str, headings)), numbers[1], numbers[2]), kind)


def _done_of(values: list[Any]) -> tuple[int | None, tuple[str, ...], tuple[int, ...]]:
    pages, warnings, pictures = values
    return None if pages is None else int(pages), tuple(map(str, warnings)), tuple(map(int, pictures))


def _told(code: str, message: str) -> UnreadableFile:
    """Return the error that the child names."""
    return UnreadableFile(code, message or "reading it needs more memory than allowed (--parse-memory)")
