"""A question becomes a run: retrieve, fit, render, start. Everything that can be refused is refused before that start.

Knows both halves, generation and knowledge; knows no wire and no page.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from assistant.prompt import Fitted, fit, where
from assistant.runs import Run, RunRegistry
from assistant.settings import AssistantSettings
from generation.base import Message, Piece, Sampling, Usage
from generation.engine import Engine
from knowledge.base import Passage
from knowledge.library import Library

Mode = Literal["chat", "retrieval", "knowledge"]


@dataclass(frozen=True, slots=True)
class Question:
    """What a door parsed: system turns and history in `messages`, the question last; `top_k` None: the setting."""

    messages: tuple[Message, ...]
    mode: Mode = "chat"
    base: str = "default"
    top_k: int | None = None
    sampling: Sampling = field(default_factory=Sampling)

    @property
    def text(self) -> str:
        """The question itself."""
        return self.messages[-1].content


class Assistant:
    """Answers questions with one engine and one library."""

    def __init__(self, engine: Engine, library: Library, settings: AssistantSettings) -> None:
        self.engine, self.library, self.settings = engine, library, settings
        self.runs = RunRegistry(settings.max_runs, settings.kept_runs)

    async def ask(self, question: Question) -> Run:
        """Start the answer to `question` and return its run.

        Raises, before anything runs: `knowledge.base.KnowledgeError` (unknown or empty base, embedder not ready),
        `generation.base.ModelNotReady`, `generation.base.PromptTooLong`, `assistant.runs.TooManyRuns`.
        """
        self.runs.admit()
        if question.mode == "retrieval":
            return self._start(question, None, await self._retrieve(question), question.sampling)
        generator = self.engine.generator
        passages = await self._retrieve(question) if question.mode == "knowledge" else []
        wanted = question.sampling.max_tokens or self.settings.max_new_tokens
        fitted = await asyncio.to_thread(fit, generator, question.messages, passages, wanted, question.mode == "knowledge")
        sampling = replace(question.sampling, max_tokens=fitted.counts.reserved)
        return self._start(question, fitted, fitted.passages, sampling)

    async def close(self) -> None:
        """Cancel all runs."""
        await self.runs.close()

    async def _retrieve(self, question: Question) -> list[Passage]:
        top_k = question.top_k or self.settings.top_k
        return await asyncio.to_thread(self.library.search, question.base, question.text, top_k)

    def _start(self, question: Question, fitted: Fitted | None, passages: Sequence[Passage], sampling: Sampling) -> Run:
        self.runs.admit()  # again: others may have come while this one was retrieving
        run = Run(question.mode, fitted, passages)
        run.start(_listing(passages) if fitted is None else self.engine.generator.stream(fitted.prompt, sampling))
        self.runs.add(run)
        return run


async def _listing(passages: Sequence[Passage]) -> AsyncGenerator[Piece, None]:
    """Yield the answer of the retrieval mode: the passages themselves, as Markdown."""
    for number, passage in enumerate(passages, 1):
        place = where(passage.locator)
        head = f"**{passage.source.name}**" + (f" · {place}" if place else "")
        quote = "\n".join(f"> {line}" for line in passage.text.splitlines())
        yield Piece(f"{head} [{number}]\n\n{quote}\n\n")
    yield Piece("", "stop", Usage(0, 0))
