"""One answer, token by token, on the model's forward pass: prefill, cache, logits, choice. Knows no text and no thread.

For models whose rows cannot share a forward pass (`generation.ragged_forward`), and the reference for those that can.
Our own loop and not the library's `generate`: a request's seed must be its own (the library draws from the process's
one random stream), and a request must stop between any two tokens. Greedy, it gives token for token what
`generate(do_sample=False)` gives.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from transformers import DynamicCache

from generation.base import Sampling
from generation.choice import Choice

PREFILL_CHUNK = 512
"""Prompt tokens between two looks at the stop flag; also bounds the memory of a long prefill."""


class Decoder:
    """Generates with one model; holds no state of a request, so that any number can run in threads."""

    def __init__(self, model: Any, end_ids: frozenset[int]) -> None:
        self._model, self._end_ids = model, end_ids
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
        choose = Choice(sampling, prompt, ids.device)
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
            token = choose(logits[0])
            if token in self._end_ids:
                return
            yield token
            if made + 1 < limit and not stopped():
                logits, cache = self._forward(torch.tensor([[token]], device=ids.device), cache)

    @torch.inference_mode()
    def _forward(self, ids: torch.Tensor, cache: Any) -> tuple[torch.Tensor, Any]:
        """Return the logits of the last position, shape (1, vocabulary), and the grown cache."""
        memory = {self._cache_name: cache, "use_cache": True}
        out = self._model(input_ids=ids, **memory, **self._only_last)
        return out.logits[:, -1].clone(), out[self._cache_name]
