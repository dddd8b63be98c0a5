"""The forward pass of a BERT encoder in torch (Devlin et al., 2018), for many texts at once, packed: nothing is filled up.

The tokens of all texts go through the linear layers as one matrix, each text through attention alone, so that a text's
vector does not depend on its neighbours. How text becomes tokens, it does not know.

The layers are of 8-bit integers where the CPU multiplies them natively (AVX512-VNNI, AVX-VNNI) and has no AMX, whose
bfloat16 is then faster; else of bfloat16 or float32. With all-MiniLM-L6-v2 on AMD EPYC (VNNI) the cosine to float32 is
0.9975 on the mean of 1,568 passages and 0.994 at least: near enough for vectors of both to be compared. Texts of a few
words come down to 0.98: they are for `exact`.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional

from knowledge.bert_folder import TABLE, WEIGHTS, BertShape, tensors
from knowledge.linear_layers import GELU_LOWEST, FloatLinear, Int8Linear, Linear, TiledLinear, Workspace, tiles

Precision = Literal["int8", "bfloat16", "float32"]

_PROJECTIONS = ("query", "key", "value")

SMALLEST, GREATEST = 1e-20, 1e30
"""Sums of exponentials between which bfloat16 holds every weight that counts."""


def fastest() -> Precision:
    """Return what this CPU computes the fastest."""
    able = torch.cpu.get_capabilities()
    vnni = able.get("avx512_vnni") or able.get("avx_vnni")
    multiplies = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    return "int8" if vnni and multiplies and not able.get("amx_bf16") else exact()


def exact() -> Precision:
    """Return what this CPU computes the fastest with a cosine to float32 of 0.999 for any text."""
    able = torch.cpu.get_capabilities()
    return "bfloat16" if able.get("amx_bf16") or able.get("avx512_bf16") else "float32"


FEW, MANY = 16, 64
"""In bfloat16 rows are filled up to a multiple of this, up to so many or above: oneDNN makes itself new code for each number
of rows, which takes three times as long as a product of a thousand (AMX: 14 instead of 18 CPU s for 268,000 tokens)."""


class PackedBert:
    """The weights of an encoder; one thread at a time may call `vectors`, any number unless it is of 8-bit integers."""

    def __init__(self, shape: BertShape, precision: Precision) -> None:
        """Read the weights; raises `OSError` or `SafetensorError`."""
        self._shape = shape
        with safe_open(shape.folder / WEIGHTS, framework="pt") as file:
            weights = {name: file.get_tensor(name).float() for name, _ in tensors(shape)}
        parts = _Parts(weights, precision, shape.epsilon)
        self._words = parts.numbers(TABLE)
        kind = weights["embeddings.token_type_embeddings.weight"][0]
        self._places = (weights["embeddings.position_embeddings.weight"] + kind).to(self._words.dtype)
        self._first = parts.norm("embeddings.LayerNorm")
        self._layers = [_Layer(parts, f"encoder.layer.{number}.", shape.heads) for number in range(shape.layers)]

    def vectors(self, texts: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """Return the mean of each text's last hidden states, shape (texts, width); the tokens of a text: 1 to `positions`."""
        lengths = [len(text) for text in texts]
        tokens = [token for text in texts for token in text]
        count = len(tokens)
        with torch.inference_mode():
            x = functional.embedding(torch.tensor(tokens + [0] * (self._rows(count) - count)), self._words)
            x[:count] += torch.cat([self._places[:length] for length in lengths])
            x = self._first(x)
            for layer in self._layers:
                x = layer(x, lengths)
            parts = torch.split(x[:count], lengths)
            means: npt.NDArray[np.float32] = torch.stack([part.mean(dim=0) for part in parts]).float().numpy()
        return means

    def _rows(self, count: int) -> int:
        """Return how many rows so many tokens are computed in."""
        if self._words.dtype != torch.bfloat16:
            return count
        step = FEW if count <= MANY else MANY
        return -(-count // step) * step


class _Parts:
    """Makes the parts of an encoder of its weights, by their names there."""

    def __init__(self, weights: dict[str, Tensor], precision: Precision, epsilon: float) -> None:
        self._weights = weights
        self._exact = torch.bfloat16 if precision == "bfloat16" else torch.float32
        self._workspace = Workspace() if precision == "int8" else None
        self._epsilon = epsilon
        # A CPU with 8-bit products need not have bfloat16 (Intel's Cascade Lake and Ice Lake), which is slow then.
        beside = exact() if precision == "int8" else precision
        self.attention = torch.bfloat16 if beside == "bfloat16" else torch.float32

    def numbers(self, name: str) -> Tensor:
        return self._weights[name].to(self._exact)

    def projection(self, name: str, heads: int) -> Linear:
        """Return query, key and value as one layer, the query divided by the root of a head's width."""
        weights, biases = ([self._weights[f"{name}{part}.{kind}"] for part in _PROJECTIONS] for kind in ("weight", "bias"))
        root = (len(biases[0]) // heads) ** 0.5
        return self._layer(torch.cat([weights[0] / root, *weights[1:]]), torch.cat([biases[0] / root, *biases[1:]]))

    def linear(self, name: str, gelu: bool = False, lowest: float | None = None) -> Linear:
        return self._layer(self._weights[f"{name}.weight"], self._weights[f"{name}.bias"], gelu, lowest)

    def _layer(self, weight: Tensor, bias: Tensor, gelu: bool = False, lowest: float | None = None) -> Linear:
        if self._workspace is not None:
            return Int8Linear(weight, bias, self._workspace, gelu, lowest)
        kind = TiledLinear if self._exact == torch.bfloat16 and tiles() else FloatLinear
        return kind(weight.to(self._exact), bias.to(self._exact), gelu)

    def norm(self, name: str) -> Callable[[Tensor], Tensor]:
        weight, bias, epsilon = self.numbers(f"{name}.weight"), self.numbers(f"{name}.bias"), self._epsilon
        return lambda x: functional.layer_norm(x, weight.shape, weight, bias, epsilon)


class _Layer:
    """Attention, then two linear layers with GELU between; each added to what came in, and normalised."""

    def __init__(self, parts: _Parts, name: str, heads: int) -> None:
        self._heads = heads
        self._type = parts.attention
        self._project = parts.projection(f"{name}attention.self.", heads)
        self._output = parts.linear(f"{name}attention.output.dense")
        self._attended = parts.norm(f"{name}attention.output.LayerNorm")
        self._up = parts.linear(f"{name}intermediate.dense", gelu=True)
        self._down = parts.linear(f"{name}output.dense", lowest=GELU_LOWEST)
        self._done = parts.norm(f"{name}output.LayerNorm")

    def __call__(self, x: Tensor, lengths: list[int]) -> Tensor:
        projected, found = self._project(x).to(self._type), torch.empty_like(x)
        count = sum(lengths)
        found[count:] = 0
        parts, places = torch.split(projected[:count], lengths), torch.split(found[:count], lengths)
        for part, into, length in zip(parts, places, lengths, strict=True):
            query, key, value = part.view(length, 3, self._heads, -1).permute(1, 2, 0, 3).contiguous()  # multiplies faster
            into.view(length, self._heads, -1).copy_(attend(query, key, value).transpose(0, 1))
        x = self._attended(self._output(found).add_(x))
        return self._done(self._down(self._up(x)).add_(x))


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return softmax(Q K^T) V of one text, each of shape (heads, tokens, d); Q is divided by sqrt(d) already.

    In bfloat16 without looking for the largest score of each token first, which would take as long as a product: scores
    are mostly small, and where one is not, its sum tells.
    """
    if query.dtype == torch.bfloat16:
        weights = torch.bmm(query, key.transpose(1, 2)).exp_()
        sums = weights.sum(dim=-1, keepdim=True)
        least, most = torch.aminmax(sums)
        if float(least) > SMALLEST and float(most) < GREATEST:
            return torch.bmm(weights, value).div_(sums)
    scores = torch.bmm(query, key.transpose(1, 2)).float()
    return torch.bmm(torch.softmax(scores, dim=-1).to(value.dtype), value)
