"""Questions that ask for whole documents ("Summarise handbook.pdf", "这份文档讲了什么"): which do, and what is read for them.

A rule, not a model: a question asks for a whole document when it says so and, but for the name of a document, names nothing
that could be searched for. Knows no engine and no run.
"""

import re
from collections.abc import Collection, Sequence
from pathlib import PurePath
from typing import TypeVar

from knowledge.base import Passage, UnknownDocument
from knowledge.evidence import naming
from knowledge.library import Library

MOST_READ = 2000
"""Passages that are looked at for one question; of more, an even sample."""
SHORTEST_STEM = 3
"""Characters of a file's name without its ending, from which on it is recognised without it."""

_SUMMARY = re.compile(
    r"\b(?:summar(?:y|ies|i[sz]\w*)|overview|outline|gist|tl;?dr|(?:main|key) (?:points?|ideas?|topics?|messages?|contents?))\b"
    "|总结|概括|概述|归纳|摘要|简介|大意|要点|主要内容",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"\bwhat(?:'s|’s)?\b.*\b(?:about|says?|in|inside|contains?|tells?|cover(?:s|ed)?)\b|[讲说写]了?的?(?:是|些)?什么|关于什么",
    re.IGNORECASE | re.DOTALL,
)
_DOCUMENTS = re.compile(
    r"\b(?:doc(?:ument)?|file|text|paper|article|book|pdf)s?\b|\beverything\b|文档|文件|文章|文本|资料|这[份篇]|全部|所有",
    re.IGNORECASE,
)
_PART = re.compile(r"\b(?:page|chapter|section|paragraph|passage)s?\b|章节|段落|[这那第本].{0,2}[章页节段]", re.IGNORECASE)
_MANNER = re.compile(
    r"\b(?:in|with|as|using)\s+(?:[\w-]+\s+){0,3}(?:sentences?|bullets?|points?|words?|paragraphs?|lines?|detail|english|chinese)\b"
    r"|\b(?:contains?|inside|cover(?:s|ed)?|short(?:ly)?|detailed|all|whole|entire|full)\b|\bwhat['’]s\b"
    "|[讲说写]的?是|用?[0-9一二三四五六七八九十两几]+(?:句话|个?字|[点段])(?:以内|左右)?|用(?:中文|英文)|(?:简单|简要|简短|详细|全面)地?|要?点",
    re.IGNORECASE,
)

Item = TypeVar("Item")


def may_ask(question: str) -> bool:
    """Return whether `question` has words of one for whole documents; if so `asked_for` can tell."""
    return bool(_SUMMARY.search(question) or _ABOUT.search(question)) and not _PART.search(_MANNER.sub(" ", question))


def asked_for(question: str, names: Sequence[str], alone: bool) -> Sequence[str]:
    """Return the documents of `names` that `question` asks for as a whole: those it names, else all; none if it does not.

    `alone`: nothing was said before; else "Summarise that" means what was said.
    """
    if not may_ask(question):
        return ()
    named, rest = _named(question, names, stems=False)
    if not named and _names(rest):
        named, rest = _named(question, names, stems=True)
    if _names(rest):
        return ()
    means = named or _DOCUMENTS.search(question) or (alone and _SUMMARY.search(question))
    return (named or names) if means else ()


def read(
    library: Library, base: str, question: str, alone: bool, allowed: Collection[int] | None = None
) -> tuple[list[Passage], int]:
    """Return the passages of the documents that `question` asks for, in order, and how many these documents have.

    Those that are switched off are left out. None of a question that does not ask so. `allowed`: the ids of the documents
    that may be read; None: all. Of more than `MOST_READ` an even sample. Raises `UnknownBase`.
    """
    documents = [document for document in library.documents(base) if allowed is None or document.id in allowed]
    names = set(asked_for(question, [document.name for document in documents], alone))
    documents = [document for document in documents if document.name in names]
    total = sum(document.chunks - document.switched_off for document in documents)
    found: list[Passage] = []
    for document in even(documents, MOST_READ):
        try:
            own = [one for one in library.passages(base, document.name) if not one.switched_off]
        except UnknownDocument:  # removed since
            continue
        found += own if total <= MOST_READ else even(own, max(1, len(own) * MOST_READ // total))
    return found, total


def even(items: Sequence[Item], most: int) -> list[Item]:
    """Return at most `most` of `items`, evenly taken from the first on, in order."""
    if len(items) <= most:
        return list(items)
    return [items[index * len(items) // most] for index in range(most)]


def _named(question: str, names: Sequence[str], stems: bool) -> tuple[list[str], str]:
    """Return the documents that `question` names, by their files' names or the `stems` of these, and what it says beside."""
    rest, found = question.casefold(), list[str]()
    for name in sorted(names, key=len, reverse=True):
        called = (PurePath(name).stem if stems else name).casefold()
        if len(called) < SHORTEST_STEM or called not in question.casefold():
            continue
        # ASCII, because Chinese puts no space around a name.
        pattern = re.compile(rf"(?<![a-z0-9_]){re.escape(called)}(?![a-z0-9_])")
        if pattern.search(rest) or (stems and any(called == PurePath(other).stem.casefold() for other in found)):
            rest = pattern.sub(" ", rest)
            found.append(name)
    return found, rest


def _names(text: str) -> bool:
    """Return whether `text` names anything that could be searched for."""
    return bool(naming([(_SUMMARY.sub(" ", _MANNER.sub(" ", text)), 1.0)]))
