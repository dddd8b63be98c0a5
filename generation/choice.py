"""Chooses the next token of one request from its logits: its penalty, its temperature, its own random stream.

The distribution is that of the library's processors in the library's order (penalties, temperature, top-k, top-p), at a
fraction of their cost: with a `top_k`, only so many values are ever sorted. Knows no model and no batch.
"""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from generation.base import Sampling

COLDEST = 1e-4
"""Below this temperature the division overflows float32 and the choice is greedy in any case."""

USUALLY_ENOUGH = 256
"""Tokens among which top-p looks first; sorting a whole vocabulary takes 2 ms."""


class Choice:
    """The choices of one request, in the order of its tokens."""

    def __init__(self, sampling: Sampling, prompt: Sequence[int], device: torch.device) -> None:
        self._sampling = sampling
        self._penalty = sampling.repetition_penalty
        self._seen = torch.tensor(sorted(set(prompt)), device=device) if self._penalty != 1.0 else None
        self._counted = bool(sampling.presence_penalty or sampling.frequency_penalty)
        self._made: Counter[int] = Counter()
        self._greedy = sampling.temperature < COLDEST
        self._random = torch.Generator()
        if sampling.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(sampling.seed % 2**63)

    @property
    def is_largest(self) -> bool:
        """Whether the choice is simply the largest logit, so that it can be made for many rows at once."""
        return self._greedy and self._seen is None and not self._counted

    @torch.inference_mode()
    def __call__(self, logits: Tensor) -> int:
        """Return the id chosen from `logits`, shape (vocabulary,)."""
        if self.is_largest:
            return int(logits.argmax())
        scores = self._reduced(self._penalised(logits.to(torch.float32)))
        token = int(scores.argmax()) if self._greedy else self._drawn(scores / self._sampling.temperature)
        if self._seen is not None:
            self._seen = torch.unique(torch.cat([self._seen, self._seen.new_tensor([token])]))
        if self._counted:
            self._made[token] += 1
        return token

    def _penalised(self, scores: Tensor) -> Tensor:
        """Divide what is positive and multiply what is negative of the tokens seen (Keskar et al. 2019, CTRL)."""
        if self._seen is None:
            return scores
        seen = scores[self._seen]
        return scores.index_copy(0, self._seen, torch.where(seen < 0, seen * self._penalty, seen / self._penalty))

    def _reduced(self, scores: Tensor) -> Tensor:
        """Take from each token of the answer so far its presence and frequency penalties (OpenAI's API reference)."""
        if not self._made:
            return scores
        ids = torch.tensor(list(self._made), device=scores.device)
        counts = torch.tensor(list(self._made.values()), device=scores.device, dtype=scores.dtype)
        reduced = scores[ids] - self._sampling.presence_penalty - self._sampling.frequency_penalty * counts
        return scores.index_copy(0, ids, reduced)

    def _drawn(self, scores: Tensor) -> int:
        top_k, top_p = self._sampling.top_k, self._sampling.top_p
        ids = None
        if top_k > 0:
            scores, ids = scores.topk(min(top_k, len(scores)))
        likely = torch.softmax(scores, dim=-1)
        if ids is None and top_p < 1.0:
            likely, ids = _most_likely(likely, top_p)
        # On the CPU in float64, so that the sum of a large vocabulary is exact enough, on every device the same.
        reached = likely.cpu().to(torch.float64).cumsum(0)
        if top_p < 1.0:
            reached = reached[: int((reached < top_p).sum()) + 1]
        place = torch.searchsorted(
            reached, torch.rand(1, generator=self._random, dtype=torch.float64) * reached[-1], right=True
        )
        chosen = min(int(place), len(reached) - 1)
        return chosen if ids is None else int(ids[chosen])


def _most_likely(likely: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """Return the largest probabilities that together reach `top_p`, and more, in falling order, and their ids."""
    values, ids = likely.topk(min(USUALLY_ENOUGH, len(likely)))
    if float(values.sum()) < top_p:
        values, ids = likely.sort(descending=True)
    return values, ids
