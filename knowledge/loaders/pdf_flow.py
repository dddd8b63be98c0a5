"""Puts lines together that PDFium has broken at every letter. Knows characters and their boxes, no PDF library.

PDFium guesses from the parts of a page's width and height that hold text whether it is written downwards. A long table
of narrow columns looks so to it, and then every step to the right begins a line, and spaces are lost.
"""

import re

from knowledge.loaders.bidi import Box
from knowledge.loaders.pdf_bidi import LETTER, NOWHERE, Order

BREAK = re.compile(r"[\r\n]+")
BROKEN = re.compile(r"(?:^|\n)\S\r\n\S\r\n\S\r")
"""Lines of one letter, as many as stand together where lines are broken."""
SPACE, WIDE, BACK, LEVEL = 0.12, 1.0, 0.3, 0.05
"""Distances in heights of a letter: from which a space is meant, from which another cell, that letters overlap at most,
and between the bottoms and tops of one line: raised and lowered marks are for `lines` to see."""


def is_broken(text: str) -> bool:
    """Whether lines of a page may be broken at every letter; not told of a page with text from right to left."""
    return BROKEN.search(text) is not None and not LETTER.search(text)


def rejoined(text: str, boxes: list[Box]) -> Order:
    """Return a page's text with letters that stand side by side in one line, and a space where a distance tells of one."""
    found: list[tuple[str, int]] = []
    at = 0
    for match in BREAK.finditer(text):
        found += [(text[place], place) for place in range(at, match.start())]
        at = match.end()
        gap = gap_between(boxes[match.start() - 1], boxes[at]) if match.start() > 0 and at < len(text) else None
        if gap is None:
            found += [(text[place], place) for place in range(match.start(), at)]
        elif gap > SPACE:
            found.append((" ", -1))
    found += [(text[place], place) for place in range(at, len(text))]
    signs, places = "".join(sign for sign, _ in found), [place for _, place in found]
    return Order(signs, [boxes[place] if place >= 0 else NOWHERE for place in places], places)


def gap_between(one: Box, other: Box) -> float | None:
    """Return how far a letter stands right of another one, in heights; None where it does not, near it and on its line."""
    high = max(one[3] - one[1], other[3] - other[1])
    if high <= 0 or max(abs(one[1] - other[1]), abs(one[3] - other[3])) > LEVEL * high:
        return None
    gap = (other[0] - one[2]) / high
    return gap if -BACK < gap < WIDE else None
