"""Which of the offered passages an answer cites. Knows the notation `[1]`, `[1, 2]`; no passage and no model."""

import re
from collections.abc import Callable
from dataclasses import dataclass

CITATION = re.compile(r"(\s?)\[(\d{1,3}(?:\s*[,，]\s*\d{1,3})*)\](?!\()")
"""Numbers in brackets; what is followed by `(` is a Markdown link."""

UNFINISHED = re.compile(r"\s?(?:\[[\d\s,，]*\]?)?\Z")
"""The end of a text where a citation may be on its way."""


@dataclass(frozen=True, slots=True)
class Citations:
    """Numbers (from 1) of the cited passages in order of appearance, and how many numbers were not on offer."""

    used: tuple[int, ...]
    invalid: int


def find(text: str, offered: int) -> Citations:
    """Return the citations of `text` when `offered` passages were in its prompt."""
    numbers = [number for match in CITATION.finditer(text) for number in _numbers(match)]
    used = dict.fromkeys(number for number in numbers if 1 <= number <= offered)
    return Citations(tuple(used), sum(not 1 <= number <= offered for number in numbers))


def rewrite(text: str, offered: int, show: Callable[[list[int]], str]) -> str:
    """Return `text` with each citation as `show` writes its offered numbers; one without any is taken out.

    With no passages on offer numbers in brackets are no citations, and the text stays to the letter.
    """

    def replace(match: re.Match[str]) -> str:
        numbers = [number for number in _numbers(match) if 1 <= number <= offered]
        return match[1] + show(numbers) if numbers else ""

    return CITATION.sub(replace, text) if offered else text


def mend(text: str, offered: int) -> str:
    """Return `text` without the citation numbers that were never offered; the rest stays to the letter."""
    return rewrite(text, offered, lambda numbers: f"[{', '.join(map(str, numbers))}]")


class Mender:
    """`mend` for a text that comes in stretches: what it returns, joined, is the whole text mended.

    Holds back what may still become a citation: a bracket that is open or has just been closed, and the blank before it.
    """

    def __init__(self, offered: int) -> None:
        self._offered = offered
        self._held = ""

    def feed(self, text: str) -> str:
        """Return what is certain after `text`."""
        text = self._held + text
        unfinished = UNFINISHED.search(text) if self._offered else None
        certain = unfinished.start() if unfinished else len(text)
        self._held = text[certain:]
        return mend(text[:certain], self._offered)

    def end(self) -> str:
        """Return what was held back, when nothing more comes."""
        return mend(self._held, self._offered)


def _numbers(match: re.Match[str]) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", match[2])]
