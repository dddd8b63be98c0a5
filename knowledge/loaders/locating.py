"""Finds a quoted passage in a text that says the same with other spaces, hyphens and signs. Pure; knows no format.

Only letters and digits count, without case, accents and ligatures: a passage was cleaned, its lines were joined, its
table may have been given bars. What is found in no piece is not guessed.
"""

import re
import unicodedata
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

SHORTEST = 16
"""Letters of a piece that is looked for anywhere; shorter ones only count near the piece before them,"""
WORD = 5
"""or, from this many letters on, where they stand once in the text."""

NEAR = 400
"""Letters within which a short piece is near."""

ENOUGH = 0.5
"""A passage is located where this part of its letters is found."""

CLOSING = ".!?…。！？；;:：\"'”’」』)]）】"
_PIECES = re.compile(r"\n+|\s*\|\s*|(?<=[.!?…])\s+|(?<=[。！？；])")

Span = tuple[int, int]
"""First character and the one after the last."""


@dataclass(frozen=True, slots=True)
class Located:
    """Where a passage stands in a text, in rising order, and the part of its letters that was found, in [0, 1]."""

    spans: tuple[Span, ...] = ()
    part: float = 0.0

    @property
    def found(self) -> bool:
        """Whether it is enough to say that the passage stands here."""
        return self.part >= ENOUGH


def locate(quote: str, text: str, near: int = 0) -> Located:
    """Return where `quote` stands in `text`; of several places the one nearest to the character `near`."""
    wanted, _ = _letters(quote)
    held, places = _letters(text)
    if not wanted or not held:
        return Located()
    start = next((at for at, place in enumerate(places) if place >= near), len(places))
    whole = _nearest(held, wanted, start)
    found = [(whole, whole + len(wanted))] if whole >= 0 else list(_pieces(quote, held, start))
    joined = _joined(sorted(found))
    part = sum(end - begin for begin, end in joined) / len(wanted)
    spans = [(places[begin], places[end - 1] + 1) for begin, end in joined]
    return Located(tuple((begin, _ended(text, end, quote)) for begin, end in spans), min(1.0, part))


def _ended(text: str, end: int, quote: str) -> int:
    """Return the end of a span with the signs that end a sentence, where the passage ends with signs, too."""
    ends = not quote.rstrip()[-1:].isalnum()
    while ends and end < len(text) and text[end] in CLOSING:
        end += 1
    return end


def _letters(text: str) -> tuple[str, "array[int]"]:
    """Return the letters and digits of a text in their plainest form, and the character that each is from."""
    letters: list[str] = []
    places = array("I")
    for at, character in enumerate(text):
        for one in _plain(character):
            letters.append(one)
            places.append(at)
    return "".join(letters), places


@lru_cache(maxsize=65536)
def _plain(character: str) -> str:
    spelt = unicodedata.normalize("NFKD", character).casefold()
    return "".join(one for one in unicodedata.normalize("NFKD", spelt) if one.isalnum())


def _pieces(quote: str, held: str, start: int) -> Iterator[Span]:
    anchor: int | None = None
    for piece in _PIECES.split(quote):
        for span in _halves(_letters(piece)[0], held, anchor, start):
            anchor = span[1]
            yield span


def _halves(piece: str, held: str, anchor: int | None, start: int) -> Iterator[Span]:
    """Yield where a piece stands, or its halves where it is divided, by a page's end for one."""
    at = _nearest(held, piece, start if anchor is None else anchor) if piece else -1
    near = anchor is not None and abs(at - anchor) <= NEAR
    if at >= 0 and (near or len(piece) >= SHORTEST or (len(piece) >= WORD and held.count(piece) == 1)):
        yield at, at + len(piece)
    elif at < 0 and len(piece) >= 2 * SHORTEST:
        middle = len(piece) // 2
        for half in (piece[:middle], piece[middle:]):
            for span in _halves(half, held, anchor, start):
                anchor = span[1]
                yield span


def _nearest(held: str, piece: str, start: int) -> int:
    """Return where `piece` begins nearest to `start`, -1 where it does not stand."""
    after, before = held.find(piece, start), held.rfind(piece, 0, start + len(piece))
    if after < 0 or before < 0:
        return max(after, before)
    return after if after - start <= start - before else before


def _joined(spans: list[Span]) -> list[Span]:
    """Return rising spans with those in one that touch."""
    joined: list[Span] = []
    for begin, end in spans:
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined
