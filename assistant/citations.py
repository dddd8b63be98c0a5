"""Which of the offered passages an answer cites. Knows the notation `[1]`, `[1, 2]`, `[2-4]`, `【1】`; no passage and no model.

What stands in code (between backticks, or in a fence of three) is no citation: `x[7]` stays to the letter.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_SOME, _SPAN = r"\d{1,3}(?:\s*[,，、]\s*\d{1,3})*", r"\d{1,3}\s*[-–]\s*\d{1,3}"
_IN_BRACKETS = r"(\s?)[\[【]({})[\]】](?!\()"
CITATION = re.compile(_IN_BRACKETS.format(_SOME))
"""Numbers in brackets; what is followed by `(` is a Markdown link."""

FENCE = "```"
_CODE_OR_CITATION = re.compile(rf"{_IN_BRACKETS.format(f'{_SOME}|{_SPAN}')}|{FENCE}[\s\S]*?(?:{FENCE}|\Z)|`[^`\n]*`")
"""Both, so that a citation within code is not seen; of code the groups are None."""

UNFINISHED = re.compile(r"\s?(?:[\[【][\d\s,，、–-]*[\]】]?)?\Z")
"""The end of a text where a citation may be on its way."""

CODE_ENDS = re.compile(r"[`\n]")


@dataclass(frozen=True, slots=True)
class Citations:
    """Numbers (from 1) of the cited passages in order of appearance, and how many numbers were not on offer."""

    used: tuple[int, ...]
    invalid: int


def matches(text: str) -> Iterator[re.Match[str]]:
    """Yield the citations of `text`, of whatever is on offer."""
    return (match for match in _CODE_OR_CITATION.finditer(text) if match[2] is not None)


def find(text: str, offered: int) -> Citations:
    """Return the citations of `text` when `offered` passages were in its prompt."""
    found = [number for match in matches(text) for number in numbers(match, offered)]
    used = dict.fromkeys(number for number in found if 1 <= number <= offered)
    return Citations(tuple(used), sum(not 1 <= number <= offered for number in found))


def numbers(match: re.Match[str], offered: int) -> list[int]:
    """Return the numbers of a citation, on offer or not. A span whose ends are not both on offer is none: `[0-9]` is text."""
    found = [int(number) for number in re.findall(r"\d+", match[2])]
    if not re.fullmatch(_SPAN, match[2]):
        return found
    first, last = found
    return list(range(first, last + 1)) if 1 <= first < last <= offered else []


def rewrite(text: str, offered: int, show: Callable[[list[int]], str]) -> str:
    """Return `text` with each citation as `show` writes its offered numbers; one without any is taken out.

    With no passages on offer numbers in brackets are no citations, and the text stays to the letter.
    """

    def replace(match: re.Match[str]) -> str:
        found = numbers(match, offered) if match[2] is not None else []
        if not found:
            return match[0]
        there = [number for number in found if 1 <= number <= offered]
        return match[1] + show(there) if there else ""

    return _CODE_OR_CITATION.sub(replace, text) if offered else text


def mend(text: str, offered: int) -> str:
    """Return `text` without the citation numbers that were never offered; the rest stays to the letter."""
    return rewrite(text, offered, lambda numbers: f"[{', '.join(map(str, numbers))}]")


class Mender:
    """`mend` for a text that comes in stretches: what it returns, joined, is the whole text mended.

    Holds back what may still become a citation: a bracket that is open or has just been closed, and the blank before it;
    and code between backticks until its line says whether it is any.
    """

    def __init__(self, offered: int) -> None:
        self._offered = offered
        self._held = ""
        self._fenced = False

    def feed(self, text: str) -> str:
        """Return what is certain after `text`."""
        if not self._offered:
            return text
        text, certain = self._held + text, []
        while step := self._code(text) if self._fenced else self._plain(text):
            certain.append(step[0])
            text = text[step[1] :]
        self._held = text
        return "".join(certain)

    def _code(self, text: str) -> tuple[str, int] | None:
        """Return the next stretch of a fence, and its length; None when nothing more is certain."""
        close = text.find(FENCE)
        self._fenced = close < 0
        length = len(text.rstrip("`")) if close < 0 else close + len(FENCE)
        return (text[:length], length) if length else None

    def _plain(self, text: str) -> tuple[str, int] | None:
        """Return the next stretch outside of fences, mended, and its length before; None as `_code`."""
        tick = text.find("`")
        if tick < 0:
            unfinished = UNFINISHED.search(text)
            tick = unfinished.start() if unfinished else len(text)
        if tick:
            return mend(text[:tick], self._offered), tick
        if self._fenced_by(text):
            return FENCE, len(FENCE)
        ended = CODE_ENDS.search(text, 1) if text.strip("`") else None
        if not text.startswith("`") or ended is None:
            return None
        length = ended.end() if ended[0] == "`" else 1  # a line that ended first: the backtick was only one
        return text[:length], length

    def _fenced_by(self, text: str) -> bool:
        self._fenced = text.startswith(FENCE)
        return self._fenced

    def end(self) -> str:
        """Return what was held back, when nothing more comes."""
        return self._held if self._fenced else mend(self._held, self._offered)
