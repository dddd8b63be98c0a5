"""An answer from more passages than one prompt holds: asked of each part of them (map), then of the answers (reduce).

Every step is a generation like any other: it takes its turn in the line, and ends with its run. Where a small model gives a
single sentence to each part there is nothing to make one of, and the sentences are listed. Knows no library and no line.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from assistant.citations import CITATION
from assistant.coverage import Coverage, Progress
from assistant.prompt import Fitted, fit, pack, room_for
from assistant.run import Run
from assistant.support import sentences
from assistant.whole import even
from generation.base import Generator, Message, Piece, Sampling, Usage
from knowledge.base import Locator, Passage

LEAST_PART = 48
"""Tokens for the answer to a part, at least; where so much of all parts fits no prompt, they are put together in rounds."""
HEADING = 24
"""Tokens kept free for the heading of an answer that is put together with others."""


def divided(
    generator: Generator, messages: Sequence[Message], passages: Sequence[Passage], max_tokens: int, most: int
) -> list[list[Passage]]:
    """Return `passages` in parts that fit a prompt each, at most `most` parts: of more, an even sample is taken."""
    parts = pack(generator, messages, passages, max_tokens)
    while len(parts) > most:
        passages = even(passages, max(most, len(passages) * most // len(parts)))
        parts = pack(generator, messages, passages, max_tokens)
    return parts


@dataclass(frozen=True, slots=True)
class _Told:
    """What was answered to a part of the passages, and the first and the last of them."""

    text: str
    first: Passage
    last: Passage

    def passage(self) -> Passage:
        """Return it as a passage of the next prompt; its citations meant the passages of its own."""
        first, last = self.first.source.name, self.last.source.name
        source = replace(self.first.source, name=first if first == last else f"{first} – {last}")
        return replace(self.first, text=CITATION.sub("", self.text).strip(), source=source, locator=Locator())


class MapReduce:
    """The answer to the last of `messages` from `parts`, of which there are at least two; system turns count, history not."""

    def __init__(
        self, generator: Generator, messages: Sequence[Message], parts: Sequence[Sequence[Passage]], passages: int,
        sampling: Sampling, max_tokens: int,
    ) -> None:  # fmt: skip
        """`passages`: how many the documents have."""
        self._generator, self._parts, self._passages = generator, parts, passages
        self._messages = [*(message for message in messages[:-1] if message.role == "system"), messages[-1]]
        self._sampling, self._wanted = sampling, max_tokens
        room = room_for(generator, self._messages, max_tokens)
        self._each = min(max_tokens, max(LEAST_PART, room // len(parts) - HEADING))
        self._width = max(2, room // (self._each + HEADING))
        self._usage = Usage(0, 0)

    @property
    def sources(self) -> list[Passage]:
        """What the numbers in the answer stand for: the first passage of each of what is put together at last."""
        firsts = [part[0] for part in self._parts]
        while len(firsts) > self._width:
            firsts = firsts[:: self._width]
        return firsts

    @property
    def steps(self) -> int:
        """Generations it takes."""
        count = whole = len(self._parts)
        while count > self._width:
            count = -(-count // self._width)
            whole += count
        return whole + 1

    def first(self) -> Fitted:
        """Return the prompt of the first part; raises `PromptTooLong`."""
        return fit(self._generator, self._messages, self._parts[0], self._each, grounded=True)

    async def pieces(self, run: Run, turn: Callable[[], Awaitable[None]]) -> AsyncGenerator[Piece, None]:
        """Yield the answer, and write onto `run` how far it is; `turn` is awaited before each step but the first."""
        told, read = [], 0
        for part in self._parts:
            fitted = await self._next(run, part, self._each, turn)
            read += len(fitted.passages)
            run.coverage = Coverage(read, self._passages, len(self._parts))
            told.append(_Told(await self._whole(fitted), part[0], part[-1]))
        if all(len(sentences(one.text)) <= 1 for one in told):
            run.coverage = replace(run.coverage or Coverage(0, 0), listed=True)
            yield Piece(self._listing(told))
            yield Piece("", "stop", self._usage)
            return
        while len(told) > self._width:
            told = [await self._merged(run, told[at : at + self._width], turn) for at in range(0, len(told), self._width)]
        fitted = await self._next(run, [one.passage() for one in told], self._wanted, turn)
        async with aclosing(self._stream(fitted)) as pieces:
            async for piece in pieces:
                yield piece if piece.usage is None else replace(piece, usage=self._usage)

    async def _merged(self, run: Run, told: Sequence[_Told], turn: Callable[[], Awaitable[None]]) -> _Told:
        fitted = await self._next(run, [one.passage() for one in told], self._each, turn)
        return _Told(await self._whole(fitted), told[0].first, told[-1].last)

    async def _next(
        self, run: Run, passages: Sequence[Passage], max_tokens: int, turn: Callable[[], Awaitable[None]]
    ) -> Fitted:
        """Begin a step: return its prompt, when its turn has come."""
        step = 1 if run.progress is None else run.progress.step + 1
        run.progress = Progress(step, self.steps, len(self._parts))
        if step > 1:
            await turn()
        run.fitted = await asyncio.to_thread(fit, self._generator, self._messages, passages, max_tokens, True)
        return run.fitted

    async def _whole(self, fitted: Fitted) -> str:
        text = ""
        async with aclosing(self._stream(fitted)) as pieces:
            async for piece in pieces:
                text += piece.text
        return text.strip()

    async def _stream(self, fitted: Fitted) -> AsyncGenerator[Piece, None]:
        """Yield one step's answer, and count its tokens: the run tells those of all steps."""
        sampling = replace(self._sampling, max_tokens=fitted.counts.reserved)
        async with aclosing(self._generator.stream(fitted.prompt, sampling)) as pieces:
            async for piece in pieces:
                if piece.usage is not None:
                    self._add(piece.usage)
                yield piece

    def _add(self, usage: Usage) -> None:
        known = self._usage
        self._usage = Usage(
            known.prompt_tokens + usage.prompt_tokens,
            known.completion_tokens + usage.completion_tokens,
            known.cached_tokens + usage.cached_tokens,
        )

    def _listing(self, told: Sequence[_Told]) -> str:
        """Return the answers to the parts as a list, each once, with the number of the source that it is nearest to."""
        span, groups = 1, len(told)
        while groups > self._width:
            span, groups = span * self._width, -(-groups // self._width)
        lines = {CITATION.sub("", one.text).strip(): f"[{index // span + 1}]" for index, one in reversed(list(enumerate(told)))}
        return "\n".join(f"- {text} {number}" for text, number in reversed(lines.items()) if text)
