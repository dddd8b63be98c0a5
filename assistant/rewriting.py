"""A question asked within a conversation, rewritten by the engine so that it can be searched for alone.

Bounded in tokens and time. What is no question comes back as None, and then the rule of `knowledge.followup` stands alone.
Knows no passage and no run.
"""

import asyncio
import logging
import re
from collections.abc import Sequence
from contextlib import aclosing

from generation.base import FinishReason, GenerationError, Generator, Message, Sampling
from knowledge import terms

LOG = logging.getLogger(__name__)

INSTRUCTION = (
    "Rewrite the last question so that it can be understood without the conversation: put in what it refers to. Keep its "
    "language, names and numbers. Reply with the question alone."
)
TOKENS = 96
"""Of the rewritten question, at most."""
LONGEST = 400
"""Characters of it; a longer one is an answer."""
TURNS = 4
"""Turns of the conversation, a question and its answer each, that the engine is shown."""
SHOWN = 1000
"""Characters shown of each."""

KNOWN = 0.7
"""The part of a rewritten question's words that must have been said in the conversation."""

_QUOTES = re.compile(r"^[\s\"'“”‘’「『]+|[\s\"'“”‘’」』]+$")


async def rewritten(generator: Generator, messages: Sequence[Message], seconds: float) -> str | None:
    """Return the last of `messages` rewritten, within `seconds`, or None where the engine gives no such question."""
    try:
        async with asyncio.timeout(seconds):
            said = await _answer(generator, prompt(messages))
    except TimeoutError:
        return None
    except GenerationError as error:  # the question itself will be told of it, if it lasts
        LOG.info("a question was not rewritten: %s", error)
        return None
    return question_in(said, messages)


def prompt(messages: Sequence[Message]) -> list[Message]:
    """Return what the engine is asked."""
    turns = [message for message in messages[:-1] if message.role != "system"][-2 * TURNS :]
    lines = [f"{message.role}: {' '.join(message.content.split())[:SHOWN]}" for message in turns]
    last = " ".join(messages[-1].content.split())
    return [Message("system", INSTRUCTION), Message("user", "\n".join((*lines, f"Last question: {last}")))]


def question_in(said: str | None, messages: Sequence[Message]) -> str | None:
    """Return what the engine said as a question, or None where it is none.

    It is one line, not long, and each of its words that names something was said in the conversation, or nearly each: an
    engine that answers instead of rewriting brings words of its own.
    """
    if said is None:
        return None
    question = _QUOTES.sub("", said)
    if not question or "\n" in question or len(question) > LONGEST:
        return None
    named = set(terms.terms(question)) - terms.FUNCTION_WORDS
    known = {term for message in messages for term in terms.terms(message.content)}
    if not named or len(named & known) < KNOWN * len(named):
        return None
    own = set(terms.terms(messages[-1].content)) - terms.FUNCTION_WORDS
    return question if not own or own & named else None


async def _answer(generator: Generator, asked: Sequence[Message]) -> str | None:
    """Return the whole answer, or None of one that did not come to its end."""
    text = ""
    reason: FinishReason | None = None
    async with aclosing(generator.stream(generator.render(asked), Sampling(max_tokens=TOKENS, temperature=0))) as pieces:
        async for piece in pieces:
            text, reason = text + piece.text, piece.finish_reason or reason
    return text if reason == "stop" else None
