"""What is answered where the documents do not tell: that they do not, and where the nearest passages stand.

In the language of the question, as far as its script tells it. Knows no run, and not when to refuse.
"""

import re
from collections.abc import AsyncGenerator, Sequence

from assistant.prompt import where
from generation.base import Piece, Usage
from knowledge.base import Passage

NEAREST = 3
"""Passages that are offered."""

ENGLISH = ("The documents do not tell.", "Nearest to the question:")
CHINESE = ("文档中没有相关内容。", "与问题最接近的段落：")

SENTENCES = frozenset({ENGLISH[0], CHINESE[0]})
"""The refusal as a sentence; models that say the same by themselves, as the built-in one does, say it in these words."""

HAN = re.compile("[\u3400-\u9fff]")


def words(question: str, passages: Sequence[Passage], sentence: str | None = None) -> str:
    """Return the refusal of `question` with the places of `passages`, none of which it cites; `sentence`: in other words."""
    told, nearest = CHINESE if HAN.search(question) else ENGLISH
    told = sentence or told
    lines = [f"- {place}" for place in dict.fromkeys(map(_place, passages))]
    return "\n".join((told, "", nearest, "", *lines)) if lines else told


async def pieces(question: str, passages: Sequence[Passage], sentence: str | None = None) -> AsyncGenerator[Piece, None]:
    """Yield the refusal as an engine yields an answer, at the cost of no token."""
    yield Piece(words(question, passages, sentence))
    yield Piece("", "stop", Usage(0, 0))


def _place(passage: Passage) -> str:
    place = where(passage.locator)
    return f"{passage.source.name} · {place}" if place else passage.source.name
