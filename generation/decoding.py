"""One answer, token by token, on the model's forward pass: prefill, cache, logits, choice. Knows no text and no thread.

Our own loop and not the library's `generate`: a request's seed must be its own (the library draws from the process's
one random stream), a request must stop between any two tokens, and a batching engine will take over these steps.
Greedy, it gives token for token what `generate(do_sample=False)` gives; the logits processors are the library's.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from transformers import (
    DynamicCache,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from generation.base import Sampling

PREFILL_CHUNK = 512
"""Prompt tokens between two looks at the stop flag; also bounds the memory of a long prefill."""
COLDEST = 1e-4
"""Below this temperature the division overflows float32 and the choice is greedy in any case."""


class Decoder:
    """Generates with one model; holds no state of a request, so that any number can run in threads."""

    def __init__(self, model: Any, end_ids: frozenset[int]) -> None:
        self._model, self._end_ids = model, end_ids
        self.vocabulary = int(model.get_input_embeddings().num_embeddings)
        # Logits of the whole prompt would be (prompt x vocabulary) floats; most models can leave them out.
        accepted = inspect.signature(model.forward).parameters
        self._only_last: dict[str, int] = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}
        self._cache_name = "cache_params" if "cache_params" in accepted else "past_key_values"  # recurrent models
        supports = getattr(model, "_supports_default_dynamic_cache", None)
        # A recurrent state is not carried from one stretch of a prompt to the next by every model: read it in one.
        self._recurrent = bool(getattr(model, "_is_stateful", False)) or self._cache_name == "cache_params"
        self._own_cache = bool(supports and supports())

    def tokens(self, prompt: Sequence[int], sampling: Sampling, limit: int, stopped: Callable[[], bool]) -> Iterator[int]:
        """Yield at most `limit` ids after `prompt`; returns early at an end token (not yielded) or when `stopped`."""
        ids = torch.tensor([list(prompt)], device=self._model.device)
        choose = Choice(sampling, ids)
        cache = DynamicCache(config=self._model.config.get_text_config(decoder=True)) if self._own_cache else None
        logits = None
        stretch = ids.shape[1] if self._recurrent else PREFILL_CHUNK
        for chunk in torch.split(ids, stretch, dim=1) if limit else ():
            if stopped():
                return
            logits, cache = self._forward(chunk, cache)
        for made in range(limit):
            if stopped() or logits is None:
                return
            token = choose(logits)
            if token in self._end_ids:
                return
            yield token
            if made + 1 < limit and not stopped():
                logits, cache = self._forward(torch.tensor([[token]], device=ids.device), cache)

    @torch.inference_mode()
    def _forward(self, ids: torch.Tensor, cache: Any) -> tuple[torch.Tensor, Any]:
        """Return the logits of the last position, shape (1, vocabulary), float32, and the grown cache."""
        memory = {self._cache_name: cache, "use_cache": True}
        out = self._model(input_ids=ids, **memory, **self._only_last)
        return out.logits[:, -1].to(dtype=torch.float32, copy=True), out[self._cache_name]


class Choice:
    """Chooses the next token of one request: its penalty, its temperature, its own random stream."""

    def __init__(self, sampling: Sampling, prompt: torch.Tensor) -> None:
        self._greedy = sampling.temperature < COLDEST
        self._processors = _processors(sampling)
        self._seen = prompt if sampling.repetition_penalty != 1.0 else prompt[:, :0]
        self._remembers = sampling.repetition_penalty != 1.0
        self._random = torch.Generator(device=prompt.device)
        if sampling.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(sampling.seed % 2**63)

    @torch.inference_mode()
    def __call__(self, logits: torch.Tensor) -> int:
        """Return the id chosen from `logits`, shape (1, vocabulary)."""
        scores = self._processors(self._seen, logits)
        if self._greedy:
            token = scores.argmax(dim=-1, keepdim=True)
        else:
            token = torch.multinomial(torch.softmax(scores, dim=-1), 1, generator=self._random)
        if self._remembers:
            self._seen = torch.cat([self._seen, token], dim=1)
        return int(token)


def _processors(sampling: Sampling) -> LogitsProcessorList:
    """Return the library's processors in the library's order."""
    steps = LogitsProcessorList()
    if sampling.repetition_penalty != 1.0:
        steps.append(RepetitionPenaltyLogitsProcessor(penalty=sampling.repetition_penalty))
    if sampling.temperature < COLDEST:
        return steps
    if sampling.temperature != 1.0:
        steps.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k > 0:
        steps.append(TopKLogitsWarper(top_k=sampling.top_k))
    if sampling.top_p < 1.0:
        steps.append(TopPLogitsWarper(top_p=sampling.top_p))
    return steps
