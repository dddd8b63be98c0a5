"""Linear layers on a CPU: in the numbers a model comes in, or in 8-bit integers. What they are part of, they do not know."""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

LARGEST = 127
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
    """y = x W^T + b; x of shape (tokens, width in), y (tokens, width out). The caller may overwrite y."""

    def __call__(self, x: Tensor) -> Tensor:
        """Return y."""


class FloatLinear:
    """A layer in the floating-point type of its weights."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._weight, self._bias = weight.contiguous(), bias

    def __call__(self, x: Tensor) -> Tensor:
        """Return y."""
        return functional.linear(x, self._weight, self._bias)


class Int8Linear:
    """A layer whose products are of 8-bit integers, summed in 32 bits; x and y are float32.

    Each token is scaled by its own largest number as it comes (dynamic, symmetric), each row of W once: nothing has to be
    calibrated, and a token's result does not depend on its neighbours. y lies in the workspace. `lowest`, where no number
    of x is below -lowest, spares looking at signs; x is then overwritten.
    """

    def __init__(self, weight: Tensor, bias: Tensor, workspace: Workspace, lowest: float | None = None) -> None:
        self._scale = weight.abs().amax(dim=1).clamp_(min=torch.finfo(torch.float32).tiny) / LARGEST
        self._weight = (weight / self._scale[:, None]).round().to(torch.int8).t()
        self._bias = bias.float()
        self._workspace = workspace
        self._lowest = lowest

    def __call__(self, x: Tensor) -> Tensor:
        """Return y."""
        whole, scale = self._whole(x)
        tokens, width = len(x), self._weight.shape[1]
        sums = self._workspace.take(torch.int32, tokens, width)
        torch._int_mm(whole, self._weight, out=sums)
        y = self._workspace.take(torch.float32, tokens, width)
        y.copy_(sums).mul_(scale)
        return torch.addcmul(self._bias, y, self._scale, out=y)

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
