"""The wording of a passage without its markup: what an embedding model reads, whose tokens lines and addresses would take.

For the model only: a person, the index of words, and a language model are given the passage as it stands. Which files are
Markdown it does not know, so it takes away only what is markup for sure, no words but the targets of links, and no figures
but those of tables.
"""

import re

_DRAWN = re.compile(r"([-=_*~#.·•…‥—–+^])(?:[ \t]?\1){3,}")
"""A line drawn of signs, such as dots that lead to a page number: each of them would be a token."""
_RULE = re.compile(r"^[ \t]*+(?:\|[ \t]*+)?(?::?-++:?[ \t]*+(?:\|[ \t]*+|$))++$\n?", re.MULTILINE)
"""The line below a table's header row."""
_TARGET = r"\((?=[^()\s]*[/.#:])[^()\s]*+(?:\([^()\s]*+\)[^()\s]*+)*+(?:[ \t]++\"[^\"\n]*+\")?\)"
"""An address in parentheses, perhaps with a title; `x[0](y)` in a program has none."""
_LINK = re.compile(rf"!?\[([^\[\]\n]*+)\]{_TARGET}")
_SIGNS = re.compile(r"`+|(?<![a-zA-Z0-9_*])\*\*(?=[^\s*][^*\n]*+\*\*)|(?<=[^\s*])\*\*(?![a-zA-Z0-9_*])")
"""Backticks, and the asterisks around what is printed bold."""

_ROW = re.compile(r"^\|.*\|$", re.MULTILINE)
_FIGURE = re.compile(r"(?<=\|) [-+(\u2212]?[$€£¥₹]? ?\(?\d[\d.,'\u2009\u202f]*+ ?%?\)? ?%? (?=\|)")
"""A cell that is an amount: a dozen of them in a passage hide what its labels say."""
_EMPTY = re.compile(r"\|{2,}")


def plain(text: str) -> str:
    """Return the text with links as their texts, without the signs of bold and code, and with drawn lines cut to one sign.

    Of the rows of a table that hold several figures, their words stay.
    """
    if "|" in text:
        text = _ROW.sub(_words_of, _RULE.sub("", text))
    text = _DRAWN.sub(r"\1", text)
    if "](" in text:
        text = _LINK.sub(r"\1", _LINK.sub(r"\1", text))  # twice: a picture may be the text of a link
    return _SIGNS.sub("", text)


def _words_of(row: re.Match[str]) -> str:
    words, figures = _FIGURE.subn("", row[0])
    return _EMPTY.sub("|", words) if figures > 1 else row[0]
