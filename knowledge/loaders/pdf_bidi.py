"""The text of a page of a PDF in reading order where its lines run from right to left: Arabic, Hebrew and other scripts.

PDFium turns such lines round by their letters alone. It does so twice or not at all where a program had turned them
already (every other word that Chromium prints), and turns round, too, what one glyph stands for (the ligature of lam and
alef, in nearly every Arabic line that Word or LibreOffice prints). The places on the page tell what the letters cannot.
Knows what PDFium tells, and no PDFium; lines from left to right are not touched.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby, pairwise

from knowledge.loaders.bidi import Box, Sign, is_mark, kind_of, read

RIGHT = r"\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
LETTER, OTHER_LETTER = re.compile(f"[{RIGHT}]"), re.compile(rf"[^\W\d_{RIGHT}]")
LINE = re.compile(r"([^\r\n\x02\ufffe]*)(\r\n|[\r\n\x02\ufffe]|$)")
"""A line and its end, which may be PDFium's mark of a hyphen."""
FORMS = (range(0xFB1D, 0xFE00), range(0xFE70, 0xFEFD))
"""Characters of Unicode that stand for a form of others: a ligature, a letter with its points."""
LONGEST = 2000
"""Characters; a longer line is left as it is told."""
GAP, GUESSED = 0.2, 0.08
"""Distances, in heights of the line, from which a space is meant: between any two signs, and where PDFium guessed one."""
NEXT, SHARED = 0.6, 0.35
"""PDFium's lines are pieces of one within this distance in heights, from this shared part of the lower one's height."""
ON = 0.3
"""Part of its width with which a mark stands on a letter."""
OVER = 0.5
"""Signs that cover more of each other than this part of the narrower one are not where they say."""
NOWHERE = (0.0, 0.0, 0.0, 0.0)

Ink = Callable[[int], Box]
"""Returns where a character is drawn, by its place in the text: marks may have no width of their own."""


@dataclass(frozen=True, slots=True)
class Order:
    """A text in reading order: each character's box, and its place in the text before (-1: a space that was added)."""

    text: str
    boxes: list[Box]
    places: list[int]


def ordered(text: str, boxes: list[Box], ink: Ink) -> Order:
    """Return a page's text in reading order; `boxes` are those of its characters."""
    if not LETTER.search(text):
        return Order(text, boxes, list(range(len(text))))
    mostly = is_from_right(text)
    found: list[tuple[str, int]] = []
    for line, end in lines_in(text, boxes):
        words = "".join(text[place] for place in line)
        if LETTER.search(words) and len(line) <= LONGEST:
            found += line_in_order(signs_in(line, text, boxes, ink), mostly or is_from_right(words))
        else:
            found += [(text[place], place) for place in line]
        found += [(text[place], place) for place in end]
    return Order(
        "".join(one for one, _ in found),
        [boxes[place] if place >= 0 else NOWHERE for _, place in found],
        [place for _, place in found],
    )


def is_from_right(text: str) -> bool:
    """Whether most letters of a text are from right to left."""
    return len(LETTER.findall(text)) >= len(OTHER_LETTER.findall(text))


def lines_in(text: str, boxes: list[Box]) -> Iterator[tuple[list[int], range]]:
    """Yield the places of each line and those of its end; PDFium's lines that are pieces of one are put together."""
    held: list[int] = []
    last = range(0)
    for match in LINE.finditer(text):
        piece = list(range(*match.span(1)))
        if held and not (text[last.start : last.stop].isspace() and beside(held, piece, text, boxes)):
            yield held, last
            held = []
        elif not held:
            yield [], last
        held, last = held + piece, range(*match.span(2))
    yield held, last


def beside(line: list[int], piece: list[int], text: str, boxes: list[Box]) -> bool:
    """Whether two of PDFium's lines, one of them from right to left, are pieces of one."""
    both = line + piece
    if len(both) > LONGEST or not LETTER.search("".join(text[place] for place in both)):
        return False
    one, other = around([boxes[place] for place in line]), around([boxes[place] for place in piece])
    low = min(one[3] - one[1], other[3] - other[1])
    shared = min(one[3], other[3]) - max(one[1], other[1])
    return low > 0 and shared > SHARED * low and abs(max(one[0] - other[2], other[0] - one[2])) < NEXT * low


def around(boxes: list[Box]) -> Box:
    """Return the box around boxes; one without height where all are empty."""
    full = [box for box in boxes if box[2] > box[0]]
    if not full:
        return NOWHERE
    return min(b[0] for b in full), min(b[1] for b in full), max(b[2] for b in full), max(b[3] for b in full)


def signs_in(line: list[int], text: str, boxes: list[Box], ink: Ink) -> list[Sign]:
    """Return the signs of a line in PDFium's order; those of spaces that it only guessed have no width."""
    signs: list[Sign] = []
    for _, group in groupby(line, key=lambda place: boxes[place] if boxes[place][2] > boxes[place][0] else place):
        places = list(group)
        characters, box = "".join(text[place] for place in places), boxes[places[0]]
        if box[2] <= box[0] and not characters.isspace():
            box = ink(places[0])
        begin, end = len(characters) - len(characters.lstrip()), len(characters.rstrip())
        if is_turned(characters[begin:end]):
            characters = characters[:begin] + characters[begin:end][::-1] + characters[end:]
            places[begin:end] = places[begin:end][::-1]
        if begin and kind_of(characters[begin : begin + 1] or " ") == "NSM":  # an isolated form stands on a space
            characters, places = characters[begin:], places[begin:]
        signs.append(Sign(characters, places, box))
    for one, other in pairwise(signs):
        one.by_space = one.by_space or is_guess(other)
        other.by_space = other.by_space or is_guess(one)
    return signs


def is_guess(sign: Sign) -> bool:
    """Whether a sign is a space that PDFium only guessed."""
    return sign.box[2] <= sign.box[0] and sign.characters.isspace()


def is_turned(characters: str) -> bool:
    """Whether PDFium has turned round what one glyph stands for; it has not where the glyph was told by a single form."""
    if len(characters) < 2 or not LETTER.search(characters):
        return False
    first, last = (kind_of(characters[place]) == "NSM" for place in (0, -1))
    if first != last:
        return first
    return characters not in forms() or characters[::-1] in forms()


@cache
def forms() -> frozenset[str]:
    """Return what the forms of several characters stand for."""
    spelt = (unicodedata.normalize("NFKC", chr(code)) for codes in FORMS for code in codes)
    return frozenset(one for one in spelt if len(one) > 1)


def line_in_order(signs: list[Sign], right: bool) -> Iterator[tuple[str, int]]:
    """Yield the characters of a line in reading order with their places; `right`: the line is read from the right."""
    row = sorted((sign for sign in signs if not is_guess(sign)), key=lambda sign: sign.middle)
    if is_placed([sign for sign in row if not is_mark(sign)]):
        yield from read(list(with_spaces(with_marks(row))), right)
    else:
        yield from ((one, place) for sign in signs for one, place in zip(sign.characters, sign.places, strict=True))


def is_placed(row: Sequence[Sign]) -> bool:
    """Whether the signs stand beside each other; a program that gives several words one place lies about it."""
    for one, other in pairwise(row):
        narrow = min(one.box[2] - one.box[0], other.box[2] - other.box[0])
        if one.box[2] - other.box[0] > OVER * narrow > 0:
            return False
    return True


def with_marks(row: list[Sign]) -> list[Sign]:
    """Return the signs from left to right without the marks, which are put behind the letters that they stand on."""
    letters = [sign for sign in row if not is_mark(sign)]
    if not letters:
        return row
    middles = [sign.middle for sign in letters]
    for mark in (sign for sign in row if is_mark(sign)):
        at = bisect_left(middles, mark.middle)
        near = letters[max(at - 2, 0) : at + 2]
        base = max(near, key=lambda sign: on(mark, sign))
        if on(mark, base) <= ON:  # beside its letter: it follows what is right of it
            base = min(near, key=lambda sign: abs(sign.box[0] - mark.box[2]))
        base.characters += mark.characters
        base.places += mark.places
        base.box = min(base.box[0], mark.box[0]), base.box[1], max(base.box[2], mark.box[2]), base.box[3]
    return letters


def on(mark: Sign, letter: Sign) -> float:
    """Return the part of a mark's width that is over a letter."""
    width = max(mark.box[2] - mark.box[0], 0.01)
    return (min(mark.box[2], letter.box[2]) - max(mark.box[0], letter.box[0])) / width


def with_spaces(row: list[Sign]) -> Iterator[Sign]:
    """Yield the signs from left to right with the spaces that their distances tell of."""
    height = max((sign.box[3] - sign.box[1] for sign in row), default=0.0)
    for number, sign in enumerate(row):
        before = row[number - 1] if number else sign
        gap = (sign.box[0] - before.box[2]) / max(height, 1.0)
        wide = gap > GAP or (gap > GUESSED and before.by_space and sign.by_space)
        if wide and not before.characters.isspace() and not sign.characters.isspace():
            yield Sign(" ", [-1], NOWHERE)
        yield sign
