"""Raised figures, of which a plain text would make another number: 10^6 is not 106. Knows no format."""

import re

WORD = re.compile(r"[^\W\d_]{3}$")
"""What a note is set at; one or two letters are a formula's."""
POWER, BASE = re.compile(r"[-+\u2212]?(?:\d+|[b-np-zA-Z])(?!\w)"), re.compile(r"[\w)\]]$")
"""Raised figures and single letters, but none of those that make numbers words: the 1st, le 2e, n^o is "no"."""


def sign_before(before: str, raised: str) -> str:
    """Return what is put between a text and what is raised after it: a space before a note's mark, "^" before a power."""
    if raised[:1].isdigit() and WORD.search(before):
        return " "
    return "^" if POWER.fullmatch(raised) and BASE.search(before) else ""
