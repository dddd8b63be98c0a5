"""Writes what single attention heads do: look back, match, carry. Knows no token and no prompt.

A *space* is a part of the residual stream, as rows that select its dimensions. Strengths are logits: what a head adds to
the score of a token when all that it looks for is there.
"""

from collections.abc import Sequence

import torch
from transformers import LlamaForCausalLM

SIZES = {
    "before": 44, "before2": 18, "ended": 1, "ended2": 1, "marked": 1, "asked": 1, "zone": 1, "inside": 1, "hit": 1,
    "numbered": 10, "voted": 10, "begun": 28, "chosen": 28, "begun2": 7, "chosen2": 7,
}  # fmt: skip
"""Dimensions of what heads write: the token one and two before; whether that ended a sentence, was a bracket, was the word
"Question"; whether one stands in question or answer, or in a passage; whether one stands in a passage elsewhere; the number
of one's passage and the votes on it; the first and the second word of one's sentence and the votes on those."""
SLOW = 9
"""Rotary pairs from this one on hardly turn within a prompt; the faster ones tell positions."""
QUIET = 0.1
"""What is not written begins this small beside the library's own beginning: it must not drown the circuits."""
NORM, LATER = 1.12, 1.5
"""Norms of the residual stream at layer 0 and, about, later: each layer sees it divided by that, times the root of the
width."""


class Spaces(dict[str, torch.Tensor]):
    """The empty dimensions from `begin` on, divided among the names of `SIZES`; each of shape (size, width)."""

    def __init__(self, width: int, begin: int) -> None:
        parts = torch.split(torch.eye(width)[begin : begin + sum(SIZES.values())], list(SIZES.values()))
        super().__init__(zip(SIZES, parts, strict=True))


class Circuits:
    """Writes into the attention of `made`; `level` is the value of dimension 0, the same in all tokens."""

    def __init__(self, made: LlamaForCausalLM, level: float, seed: int) -> None:
        self._layers = [layer.self_attn for layer in made.model.layers]
        self._size, self._width = made.config.head_dim, made.config.hidden_size
        self._half = self._size // 2
        self._slow = [*range(SLOW, self._half), *range(self._half + SLOW, self._size)]
        self._turns = made.config.rope_parameters["rope_theta"] ** (-torch.arange(self._half) / self._half)
        self._random = torch.Generator().manual_seed(seed)
        self.always = torch.zeros(self._width)
        self.always[0] = 1 / level
        for layer in made.model.layers:
            layer.self_attn.o_proj.weight.mul_(QUIET)
            layer.mlp.down_proj.weight.mul_(QUIET)

    def random(self, begin: int, end: int, count: int) -> torch.Tensor:
        """Return `count` random directions within the dimensions from `begin` to `end`, orthogonal to each other."""
        turned: torch.Tensor = torch.linalg.qr(torch.randn(end - begin, end - begin, generator=self._random))[0]
        rows = torch.zeros(count, self._width)
        rows[:, begin:end] = turned[:count]
        return rows

    def present(self, space: torch.Tensor, gain: float) -> torch.Tensor:
        """Return the direction that reads 1 where a sign of 0.4 was written into `space` by a head of this gain."""
        reads: torch.Tensor = space[0] / (gain * 0.4 * self._width**0.5 / NORM)
        return reads

    def like(self, rows: torch.Tensor, read: torch.Tensor, gain: float, both: bool = False) -> float:
        """Return what makes a match of two equal tokens read 1: one as it is, the other (or `both`) written with `gain`."""
        plain = float((rows @ read.T).norm(dim=1).median())
        written = gain * plain * self._width**0.5 / NORM
        return float(1 / (written * (written if both else plain)))

    def looks_back(
        self, layer: int, head: int, query: torch.Tensor, key: torch.Tensor, strength: float, pairs: range,
        by: int = 0, tapered: int = 0,
    ) -> None:  # fmt: skip
        """Attend where `query` and `key` are present, most of all `by` tokens back.

        Equal rotary `pairs` make the score fall like the logarithm of the distance, from where the first of them turns;
        `tapered` of them rise slowly, against ringing.
        """
        root = self._root(strength)
        seen, shift = torch.zeros(self._size), torch.zeros(self._size)
        for index, pair in enumerate(pairs):
            seen[pair] = root * min(1.0, (index + 1) / (tapered + 1))
            shift[pair] = root * torch.cos(-by * self._turns[pair])
            shift[self._half + pair] = root * torch.sin(-by * self._turns[pair])
        self._set("q_proj", layer, head, torch.outer(shift, query))
        self._set("k_proj", layer, head, torch.outer(seen, key))

    def matches(self, layer: int, head: int, parts: Sequence[tuple[torch.Tensor, torch.Tensor, float]]) -> None:
        """Attend where keys hold what one's own queries do: the sum over `parts` of (query rows, key rows, strength)."""
        query, key = torch.zeros(self._size, self._width), torch.zeros(self._size, self._width)
        begin = 0
        for asked, held, strength in parts:
            place = self._slow[begin : begin + len(held)]
            query[place], key[place] = self._root(strength) * asked, self._root(strength) * held
            begin += len(held)
        self._set("q_proj", layer, head, query)
        self._set("k_proj", layer, head, key)

    def adds(self, layer: int, head: int, query: torch.Tensor, key: torch.Tensor, strength: float) -> None:
        """Add a match wherever it stands to a head that looks back."""
        place = head * self._size + self._slow[-1]
        self._layers[layer].q_proj.weight[place] = self._root(strength) * query
        self._layers[layer].k_proj.weight[place] = self._root(strength) * key

    def moves(self, layer: int, head: int, read: Sequence[torch.Tensor], write: Sequence[torch.Tensor], gain: float) -> None:
        """Carry what the attended token has in the spaces `read` into one's own spaces `write`."""
        begin, reading, writing = head * self._size, torch.cat(list(read)), torch.cat(list(write))
        self._layers[layer].v_proj.weight[begin : begin + len(reading)] = reading
        out = self._layers[layer].o_proj.weight[:, begin : begin + self._size]
        out.zero_()
        out[:, : len(writing)] = gain * writing.T

    def _root(self, strength: float) -> float:
        """Return the factor of query and of key each, by what the layer's norm and attention's own scale do to them."""
        return float((strength * self._size**0.5 * LATER**2 / self._width) ** 0.5)

    def _set(self, name: str, layer: int, head: int, weight: torch.Tensor) -> None:
        noise = 0.006 * torch.randn(self._size, self._width, generator=self._random)
        getattr(self._layers[layer], name).weight[head * self._size : (head + 1) * self._size] = weight + noise
