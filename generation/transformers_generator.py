"""A loaded model that answers: who computes which request, and its pieces on the caller's event loop.

Requests share the model as rows of a batch (`generation.batch`). Beam search, and models whose rows cannot be mixed, are
computed apart (`generation.solo_engine`). Knows no settings and no folder.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Protocol

import torch

from generation.answer import Answer
from generation.answer_limit import answer_limit, check_vocabulary
from generation.base import Feature, Measures, Message, ModelNotReady, Piece, Prompt, Sampling
from generation.batch import Batch
from generation.batch_engine import BatchEngine
from generation.beam_search import BeamSearch
from generation.chat_template import ChatTemplate
from generation.decoding import Decoder
from generation.kv_memory import KvMemory
from generation.ragged_forward import RaggedForward, opened
from generation.solo_engine import SoloEngine
from generation.tally import Tally
from generation.weights import context_length


class _Engine(Protocol):
    """Computes answers; `add` and `withdraw` on the event loop, `close` in a thread."""

    def add(self, answer: Answer) -> None: ...

    def withdraw(self, answer: Answer) -> None: ...

    def close(self) -> None: ...


class TransformersGenerator:
    """A `Generator`. `active_generations` counts slots in use, `generated_tokens_total` tokens ever made.

    `kv_bytes`: memory for keys and values; the context is never longer than fits into it. `lookup`: tokens guessed from
    the text before, at most; 0: none.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        tokenizer: Any,
        template: ChatTemplate,
        max_concurrent: int,
        kv_bytes: int,
        lookup: int,
    ) -> None:
        self.name = name
        self.context_length = context_length(model.config, tokenizer)
        self._template = template
        self._vocabulary = int(model.get_input_embeddings().num_embeddings)
        ids = {text: template.tokens.id_of(text) for text in template.stop}
        ends = frozenset({number for number in ids.values() if number is not None} | _end_ids(model, tokenizer))
        self._stop = tuple(text for text, number in ids.items() if number is None)
        self._tally = Tally()
        self._beams = SoloEngine(BeamSearch(model, ends), 1, self._tally)
        self._batch: BatchEngine | None = None
        self._engine: _Engine
        if (forward := opened(model)) is not None:
            memory = self._memory(forward, kv_bytes)
            self._engine = self._batch = BatchEngine(Batch(forward, memory, max_concurrent, ends, lookup, self._tally))
        else:
            self._engine = SoloEngine(Decoder(model, ends), max_concurrent, self._tally)
        self._closed = False

    def _memory(self, forward: RaggedForward, kv_bytes: int) -> KvMemory:
        """Return the memory that `kv_bytes` make; the context must fit into it."""
        memory = KvMemory(forward.form, kv_bytes // forward.form.token_bytes)
        self.context_length = min(self.context_length, memory.total)
        return memory

    @property
    def active_generations(self) -> int:
        """Answers being computed at this moment."""
        return self._tally.active

    @property
    def generated_tokens_total(self) -> int:
        """Tokens ever made."""
        return self._tally.generated

    def render(self, messages: Sequence[Message]) -> Prompt:
        """Return the prompt by the chat template; blocks for as long as tokenising takes."""
        return self._template.render(messages)

    @property
    def features(self) -> frozenset[Feature]:
        """Beam search and raw prompts."""
        return frozenset({"beams", "raw"})

    def raw(self, text: str) -> Prompt:
        """Return `text` as the prompt itself; blocks for as long as tokenising takes."""
        return self._template.raw(text)

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """Yield the answer; see `Generator`. Raises `PromptTooLong`, `ModelNotReady`, `EngineFailed`."""
        if self._closed:
            raise ModelNotReady("The server is shutting down.")
        limit = answer_limit(prompt, sampling, self.context_length)
        check_vocabulary(prompt, self._vocabulary)
        answer = Answer(prompt, sampling, limit, self._template.tokens, self._stop, self._tally)
        engine = self._engine if sampling.num_beams == 1 else self._beams
        engine.add(answer)
        try:
            while True:
                piece = await answer.next()
                yield piece
                if piece.finish_reason:
                    return
        finally:
            engine.withdraw(answer)
            await answer.released.wait()

    def measures(self) -> Measures:
        """Return what the engine does and holds; keys and values are known where requests share the model."""
        tally, batch = self._tally, self._batch
        held = (batch.kv_used, batch.kv_total) if batch else (None, None)
        return Measures(tally.active, tally.generated, tally.prompt, tally.cached, *held)

    async def close(self) -> None:
        """End all streams (finish reason `cancelled`), wait for their threads, give back the memory."""
        self._closed = True
        await asyncio.gather(asyncio.to_thread(self._engine.close), asyncio.to_thread(self._beams.close))
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _end_ids(model: Any, tokenizer: Any) -> set[int]:
    """Return the ids that end an answer, by the generation config and by the tokenizer, which do not always agree."""
    ends = getattr(model.generation_config, "eos_token_id", None)
    listed = ends if isinstance(ends, (list, tuple)) else [ends]
    return {int(number) for number in (*listed, tokenizer.eos_token_id) if number is not None}
