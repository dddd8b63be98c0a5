"""What an answer from documents rests on: passages it cites, passages its sentences match, or nothing. Pure functions.

Matching is precise rather than eager, because it is shown to people as support: a sentence matches the passage that holds
nearly all of its words and every one of its figures. Measured in docs/decisions.md. Knows no run and no wire.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from assistant.citations import Citations, find, mend
from knowledge import terms
from knowledge.base import Passage

HELD = 0.7
"""The part of a sentence's words that the passage must hold."""

LEAST_WORDS = 4
"""Words that name something, below which a sentence ("Yes, it does.") matches nothing: it could be about anything."""

Kind = Literal["cited", "matched", "none", "refused", "general"]

_SENTENCE = re.compile(r"(?:[^\n.!?。！？]|[.!?](?![\"'”’»)\]]*(?:\s|$)))+[.!?。！？]*[\"'”’»)\]]*")
_FIGURE = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Match:
    """A sentence, the characters [start, end) of the answer as it is shown, and the number (from 1) of its passage."""

    start: int
    end: int
    passage: int


@dataclass(frozen=True, slots=True)
class Support:
    """What an answer rests on.

    `kind`: "cited", the model cites passages; "matched", it cites none, but sentences match some; "none", neither: nothing
    of it is backed by the documents; "refused", the model was not asked, for the documents do not tell; "general", they do
    not, and the model was asked without them. `cited`: numbers (from 1) in order of appearance. `invalid`: numbers that the
    model invented, which were taken out. `sentences`: how many the answer has.
    """

    kind: Kind
    cited: tuple[int, ...] = ()
    matched: tuple[Match, ...] = ()
    invalid: int = 0
    sentences: int = 0


def support(text: str, passages: Sequence[Passage]) -> Support:
    """Return what the answer `text`, as the model wrote it, rests on when `passages` were offered in this order."""
    citations = find(text, len(passages)) if passages else Citations((), 0)  # without any, brackets are just brackets
    shown = mend(text, len(passages))
    parts = sentences(shown)
    if citations.used:
        return Support("cited", citations.used, (), citations.invalid, len(parts))
    matched = matches(shown, passages)
    return Support("matched" if matched else "none", (), matched, citations.invalid, len(parts))


def matches(text: str, passages: Sequence[Passage]) -> tuple[Match, ...]:
    """Return the sentences of `text` that one of `passages` holds, each with the passage that holds most of it."""
    held = [frozenset(terms.of_passage("", passage.locator.headings, passage.text)) for passage in passages]
    found = []
    for start, end in sentences(text):
        words = _naming(text[start:end])
        parts = [_part(words, one) for one in held]
        best = max(parts, default=0.0)
        if best >= HELD:
            found.append(Match(start, end, parts.index(best) + 1))
    return tuple(found)


def sentences(text: str) -> list[tuple[int, int]]:
    """Return where each sentence begins and ends, without white space around it; lines end sentences."""
    found = []
    for match in _SENTENCE.finditer(text):
        start = match.start() + len(match[0]) - len(match[0].lstrip())
        end = match.end() - (len(match[0]) - len(match[0].rstrip()))
        if start < end and any(character.isalnum() for character in text[start:end]):
            found.append((start, end))
    return found


def _naming(sentence: str) -> frozenset[str]:
    return frozenset(terms.terms(sentence)) - terms.FUNCTION_WORDS


def _part(words: frozenset[str], held: frozenset[str]) -> float:
    """Return the part of `words` that is held; 0 where they are few, or a figure is missing."""
    missing = words - held
    if len(words) < LEAST_WORDS or any(_FIGURE.search(word) for word in missing):
        return 0.0
    return 1 - len(missing) / len(words)
