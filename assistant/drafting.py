"""Test questions drafted by the engine: one for each of some passages, looked at by rules before a person sees it.

A draft is not a test question: whether it is a good one, the person says who approves it. Every draft is an answer like any
other and takes its turn in the line. Knows no page and no file of questions.
"""

import random
import re
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Literal

from assistant.assistant import Assistant, Question
from generation.base import Message, PromptTooLong, Sampling
from knowledge import terms
from knowledge.base import Passage, UnknownDocument
from knowledge.library import Library

INSTRUCTION = (
    "You write questions to test a search. Write one short question that the passage answers and that somebody might ask who "
    "has not read it: name what it is about. Write in the language of the passage. Reply with the question alone."
)
TOKENS = 96
"""Of a draft, at most."""
LONGEST = 300
"""Characters of a question; more is no question."""
LEAST_TERMS = 6
"""Different words that a passage must have to be asked about: a heading alone answers nothing."""

Reason = Literal["mark", "long", "foreign", "copied", "twice", "room"]
"""Why a draft is thrown away: no question mark at its end, too long, no word of the passage, a copy of its text, asked
already; `room`: the passage does not fit the model."""

TOO_SMALL: frozenset[Reason] = frozenset({"mark", "long", "foreign", "copied"})
"""The reasons that lie in the model."""

_THOUGHT = re.compile(r"^.*</think>", re.DOTALL)
_LEAD = re.compile(r"^(?:[\s*#>\"'“”‘’「『-]|\d+[.)]\s|(?:question|q|问题|提问)\s*\d*\s*[:：])+", re.IGNORECASE)
_TAIL = re.compile(r"[\s*\"'“”‘’」』]+$")
_MARKS = ("?", "？", "؟")


@dataclass(frozen=True, slots=True)
class Draft:
    """A question and the passage it was drafted from."""

    question: str
    passage: Passage


@dataclass(slots=True)
class Drafted:
    """How far it is: passages that were asked about, of how many; the drafts, and why others were thrown away."""

    wanted: int
    done: int = 0
    drafts: list[Draft] = field(default_factory=list)
    thrown: Counter[Reason] = field(default_factory=Counter)

    @property
    def too_small(self) -> bool:
        """Whether nothing is left of what the model wrote, by its own fault."""
        return self.done == self.wanted and not self.drafts and bool(TOO_SMALL & self.thrown.keys())


def spread(library: Library, base: str, names: Iterable[str], count: int, chance: random.Random) -> list[Passage]:
    """Return up to `count` passages of these documents, as many of each as can be, from all over each of them.

    Of more documents than passages, some by chance; no more are read than are needed. Passages that are switched off and
    those that say too little are left out. Raises `UnknownBase`.
    """
    shuffled = sorted(names, key=lambda name: chance.random())
    groups = sorted(islice(filter(None, (_worth_asking(library, base, name) for name in shuffled)), count), key=len)
    found: list[Passage] = []
    for at, group in enumerate(groups):
        many = (count - len(found)) // (len(groups) - at)
        # As many stretches as are wanted, a passage of each by chance: another time others are asked about.
        many = min(many, len(group))
        ends = [number * len(group) // many for number in range(many + 1)] if many else []
        found += [group[chance.randrange(first, last)] for first, last in pairwise(ends)]
    return found


def _worth_asking(library: Library, base: str, name: str) -> list[Passage]:
    try:
        passages = library.passages(base, name)
    except UnknownDocument:  # removed since
        return []
    return [one for one in passages if not one.switched_off and len(_named(one.text)) >= LEAST_TERMS]


async def draft(
    assistant: Assistant, passages: Sequence[Passage], saved: Collection[str], principal: str = ""
) -> AsyncGenerator[Drafted, None]:
    """Yield, before each passage and at the end, how far it is; `saved`: questions that need not be asked again.

    Raises what `Assistant.ask` and its run raise, but that a passage is too long; what was drafted by then was yielded.
    """
    state, asked = Drafted(len(passages)), {_plain(question) for question in saved}
    for passage in passages:
        yield state
        try:
            found = question_in(await _said(assistant, passage, principal), passage, asked)
        except PromptTooLong:
            found = None
        if found is None:
            state.thrown["room"] += 1
        elif isinstance(found, Draft):
            asked.add(_plain(found.question))
            state.drafts.append(found)
        else:
            state.thrown[found] += 1
        state.done += 1
    yield state


def prompt(passage: Passage) -> tuple[Message, ...]:
    """Return what the engine is asked."""
    title = terms.title(passage.source.name, passage.locator.headings)
    return Message("system", INSTRUCTION), Message("user", f"Passage ({title}):\n{passage.text}")


def question_in(said: str, passage: Passage, asked: Collection[str]) -> "Draft | Reason":
    """Return the question in what the engine said, or why there is none; `asked`: plain questions that are there already."""
    lines = [_TAIL.sub("", _LEAD.sub("", line)) for line in _THOUGHT.sub("", said).splitlines()]
    question = next((line for line in lines if line.endswith(_MARKS)), "")
    if not _plain(question):
        return "mark"
    if len(question) > LONGEST:
        return "long"
    title = terms.title(passage.source.name, passage.locator.headings)
    if not _named(question) & _named(f"{title}\n{passage.text}"):
        return "foreign"
    if _plain(question) in _plain(passage.text):
        return "copied"
    return "twice" if _plain(question) in asked else Draft(question, passage)


def _named(text: str) -> set[str]:
    """Return the terms of a text that name something."""
    return set(terms.terms(text)) - terms.FUNCTION_WORDS


def _plain(text: str) -> str:
    """Return a text by its words alone."""
    return " ".join(terms.terms(text))


async def _said(assistant: Assistant, passage: Passage, principal: str) -> str:
    """Return what the engine writes to a passage; ends it when nobody waits for it any more."""
    sampling = Sampling(max_tokens=TOKENS, temperature=0)
    run = await assistant.ask(Question(prompt(passage), "chat", sampling=sampling, principal=principal, truncate=False))
    try:
        await run.wait()
    finally:
        run.cancel()
    return run.text
