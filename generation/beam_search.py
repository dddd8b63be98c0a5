"""Beam search by the library: several continuations at once, and the likeliest whole answer in the end.

Nothing of it can be shown before it is whole. It does not sample: temperature, top-p, top-k and seed play no part.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from generation.base import Sampling


class BeamSearch:
    """A `TokenSource` for `Sampling.num_beams` above 1."""

    def __init__(self, model: Any, ends: frozenset[int]) -> None:
        self._model, self._ends = model, ends

    def tokens(self, prompt: Sequence[int], sampling: Sampling, limit: int, stopped: Callable[[], bool]) -> Iterator[int]:
        """Yield the ids of the likeliest answer; nothing when `stopped` before it was found."""
        if not limit:
            return
        for token in self._search(list(prompt), sampling, limit, stopped):
            if stopped() or token in self._ends:
                return
            yield token

    @torch.inference_mode()
    def _search(self, prompt: list[int], sampling: Sampling, limit: int, stopped: Callable[[], bool]) -> list[int]:
        ids = torch.tensor([prompt], device=self._model.device)
        out = self._model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            generation_config=GenerationConfig(
                num_beams=sampling.num_beams,
                max_new_tokens=limit,
                repetition_penalty=sampling.repetition_penalty,
                no_repeat_ngram_size=sampling.no_repeat_ngram_size,
                eos_token_id=sorted(self._ends) or None,
                pad_token_id=min(self._ends, default=0),
            ),
            stopping_criteria=StoppingCriteriaList([_Stopped(stopped)]),
        )
        found: list[int] = out[0, len(prompt) :].tolist()
        return [] if stopped() else found


class _Stopped(StoppingCriteria):  # type: ignore[misc]  # the library has no types
    """Ends the search between two tokens."""

    def __init__(self, stopped: Callable[[], bool]) -> None:
        self._stopped = stopped

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        return torch.full((input_ids.shape[0],), self._stopped(), dtype=torch.bool, device=input_ids.device)
