"""Signs that stand in a line from left to right, in the order in which they are read: the way back of UAX #9.

The Unicode bidirectional algorithm lays out a line of Arabic or Hebrew from right to left, numbers and words of Latin
letters in it from left to right. Its libraries go that way only; a page shows the result. Knows Unicode, no page.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

Box = tuple[float, float, float, float]
"""Left, bottom, right, top in points."""

OPENING, CLOSING = "([{<«‹", ")]}>»›"
MIRROR = str.maketrans(OPENING + CLOSING, CLOSING + OPENING)
NUMBERS = ("EN", "AN")


@dataclass(slots=True)
class Sign:
    """What one glyph stands for: characters in reading order, their places in the page's text, and where it is drawn."""

    characters: str
    places: list[int]
    box: Box
    by_space: bool = False
    """Whether a space was guessed before or after it."""

    @property
    def kind(self) -> str:
        """The bidirectional class of its first character: "L", "R", "AL", "EN", "AN", "ES", "CS", "ET", "NSM", ..."""
        return kind_of(self.characters[0])

    @property
    def middle(self) -> float:
        """Its middle from the left, in points."""
        return (self.box[0] + self.box[2]) / 2


@lru_cache(maxsize=4096)
def kind_of(character: str) -> str:
    """Return the bidirectional class of a character."""
    return unicodedata.bidirectional(character)


def is_right(sign: Sign) -> bool:
    """Whether a sign is a letter that is read from the right."""
    return sign.kind in ("R", "AL")


def is_mark(sign: Sign) -> bool:
    """Whether a sign stands on a letter."""
    return sign.kind == "NSM"


def read(row: Sequence[Sign], right: bool) -> Iterator[tuple[str, int]]:
    """Yield the characters of a row of signs, with their places, as they are read; `right`: the line begins at its right."""
    order = list(from_right(row) if right else from_left(row))
    flip = is_flipped(order)
    for sign, turned in order:
        for one, place in zip(sign.characters, sign.places, strict=True):
            yield (one.translate(MIRROR) if flip and turned else one), place


def from_right(row: Sequence[Sign]) -> Iterator[tuple[Sign, bool]]:
    """Yield the signs of a row as they are read from the right; with each, whether it was turned."""
    order = row[::-1]
    at, arabic = 0, False
    while at < len(order):
        end = end_of_left(order, at, arabic)
        if end > at:
            yield from ((sign, False) for sign in reversed(order[at:end]))
            arabic = arabic and not any(sign.kind == "L" for sign in order[at:end])
        else:
            yield order[at], True
            arabic = order[at].kind == "AL" or (arabic and order[at].kind != "R")
            end = at + 1
        at = end


def from_left(row: Sequence[Sign]) -> Iterator[tuple[Sign, bool]]:
    """Yield the signs of a row that is read from the left, the words from right to left in it turned."""
    at = 0
    while at < len(row):
        end = at + 1
        if is_right(row[at]):
            for place in range(at, len(row)):
                if row[place].kind == "L":
                    break
                end = place + 1 if is_right(row[place]) else end
            yield from from_right(row[at:end])
        else:
            yield row[at], False
        at = end


def end_of_left(order: Sequence[Sign], at: int, arabic: bool) -> int:
    """Return where the run from left to right ends that begins at `at`, `at` where none does: Latin words, or a number.

    `arabic`: the last letter before it is Arabic; numbers then hold together less (rules W2 to W5).
    """
    if order[at].kind not in ("L", "ET", *NUMBERS):
        return at
    end, words, number = at, False, False
    for place in range(at, len(order)):
        kind = order[place].kind
        between = [sign.kind for sign in order[end : min(place, end + 2)]]
        joins = not between or words or (between[0] in ("CS", *(() if arabic else ("ES", "ET"))) and len(between) == 1)
        if kind in ("R", "AL"):
            break
        if kind == "L" or (kind in NUMBERS and joins) or (kind == "ET" and not arabic and place == end):
            end, words, number = place + 1, words or kind == "L", number or kind in NUMBERS
    return end if words or number else at


def is_flipped(order: Iterable[tuple[Sign, bool]]) -> bool:
    """Whether the brackets of the turned parts stand the wrong way round."""
    brackets = "".join(sign.characters for sign, turned in order if turned and sign.characters in MIRRORED)
    return unpaired(brackets.translate(MIRROR)) < unpaired(brackets)


MIRRORED = frozenset(OPENING + CLOSING)


def unpaired(brackets: str) -> int:
    """Return how many brackets close nothing or are not closed."""
    opened: list[str] = []
    wrong = 0
    for bracket in brackets:
        if bracket in OPENING:
            opened.append(bracket)
        elif opened and opened[-1].translate(MIRROR) == bracket:
            opened.pop()
        else:
            wrong += 1
    return wrong + len(opened)
