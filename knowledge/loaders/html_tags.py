"""What the elements of a web page mean for its text: which are not seen, which stand in a line. Knows no words."""

import re
from collections.abc import Mapping

from knowledge.loaders import markdown_html

NO_TEXT = "script|style|template|noscript|iframe|object|embed|canvas|svg|audio|video|head|annotation|annotation-xml"
CONTROLS = "nav|button|select|textarea|input|datalist"
UNSEEN = frozenset(f"{NO_TEXT}|{CONTROLS}".split("|"))
LETTERS = "img|br|acronym|data|ins|label|meter|output|progress|rb|rp|rt|rtc|ruby|time"
MATH = (
    "math|semantics|mi|mn|mo|ms|mrow|mtext|mspace|mstyle|mpadded|mfenced|menclose|merror|msup|msub|msubsup|mover|munder|"
    "munderover|mmultiscripts|mfrac|msqrt|mroot|mtable|mtr|mtd"
)
INLINE = frozenset(f"{markdown_html.INLINE}|{LETTERS}|{MATH}".split("|"))
"""Elements that stand in a line: those that Markdown may hold, and some more."""
WRAPPERS = frozenset({"div", "p"})
LISTS = frozenset({"ul", "ol", "menu", "dir"})
HEADINGS = {f"h{level}": level for level in range(1, 7)}
LAYING_OUT = frozenset({*HEADINGS, "pre"})
"""What in a table says that it only lays out the page, unless it holds data."""
HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
FURNITURE = frozenset({"headerlink", "header-anchor", "anchorjs-link", "linenos", "lineno", "rouge-gutter", "gutter"})
"""Classes that Sphinx, MkDocs, VitePress, Pygments, Rouge and others give to a heading's link and to the numbers of lines."""


def is_hidden(tag: str, attributes: Mapping[str, str]) -> bool:
    """Whether an element says that a browser shows nothing of it, or nothing that is of the text."""
    if not attributes:
        return False
    if "hidden" in attributes or HIDDEN.search(attributes.get("style", "")) or attributes.get("role") == "navigation":
        return True
    # A page whose dialog is open hides its whole body from screen readers.
    unheard = attributes.get("aria-hidden", "").lower() == "true" and tag in INLINE
    return unheard or not FURNITURE.isdisjoint(attributes.get("class", "").split())


def start_of(attributes: Mapping[str, str]) -> int:
    """Return the number that an ordered list begins with."""
    number = attributes.get("start", "")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 8 else 1
