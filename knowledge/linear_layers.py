"""Linear layers on a CPU: in the numbers a model comes in, or in 8-bit integers. What they are part of, they do not know."""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

LARGEST = 127
USUAL = 1024
"""Tokens at once for which the weights are laid out; with any other number the products are the same."""
GELU_LOWEST = 0.17
"""GELU gives nothing below -0.17."""


class Workspace:
    """Memory that is used again and again, for one thread at a time: taking it from the system costs as much as the work."""

    def __init__(self) -> None:
        self._kept: dict[tuple[torch.dtype, int], Tensor] = {}

    def take(self, dtype: torch.dtype, rows: int, columns: int) -> Tensor:
        """Return an array with anything in it, which lasts until one of this type and width is taken again."""
        kept = self._kept.get((dtype, columns))
        if kept is None or len(kept) < rows:
            kept = self._kept[dtype, columns] = torch.empty((rows, columns), dtype=dtype)
        return kept[:rows]


class Linear(Protocol):
    """y = x W^T + b, or GELU of it; x of shape (tokens, width in), y (tokens, width out). The caller may overwrite y."""

    def __call__(self, x: Tensor) -> Tensor:
        """Return y."""


class FloatLinear:
    """A layer in the floating-point type of its weights."""

    def __init__(self, weight: Tensor, bias: Tensor, gelu: bool = False) -> None:
        self._weight, self._bias = weight.contiguous(), bias
        self._gelu = gelu

    def __call__(self, x: Tensor) -> Tensor:
        """Return y."""
        y = functional.linear(x, self._weight, self._bias)
        return torch.ops.aten.gelu_(y) if self._gelu else y


class TiledLinear:
    """A bfloat16 layer whose weights lie as oneDNN multiplies them, instead of being laid out so for each product."""

    def __init__(self, weight: Tensor, bias: Tensor, gelu: bool = False) -> None:
        self._weight, self._bias = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), USUAL), bias
        self._then: tuple[str, list[float], str] = ("gelu", [], "none") if gelu else ("none", [], "")

    def __call__(self, x: Tensor) -> Tensor:
        """Return y."""
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, *self._then)
        return y


def tiles() -> bool:
    """Return whether `TiledLinear` computes here."""
    return bool(torch.backends.mkldnn.is_available()) and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # type: ignore[no-untyped-call]


class Int8Linear:
    """A layer whose products are of 8-bit integers, summed in 32 bits; x and y are float32.

    Each token is scaled by its own largest number as it comes (dynamic, symmetric), each row of W once: nothing has to be
    calibrated, and a token's result does not depend on its neighbours. y lies in the workspace. `lowest`, where no number
    of x is below -lowest, spares looking at signs; x is then overwritten.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor, workspace: Workspace, gelu: bool = False, lowest: float | None = None
    ) -> None:
        self._scale = weight.abs().amax(dim=1).clamp_(min=torch.finfo(torch.float32).tiny) / LARGEST
        self._weight = (weight / self._scale[:, None]).round().to(torch.int8).t()
        self._bias = bias.float()
        self._workspace = workspace
        self._gelu = gelu
        self._lowest = lowest

    def __call__(self, x: Tensor) -> Tensor:
        """Return y."""
        whole, scale = self._whole(x)
        tokens, width = len(x), self._weight.shape[1]
        sums = self._workspace.take(torch.int32, tokens, width)
        torch._int_mm(whole, self._weight, out=sums)
        y = self._workspace.take(torch.float32, tokens, width)
        y.copy_(sums).mul_(scale)
        torch.addcmul(self._bias, y, self._scale, out=y)
        return torch.ops.aten.gelu_(y) if self._gelu else y

    def _whole(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return x as integers, and by what each token is to be multiplied to get it back."""
        if self._lowest is None:
            y = torch.abs(x, out=self._workspace.take(torch.float32, *x.shape))
            most = y.amax(dim=1, keepdim=True).clamp_(min=torch.finfo(torch.float32).tiny)
        else:
            y = x
            most = y.amax(dim=1, keepdim=True).clamp_(min=self._lowest)
        torch.mul(x, LARGEST / most, out=y).round_()
        whole = self._workspace.take(torch.int8, *x.shape)
        return whole.copy_(y), most.div_(LARGEST)
