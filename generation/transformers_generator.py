"""A loaded model that answers: each request in a thread of its own, its pieces on the caller's event loop.

`max_concurrent` requests run at once, more wait in order. Closing a stream raises a flag that its thread sees before
the next token (or the next 512 prompt tokens), and waits until the thread has let go. Knows no settings and no folder.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from generation.base import (
    EngineFailed,
    FinishReason,
    GenerationError,
    Measures,
    Message,
    ModelNotReady,
    Piece,
    Prompt,
    PromptTooLong,
    Sampling,
    Usage,
)
from generation.chat_template import ChatTemplate
from generation.decoding import Decoder
from generation.detokenizer import Detokenizer
from generation.stop_strings import StopStrings
from generation.weights import context_length


class TransformersGenerator:
    """A `Generator`. `active_generations` counts slots in use, `generated_tokens_total` tokens ever made."""

    def __init__(self, name: str, model: Any, tokenizer: Any, template: ChatTemplate, max_concurrent: int) -> None:
        self.name = name
        self.context_length = context_length(model.config, tokenizer)
        self.active_generations = 0
        self.generated_tokens_total = 0
        self._template = template
        ends = {number for text in template.stop if (number := template.tokens.id_of(text)) is not None}
        self._stop = tuple(text for text in template.stop if template.tokens.id_of(text) is None)
        self._decoder: Decoder | None = Decoder(model, frozenset(ends | _end_ids(model, tokenizer)))
        self._threads = ThreadPoolExecutor(max_concurrent, thread_name_prefix="generation")
        self._counting = threading.Lock()
        self._answers: set[_Answer] = set()

    def render(self, messages: Sequence[Message]) -> Prompt:
        """Return the prompt by the chat template; blocks for as long as tokenising takes."""
        return self._template.render(messages)

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """Yield the answer; see `Generator`. Raises `PromptTooLong`, `ModelNotReady`, `EngineFailed`."""
        if self._decoder is None:
            raise ModelNotReady("The server is shutting down.")
        answer = _Answer(prompt, sampling, self._limit(prompt, sampling, self._decoder))
        self._answers.add(answer)
        waiting = self._threads.submit(self._work, answer, self._decoder)
        try:
            while True:
                piece = await answer.next()
                yield piece
                if piece.finish_reason:
                    return
        finally:
            answer.stop.set()
            if not waiting.cancel():  # False: it runs or has run; then its thread says when it has let go
                await answer.released.wait()
            self._answers.discard(answer)

    def measures(self) -> Measures:
        """Return the slots in use and the tokens ever made."""
        return Measures(self.active_generations, self.generated_tokens_total)

    async def close(self) -> None:
        """End all streams (finish reason `cancelled`), wait for their threads, give back the memory."""
        self._decoder = None
        for answer in list(self._answers):
            answer.stop.set()
        await asyncio.to_thread(self._threads.shutdown)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _limit(self, prompt: Prompt, sampling: Sampling, decoder: Decoder) -> int:
        """Return how many tokens the answer may have; raise if the model cannot read the prompt."""
        used = len(prompt.token_ids)
        if used >= self.context_length:
            raise PromptTooLong(used, self.context_length)
        if not used or max(prompt.token_ids) >= decoder.vocabulary:
            raise EngineFailed("The tokenizer and the weights of this model do not belong together.")
        room = self.context_length - used
        return room if sampling.max_tokens is None else min(room, sampling.max_tokens)

    def _work(self, answer: "_Answer", decoder: Decoder) -> None:
        """Generate one answer; runs in a thread, and never lets an error out of it."""
        self._count(active=1)
        try:
            self._generate(answer, decoder)
        except Exception as error:  # the model is a foreign program: it can fail in any way
            answer.put(_failure(error))
        finally:
            self._count(active=-1)
            answer.let_go()

    def _generate(self, answer: "_Answer", decoder: Decoder) -> None:
        text, made = Detokenizer(self._template.tokens), 0
        stops = StopStrings((*answer.sampling.stop, *self._stop))
        for token in decoder.tokens(answer.prompt.token_ids, answer.sampling, answer.limit, answer.stop.is_set):
            made += 1
            self._count(tokens=1)
            if shown := stops.push(text.push(token)):
                answer.put(Piece(shown))
            if stops.found:
                break
        rest = "" if stops.found else stops.push(text.flush())
        reason = _reason(stops.found, made, answer)
        answer.put(Piece(rest + stops.flush(), reason, Usage(len(answer.prompt.token_ids), made)))

    def _count(self, active: int = 0, tokens: int = 0) -> None:
        with self._counting:
            self.active_generations += active
            self.generated_tokens_total += tokens


class _Answer:
    """One request between its thread and its event loop. Made on the loop; `put` and `let_go` run in the thread."""

    def __init__(self, prompt: Prompt, sampling: Sampling, limit: int) -> None:
        self.prompt, self.sampling, self.limit = prompt, sampling, limit
        self.stop = threading.Event()
        self.released = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[Piece | GenerationError] = asyncio.Queue()

    async def next(self) -> Piece:
        piece = await self._pieces.get()
        if isinstance(piece, GenerationError):
            raise piece
        return piece

    def put(self, piece: Piece | GenerationError) -> None:
        self._tell(self._pieces.put_nowait, piece)

    def let_go(self) -> None:
        self._tell(self.released.set)

    def _tell(self, what: Any, *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody reads any more
            self._loop.call_soon_threadsafe(what, *arguments)


def _reason(stopped: bool, made: int, answer: _Answer) -> FinishReason:
    if stopped:
        return "stop"
    if answer.limit == made:
        return "length"
    return "cancelled" if answer.stop.is_set() else "stop"


def _end_ids(model: Any, tokenizer: Any) -> set[int]:
    """Return the ids that end an answer, by the generation config and by the tokenizer, which do not always agree."""
    ends = getattr(model.generation_config, "eos_token_id", None)
    listed = ends if isinstance(ends, (list, tuple)) else [ends]
    return {int(number) for number in (*listed, tokenizer.eos_token_id) if number is not None}


def _failure(error: Exception) -> GenerationError:
    """Return what a foreign error means for this one request; the model stays loaded and others go on."""
    memory = isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)
    if memory and torch.cuda.is_available():
        torch.cuda.empty_cache()
    failed = EngineFailed(
        "The machine has too little free memory for this answer. Ask again later, or ask something shorter."
        if memory
        else f"The model failed while it answered ({type(error).__name__})."
    )
    failed.__cause__ = error
    return failed
