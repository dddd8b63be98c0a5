"""Attention for rows of several requests laid end to end: a token sees its own row's past and nothing else.

Registered with transformers as NAME, where a model that takes any attention function finds it. Without `rows` (the
library's `generate`, a plain forward pass) it is the library's own attention. Knows no request and no budget.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from generation.key_values import KeyValues

NAME = "ragged"


class Stretch:
    """What one row reads in one forward pass: `size` tokens behind the `start` that are in its memory."""

    def __init__(self, memory: KeyValues, start: int, size: int) -> None:
        self.memory, self.start, self.size = memory, start, size
        self._masks: dict[tuple[int | None, int], Tensor | None] = {}

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float | None) -> Tensor:
        """Remember `key` and `value`, (1, heads, size, *), and return the attention of `query`, (1, size, heads, *)."""
        form = self.memory.form.layers[layer]
        keys, values = self.memory.keys[layer], self.memory.values[layer]
        keys.narrow(1, self.start, self.size).copy_(key[0])
        values.narrow(1, self.start, self.size).copy_(value[0])
        first = 0 if form.window is None else max(0, self.start - form.window + 1)
        seen = self.start + self.size - first
        # Query heads that share a key head become further queries of it: nothing is repeated in memory.
        groups = query.shape[1] // form.heads
        folded = query.reshape(1, form.heads, groups * self.size, query.shape[3])
        out = F.scaled_dot_product_attention(
            folded,
            keys.narrow(1, first, seen).unsqueeze(0),
            values.narrow(1, first, seen).unsqueeze(0),
            attn_mask=self._mask(form.window, groups, first),
            scale=scaling,
        )
        return out.reshape(1, form.heads * groups, self.size, form.value_size).transpose(1, 2)

    def _mask(self, window: int | None, groups: int, first: int) -> Tensor | None:
        """Return what to add to the scores, (groups * size, seen); None for one token, which sees all there is."""
        if self.size == 1:
            return None
        if (window, groups) not in self._masks:
            self._masks[window, groups] = self._made_mask(window, groups, first)
        return self._masks[window, groups]

    def _made_mask(self, window: int | None, groups: int, first: int) -> Tensor:
        form = self.memory.form
        end = self.start + self.size
        behind = torch.arange(self.start, end, device=form.device)[:, None] - torch.arange(first, end, device=form.device)
        hidden = behind < 0 if window is None else (behind < 0) | (behind >= window)
        mask = torch.zeros(hidden.shape, dtype=form.dtype, device=form.device).masked_fill_(hidden, float("-inf"))
        return mask.repeat(groups, 1)


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    rows: Sequence[Stretch] | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Compute attention as transformers asks for it: (1, heads, tokens, size) to (1, tokens, heads, size)."""
    if rows is None:
        plain: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **options
        )
        return plain
    if options.get("position_bias") is not None:
        raise NotImplementedError("attention with learned biases of positions")
    sizes = [row.size for row in rows]
    count = sum(sizes)  # what lies behind fills up, and belongs to no row
    whole = query.to(rows[0].memory.form.dtype), key, value
    queries, keys, values = (torch.split(part[:, :, :count], sizes, dim=2) for part in whole)
    parts = zip(rows, queries, keys, values, strict=True)
    out = [row.attend(module.layer_idx, its_query, its_key, its_value, scaling) for row, its_query, its_key, its_value in parts]
    if count < query.shape[2]:
        out.append(out[0].new_zeros(1, query.shape[2] - count, *out[0].shape[2:]))
    return torch.cat(out, dim=1).to(query.dtype), None


def register() -> None:
    """Make NAME known to transformers; doing it again changes nothing."""
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
