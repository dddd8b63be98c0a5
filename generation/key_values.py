"""The keys and values of one row of a batch, and the form they have in one model. Knows no budget and no request."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

BLOCK = 64
"""Tokens by which the memory of a row grows; growing copies the row, so it must not be one."""


@dataclass(frozen=True, slots=True)
class LayerForm:
    """Heads of keys and values in one layer, their sizes, and how many tokens back it looks (None: all)."""

    heads: int
    key_size: int
    value_size: int
    window: int | None


@dataclass(frozen=True, slots=True)
class Form:
    """What one token takes in a model's memory."""

    layers: tuple[LayerForm, ...]
    dtype: torch.dtype
    device: torch.device

    @property
    def token_bytes(self) -> int:
        """Bytes of one token in all layers."""
        return sum(layer.heads * (layer.key_size + layer.value_size) for layer in self.layers) * self.dtype.itemsize


def form_of(cache: Any, weights: torch.dtype, device: torch.device) -> Form | None:
    """Return the form of the model that filled `cache`; None if it keeps anything but plain keys and values.

    On a CPU keys and values are float32 whatever the weights are: torch's attention over 1,000 tokens of bfloat16 takes
    eight times as long there, because it converts them again at every step.
    """
    if not isinstance(cache, DynamicCache) or not all(_is_plain(layer) for layer in cache.layers):
        return None
    layers = tuple(
        LayerForm(layer.keys.shape[1], layer.keys.shape[3], layer.values.shape[3], getattr(layer, "sliding_window", None))
        for layer in cache.layers
    )
    return Form(layers, torch.float32 if device.type == "cpu" else weights, device)


def _is_plain(layer: Any) -> bool:
    return type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) and layer.is_initialized


class KeyValues:
    """Memory for `capacity` tokens of one row: `keys[layer]`, `values[layer]`, shape (heads, capacity, size)."""

    def __init__(self, form: Form, tokens: int) -> None:
        self.form, self.capacity = form, rounded(tokens)
        self.keys = [self._empty(layer.heads, layer.key_size) for layer in form.layers]
        self.values = [self._empty(layer.heads, layer.value_size) for layer in form.layers]

    def copied(self, tokens: int, capacity: int) -> "KeyValues":
        """Return memory of its own for `capacity` tokens that begins with the first `tokens` of this."""
        copy = KeyValues(self.form, capacity)
        for mine, its in zip((*self.keys, *self.values), (*copy.keys, *copy.values), strict=True):
            its[:, :tokens].copy_(mine[:, :tokens])
        return copy

    def _empty(self, heads: int, size: int) -> Tensor:
        return torch.empty(heads, self.capacity, size, dtype=self.form.dtype, device=self.form.device)


def rounded(tokens: int) -> int:
    """Return the capacity that `tokens` need: whole blocks."""
    return -(-tokens // BLOCK) * BLOCK
