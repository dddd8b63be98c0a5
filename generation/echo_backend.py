"""An engine without a model: its answer is a deterministic function of the prompt. The engine of the fast tests.

What it answers: ``[[count N]]`` in the last user message gives ``1 2 3 ... N``; numbered passages and a line
``Question:`` give ``According to [1], <first sentence of passage 1>``; everything else ``You said: <message>``.
It keeps the whole contract of `Generator` (slots, stop strings, lengths, cancelling) and counts what it does. It reads
no file and opens no connection.
"""

import asyncio
import re
import zlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from generation.answer_limit import answer_limit
from generation.base import (
    Feature,
    FinishReason,
    Measures,
    Message,
    ModelNotReady,
    Piece,
    Prompt,
    Report,
    Sampling,
    Usage,
)
from generation.settings import GenerationSettings
from generation.slots import Slots
from generation.stop_strings import StopStrings

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_TOKEN = re.compile(rf" ?[{_CJK}]| ?[^\W{_CJK}]+| ?[^\w\s]|\s")
_COUNT = re.compile(r"\[\[count (\d{1,9})\]\]")
_PASSAGE_ONE = re.compile(r"^\[1\][ \t]*", re.MULTILINE)
_PASSAGE_END = re.compile(r"^(?:\[\d+\]|Question:)", re.MULTILINE)
_QUESTION = re.compile(r"^Question:", re.MULTILINE)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|[。！？]|\n\s*\n")


def tokens(text: str) -> list[str]:
    """Split into words (with the space before them), punctuation, CJK characters, white space; joined: `text`."""
    return _TOKEN.findall(text)


class EchoBackend:
    """Makes an `EchoGenerator`; nothing can go wrong."""

    def __init__(self, settings: GenerationSettings) -> None:
        self._settings = settings

    def check(self) -> None:
        """Do nothing: there is nothing to check."""

    def load(self, report: Report) -> "EchoGenerator":
        """Return the generator at once."""
        report("echo engine is ready", 1.0)
        return EchoGenerator(self._settings)


class EchoGenerator:
    """Answers from the prompt. `active_generations` counts slots in use, `generated_tokens_total` tokens ever made."""

    def __init__(self, settings: GenerationSettings) -> None:
        self.name = settings.model_name
        self.context_length = settings.echo_context
        self.generated_tokens_total = 0
        self._delay = settings.echo_delay
        self._slots = Slots(settings.max_concurrent)
        self._closed = False

    @property
    def active_generations(self) -> int:
        """Answers on the engine."""
        return self._slots.active

    def render(self, messages: Sequence[Message]) -> Prompt:
        """Return `role: content` lines; echo has no control tokens that a message could imitate."""
        text = "".join(f"{message.role}: {message.content}\n" for message in messages) + "assistant:"
        ids = tuple(zlib.crc32(token.encode("utf-8", "surrogatepass")) for token in tokens(text))
        return Prompt(tuple(messages), text, ids)

    @property
    def features(self) -> frozenset[Feature]:
        """Raw prompts; there is nothing to search in."""
        return frozenset({"raw"})

    def raw(self, text: str) -> Prompt:
        """Return `text` as the prompt itself."""
        return Prompt((), text, tuple(zlib.crc32(token.encode("utf-8", "surrogatepass")) for token in tokens(text)))

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """Yield one token a piece; see `Generator`."""
        if self._closed:
            raise ModelNotReady("The server is shutting down.")
        limit = answer_limit(prompt, sampling, self.context_length)
        async with self._slots, aclosing(self._pieces(prompt, sampling, limit)) as pieces:
            async for piece in pieces:
                yield piece

    async def _pieces(self, prompt: Prompt, sampling: Sampling, limit: int) -> AsyncGenerator[Piece, None]:
        stops, made = StopStrings(sampling.stop), 0
        answer = tokens(reply(prompt, self.context_length))
        for token in answer[:limit]:
            await asyncio.sleep(self._delay)
            if self._closed:
                break
            made += 1
            self.generated_tokens_total += 1
            if text := stops.push(token):
                yield Piece(text)
            if stops.found:
                break
        whole = stops.found or made == len(answer)
        reason: FinishReason = "stop" if whole else "length" if made == limit else "cancelled"
        yield Piece(stops.flush(), reason, Usage(len(prompt.token_ids), made))

    def measures(self) -> Measures:
        """Return the slots in use and the tokens ever made."""
        return Measures(self.active_generations, self.generated_tokens_total)

    async def close(self) -> None:
        """End all streams at their next token."""
        self._closed = True


def reply(prompt: Prompt, most: int) -> str:
    """Return the answer to the last user message; `most` bounds what `[[count N]]` can ask for."""
    said = next((message.content for message in reversed(prompt.messages) if message.role == "user"), prompt.text)
    if count := _COUNT.search(said):
        return " ".join(str(number) for number in range(1, min(int(count[1]), most) + 1))
    start = _PASSAGE_ONE.search(said)
    if start and _QUESTION.search(said, start.end()):
        return f"According to [1], {_first_sentence(said, start.end())}"
    return f"You said: {said}"


def _first_sentence(text: str, start: int) -> str:
    """Return the first sentence of the passage that begins at `start`, without the heading line it may have."""
    end = _PASSAGE_END.search(text, start)
    passage = text[start : end.start() if end else None].strip()
    first, _, rest = passage.partition("\n")
    if rest.strip() and not _SENTENCE_END.search(first):
        passage = rest.strip()
    stop = _SENTENCE_END.search(passage)
    return passage[: stop.end() if stop else None].strip()
