"""vLLM's engine (`AsyncLLM`) as a `Generator`. The only file that imports vLLM.

Prompts come as token ids of our own chat template, so text of messages cannot become control tokens. Text is made of the
ids that come back by the same code as on the other engines: vLLM's own holds back, and at the end drops, bytes that never
become a character. vLLM computes in processes of its own; `died` tells when they are gone. Knows no settings and no GPU.
"""

import asyncio
import itertools
import multiprocessing
import multiprocessing.resource_tracker
import signal
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any

from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.inputs import tokens_input
from vllm.lora.request import LoRARequest
from vllm.sampling_params import RequestOutputKind, SamplingParams
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.metrics.loggers import StatLoggerBase

from generation.answer_limit import answer_limit, check_vocabulary
from generation.base import (
    EngineFailed,
    Feature,
    FinishReason,
    GenerationError,
    Measures,
    Message,
    ModelNotReady,
    ModelUnusable,
    Piece,
    Prompt,
    Sampling,
    Usage,
)
from generation.chat_template import ChatTemplate
from generation.choice import COLDEST
from generation.detokenizer import Detokenizer
from generation.lifeline import Lifeline
from generation.stop_strings import StopStrings

HEARTBEAT = 0.5
"""Seconds between two looks whether vLLM's processes live."""
_REASONS: dict[str | None, FinishReason | None] = {None: None, "length": "length", "abort": "cancelled"}


@dataclass(frozen=True, slots=True)
class Running:
    """A running engine of vLLM and what belongs to it."""

    engine: AsyncLLM
    use: "KvUse"
    lifeline: Lifeline


def start(arguments: Mapping[str, Any]) -> Running:
    """Return a running engine, `arguments` being those of `AsyncEngineArgs`; blocks; raises `ModelUnusable`."""
    use, others = KvUse(), {process.pid for process in multiprocessing.active_children()}
    try:
        with _deaf_to_interrupts():
            engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments), stat_loggers=[lambda *_, **__: use])
    except Exception as error:  # vLLM raises its own, pydantic's, torch's and the system's errors
        raise ModelUnusable(f"vLLM does not start: {_short(error)}. The log says more.") from error
    started = {process.pid for process in multiprocessing.active_children()} - others
    return Running(engine, use, Lifeline(pid for pid in started if pid is not None))


class VllmGenerator:
    """A `Generator` and `Mortal`. `active_generations` counts answers in work, `generated_tokens_total` tokens ever made.

    Waiting is left to vLLM, so that a place that becomes free is taken in the very next step: of the requests that it
    has, the `max_concurrent` that came first are in work. `ends`: ids that end an answer. `adapter`: name and folder of the
    LoRA adapter that answers.
    """

    def __init__(
        self,
        name: str,
        running: Running,
        template: ChatTemplate,
        ends: frozenset[int],
        max_concurrent: int,
        adapter: tuple[str, str] | None = None,
    ) -> None:
        self.name = name
        engine = running.engine
        self.context_length = int(engine.model_config.max_model_len)
        self.generated_tokens_total = 0
        self._running, self._engine, self._template, self._max_concurrent = running, engine, template, max_concurrent
        self._adapter = LoRARequest(adapter[0], 1, adapter[1]) if adapter else None
        self._vocabulary = int(engine.model_config.get_vocab_size())
        self._ends = ends
        self._stop = tuple(text for text in template.stop if template.tokens.id_of(text) is None)
        self._numbers = itertools.count()
        self._requests: set[str] = set()
        self._prompt_tokens = self._cached_tokens = 0
        self._closed = False

    @property
    def active_generations(self) -> int:
        """Answers in work."""
        return min(len(self._requests), self._max_concurrent)

    def render(self, messages: Sequence[Message]) -> Prompt:
        """Return the prompt by the chat template; blocks for as long as tokenising takes."""
        return self._template.render(messages)

    @property
    def features(self) -> frozenset[Feature]:
        """Raw prompts; vLLM has given up beam search in its engine."""
        return frozenset({"raw"})

    def raw(self, text: str) -> Prompt:
        """Return `text` as the prompt itself; blocks for as long as tokenising takes."""
        return self._template.raw(text)

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """Yield the answer; see `Generator`. Raises `PromptTooLong`, `ModelNotReady`, `EngineFailed`."""
        if self._closed:
            raise ModelNotReady("The server is shutting down.")
        parameters, request = self._parameters(prompt, sampling), f"answer-{next(self._numbers)}"
        self._requests.add(request)
        answer = _Answer(StopStrings((*sampling.stop, *self._stop)), Detokenizer(self._template.tokens), len(prompt.token_ids))
        given = tokens_input(list(prompt.token_ids))
        try:
            # Closing this inner stream is what aborts the request in vLLM.
            async with aclosing(self._engine.generate(given, parameters, request, lora_request=self._adapter)) as outputs:
                async for output in outputs:
                    piece = self._piece(answer, output)
                    if piece.text or piece.finish_reason:
                        yield piece
                    if piece.finish_reason:
                        return
        except EngineDeadError as error:
            raise EngineFailed("The engine has died while it answered. Ask again in a minute.") from error
        except GenerationError:
            raise
        except Exception as error:  # vLLM raises its own and the system's errors, with no common base in older versions
            raise EngineFailed(f"vLLM failed while it answered ({_short(error)}).") from error
        finally:
            self._requests.discard(request)

    async def died(self) -> str:
        """Return when vLLM's processes are gone; see `Mortal`."""
        while not self._engine.errored:  # noqa: ASYNC110  # vLLM has no event to wait for
            await asyncio.sleep(HEARTBEAT)
        return "The vLLM engine has died; the log says why."

    def measures(self) -> Measures:
        """Return what is in work, what was ever done, and the tokens held for answers in work."""
        cache = self._engine.vllm_config.cache_config
        total = int((cache.num_gpu_blocks or 0) * cache.block_size)
        used = round(total * self._running.use.part) if self._requests else 0
        done = self.generated_tokens_total, self._prompt_tokens, self._cached_tokens
        return Measures(self.active_generations, *done, used, total)

    async def close(self) -> None:
        """End all streams (finish reason `cancelled`) and vLLM's processes."""
        self._closed = True
        if not self._engine.errored:
            await self._engine.abort(list(self._requests))
        await asyncio.to_thread(self._engine.shutdown)
        self._running.lifeline.release()

    def _parameters(self, prompt: Prompt, sampling: Sampling) -> SamplingParams:
        """Return vLLM's form of `sampling`; raises if the model cannot read the prompt."""
        limit = answer_limit(prompt, sampling, self.context_length)
        check_vocabulary(prompt, self._vocabulary)
        return SamplingParams(
            max_tokens=limit,
            temperature=0.0 if sampling.temperature < COLDEST else sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            repetition_penalty=sampling.repetition_penalty,
            presence_penalty=sampling.presence_penalty,
            frequency_penalty=sampling.frequency_penalty,
            seed=None if sampling.seed is None else sampling.seed % 2**63,
            stop_token_ids=sorted(self._ends),
            detokenize=False,
            output_kind=RequestOutputKind.DELTA,
        )

    def _piece(self, answer: "_Answer", output: Any) -> Piece:
        """Return what the new tokens of `output` say; they may be several, when the reader is slower than the engine."""
        new = output.outputs[0]
        if new.finish_reason == "error":
            raise EngineFailed("vLLM failed while it answered; the log says why.")
        if not answer.begun:
            answer.begun, answer.cached = True, output.num_cached_tokens or 0
            self._prompt_tokens += answer.prompt_tokens
            self._cached_tokens += answer.cached
        tokens = [token for token in new.token_ids if token not in self._ends]
        self.generated_tokens_total += len(tokens)
        shown = answer.push(tokens)
        reason = "stop" if answer.stops.found else _REASONS.get(new.finish_reason, "stop")
        if reason is None and self._closed:
            reason = "cancelled"
        return answer.last(shown, reason) if reason else Piece(shown)


class _Answer:
    """Text and counts of one answer."""

    def __init__(self, stops: StopStrings, text: Detokenizer, prompt_tokens: int) -> None:
        self.stops, self.prompt_tokens, self.cached, self.begun = stops, prompt_tokens, 0, False
        self._text, self._made = text, 0

    def push(self, tokens: list[int]) -> str:
        """Return what can be shown after `tokens`."""
        shown = ""
        for token in tokens:
            if self.stops.found:
                break
            self._made += 1
            shown += self.stops.push(self._text.push(token))
        return shown

    def last(self, shown: str, reason: FinishReason) -> Piece:
        """Return the last piece: `shown` and what was held back."""
        if not self.stops.found:
            shown += self.stops.push(self._text.flush())
        if self.stops.found:
            reason = "stop"
        return Piece(shown + self.stops.flush(), reason, Usage(self.prompt_tokens, self._made, self.cached))


class KvUse(StatLoggerBase):  # type: ignore[misc]  # vLLM is not installed where types are checked
    """The latest word of vLLM's scheduler: which part of its memory of keys and values the answers in work hold."""

    def __init__(self, *_: Any) -> None:
        self.part = 0.0

    def record(self, scheduler_stats: Any, *_: Any, **__: Any) -> None:
        """Take note; called after each step."""
        if scheduler_stats is not None:
            self.part = scheduler_stats.kv_cache_usage

    def log_engine_initialized(self) -> None:
        """Do nothing: vLLM's processes log it themselves."""


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let processes that start meanwhile not hear Ctrl+C, which a terminal sends to all of them: the server ends them.

    A new process inherits the signals that its parent's thread holds back.
    """
    multiprocessing.resource_tracker.ensure_running()  # it would lift the block when it starts itself
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _short(error: Exception) -> str:
    """Return the beginning of a foreign error on one line."""
    text = " ".join(str(error).split())[:300].rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
