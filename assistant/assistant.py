"""A question becomes a run: retrieve, fit, render, start. Everything that can be refused is refused before that start.

Knows both halves, generation and knowledge; knows no wire and no page.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from assistant import extract
from assistant.coverage import Coverage
from assistant.errors import WaitedTooLong
from assistant.map_reduce import MapReduce, divided
from assistant.prompt import count, fit, fit_raw, where
from assistant.refusal import NEAREST, pieces
from assistant.rewriting import rewritten
from assistant.run import Rewriter, Run
from assistant.runs import RunRegistry
from assistant.settings import AssistantSettings
from assistant.whole import may_ask, read
from generation.base import Generator, Message, ModelNotReady, NotSupported, Piece, Sampling, Usage
from generation.engine import Engine
from knowledge.attribute_filter import Condition
from knowledge.base import Passage
from knowledge.library import Library

Mode = Literal["chat", "retrieval", "knowledge"]


@dataclass(frozen=True, slots=True)
class Question:
    """What a door parsed: system turns and history in `messages`, the question last; `top_k` None: the setting.

    `raw`: the last message is the prompt itself, without a chat template, and the only one; for the mode chat.
    `truncate`: turns of the history may leave where they do not fit; else the question is refused as too long.
    `where`: only passages of documents whose files' attributes fulfil it are taken; None: of all.
    `strict`: where the documents do not tell, no model is asked; else it answers from what it knows, and is given no passage.
    `follow`: earlier questions of the conversation help to find passages; else only the last one, to the letter.
    `principal`: who asks, as far as the door can tell ("session:...", "key:...", "address:..."); turns are shared among them.
    """

    messages: tuple[Message, ...]
    mode: Mode = "chat"
    base: str = "default"
    top_k: int | None = None
    sampling: Sampling = field(default_factory=Sampling)
    principal: str = ""
    raw: bool = False
    truncate: bool = True
    where: Condition | None = None
    strict: bool = True
    follow: bool = True

    @property
    def text(self) -> str:
        """The question itself."""
        return self.messages[-1].content

    @property
    def earlier(self) -> list[str]:
        """The user's turns before it that help to find passages, the oldest first."""
        turns = self.messages[:-1] if self.follow else ()
        return [turn.content for turn in turns if turn.role == "user" and turn.content.strip()]


class Assistant:
    """Answers questions with one engine and one library."""

    def __init__(self, engine: Engine, library: Library, settings: AssistantSettings) -> None:
        self.engine, self.library, self.settings = engine, library, settings
        self.runs = RunRegistry(settings, settings.max_running or engine.max_concurrent)

    async def ask(self, question: Question) -> Run:
        """Start the answer to `question`, or put it into the line, and return its run.

        Raises, before anything runs: `knowledge.base.KnowledgeError` (unknown or empty base, embedder not ready),
        `generation.base.ModelNotReady`, `PromptTooLong` and `NotSupported` of the same room,
        `assistant.errors.TooManyRuns` and `Stopping`.
        """
        asked = time.monotonic()
        try:
            if question.mode == "retrieval":
                return await self._list(question, asked)
            with self.runs.seat(question.principal):
                return await self._answer(question, asked)
        except Exception as error:
            self.runs.refused(error)
            raise

    async def close(self) -> None:
        """End all runs and free the model."""
        await self.runs.close()
        await self.engine.close()

    async def _read(self, question: Question, generator: Generator) -> "_Retrieved | None":
        """Return the passages of the documents that `question` asks for as a whole, or None where it does not.

        For a model too small to summarise, only those with sentences for an extract, and the extract.
        """
        if not self.settings.max_parts or not may_ask(question.text):
            return None
        alone = all(message.role == "system" for message in question.messages[:-1])
        allowed = None
        if question.where is not None:
            allowed = await asyncio.to_thread(self.library.files.matching, question.base, question.where)
        passages, whole = await asyncio.to_thread(read, self.library, question.base, question.text, alone, allowed)
        found = _Retrieved(passages, question.text, evidence=1.0, whole=whole)
        if generator.context_length >= self.settings.whole_context:
            return found if passages else None
        taken = await asyncio.to_thread(extract.chosen, passages, extract.wanted(question.text))
        text = extract.words(question.text, taken, len({passage.source.name for passage in passages}))
        return replace(found, passages=extract.sources(taken), extract=text, read=len(passages)) if taken else None

    async def _retrieve(self, question: Question) -> "_Retrieved":
        top_k = question.top_k or self.settings.top_k
        earlier = question.earlier
        text = question.text
        by: Rewriter = "rule" if earlier else ""
        if earlier and self.settings.rewrite == "engine" and (again := await self._rewritten(question)) is not None:
            # What was really said stays beside it, faded: should the engine have erred, the rule still finds something.
            text, by, earlier = again, "engine", [*earlier, question.text]
        found = await asyncio.to_thread(
            self.library.find, question.base, text, top_k, history=earlier, where=question.where
        )  # fmt: skip
        return _Retrieved(found.passages, text if by == "engine" else found.query, by, found.evidence, found.by_words)

    async def _rewritten(self, question: Question) -> str | None:
        """Return the question as the engine makes it, which takes its turn for that; None where it does not."""
        seconds = self.settings.rewrite_seconds
        try:
            generator = self.engine.generator
            async with self.runs.slot(question.principal, seconds):
                return await rewritten(generator, question.messages, seconds)
        except (ModelNotReady, WaitedTooLong):  # passages can be had without a model
            return None

    async def _list(self, question: Question, asked: float) -> Run:
        self.runs.check_open()
        found = await self._retrieve(question)
        run = found.onto(Run(question.mode, None, found.passages, question.principal, asked))
        self.runs.start_now(run, _listing(found.passages))
        return run

    async def _answer(self, question: Question, asked: float) -> Run:
        """Retrieve and fit before the turn comes: what is refused here is refused before a byte of the answer leaves."""
        generator, grounded = self.engine.generator, question.mode == "knowledge"
        _check(question, generator)
        found = (await self._read(question, generator) or await self._retrieve(question)) if grounded else _Retrieved()
        if grounded and found.evidence < self.settings.min_evidence:
            if question.strict:
                return self._decline(question, found, asked)
            found, grounded = replace(found, passages=[], general=True), False
        if found.extract:
            return self._quote(question, found, asked)
        wanted = question.sampling.max_tokens or self.settings.max_new_tokens
        if found.whole:
            turns, most = question.messages, self.settings.max_parts
            parts = await asyncio.to_thread(divided, generator, turns, found.passages, wanted, most)
            if len(parts) > 1:
                return await self._in_parts(question, found, parts, generator, wanted, asked)
            found = replace(found, passages=parts[0])
        if question.raw:
            fitted = await asyncio.to_thread(fit_raw, generator, question.text, wanted)
        else:
            turns, keep = question.messages, not question.truncate
            fitted = await asyncio.to_thread(fit, generator, turns, found.passages, wanted, grounded, keep)
        if generator is not self.engine.generator:  # changed meanwhile; the prompt is in the old one's tokens
            return await self._answer(question, asked)
        run = Run(question.mode, fitted, fitted.passages, question.principal, asked, partial(count, generator))
        sampling = replace(question.sampling, max_tokens=fitted.counts.reserved)
        if found.whole:
            run.coverage = Coverage(len(fitted.passages), found.whole)
        self.runs.start(found.onto(run), generator.stream(fitted.prompt, sampling))
        return run

    async def _in_parts(
        self,
        question: Question,
        found: "_Retrieved",
        parts: list[list[Passage]],
        generator: Generator,
        wanted: int,
        asked: float,
    ) -> Run:
        """Answer from more than fits one prompt: every step is a turn of its own in the line."""
        answer = MapReduce(generator, question.messages, parts, found.whole, question.sampling, wanted)
        fitted = await asyncio.to_thread(answer.first)
        run = found.onto(Run(question.mode, fitted, answer.sources, question.principal, asked, partial(count, generator)))
        self.runs.start(run, answer.pieces(run, partial(self.runs.next_turn, run)))
        return run

    def _quote(self, question: Question, found: "_Retrieved", asked: float) -> Run:
        """Answer with sentences of the documents themselves; the model is not asked."""
        run = Run(question.mode, None, found.passages, question.principal, asked)
        run.coverage = Coverage(found.read, found.whole)
        self.runs.start_now(found.onto(run), extract.pieces(found.extract))
        return run

    def _decline(self, question: Question, found: "_Retrieved", asked: float) -> Run:
        """Answer that the documents do not tell, with the nearest passages as sources; the model is not asked."""
        nearest = found.passages[:NEAREST]
        run = Run(question.mode, None, nearest, question.principal, asked, refused=True)
        self.runs.start_now(found.onto(run), pieces(question.text, nearest, self.settings.refusal))
        return run


@dataclass(frozen=True, slots=True)
class _Retrieved:
    """Passages, the question they were searched for by, who made it so, how much they tell, why by words only.

    `whole`: passages of the documents that were read as a whole; 0: they were searched. `extract`: the answer, where it is
    taken from them word for word, after `read` of them were looked at. `general`: they told too little, so the model answers
    without them.
    """

    passages: list[Passage] = field(default_factory=list)
    query: str = ""
    rewritten: Rewriter = ""
    evidence: float = 0.0
    by_words: str = ""
    whole: int = 0
    extract: str = ""
    read: int = 0
    general: bool = False

    def onto(self, run: Run) -> Run:
        """Write onto `run` how its sources were found; returns it."""
        run.query, run.rewritten, run.evidence = self.query, self.rewritten, self.evidence
        run.by_words, run.general = self.by_words, self.general
        return run


def _check(question: Question, generator: Generator) -> None:
    """Raise `NotSupported` for what the engine cannot do, before it costs anything."""
    if question.sampling.num_beams > 1 and "beams" not in generator.features:
        raise NotSupported("Beam search (num_beams above 1) works on the backend transformers only.")
    if question.sampling.num_beams > 1 and (question.sampling.presence_penalty or question.sampling.frequency_penalty):
        raise NotSupported("Beam search knows no presence_penalty and no frequency_penalty.")
    if question.sampling.no_repeat_ngram_size and question.sampling.num_beams == 1:
        raise NotSupported("Repeated runs of tokens (no_repeat_ngram_size) are kept out of beam search only.")
    if question.raw and "raw" not in generator.features:
        raise NotSupported("Prompts without a chat template are not possible on this backend.")
    if question.raw and question.mode != "chat":
        raise NotSupported("A prompt without a chat template cannot hold passages: ask with a template, or without documents.")


async def _listing(passages: Sequence[Passage]) -> AsyncGenerator[Piece, None]:
    """Yield the answer of the retrieval mode: the passages themselves, as Markdown."""
    for number, passage in enumerate(passages, 1):
        place = where(passage.locator)
        head = f"**{passage.source.name}**" + (f" · {place}" if place else "")
        quote = "\n".join(f"> {line}" for line in passage.text.splitlines())
        yield Piece(f"{head} [{number}]\n\n{quote}\n\n")
    yield Piece("", "stop", Usage(0, 0))
