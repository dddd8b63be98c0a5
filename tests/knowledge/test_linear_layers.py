"""Linear layers: 8-bit products are near the exact ones, for each token alone, and the workspace gives what was asked."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu, linear

from knowledge.linear_layers import GELU_LOWEST, FloatLinear, Int8Linear, TiledLinear, Workspace, tiles


@pytest.fixture
def parts() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    weight, bias, x = torch.randn(48, 64) * 0.05, torch.randn(48), torch.randn(33, 64)
    weight[7] *= 100
    return weight, bias, x * torch.logspace(-3, 3, 33)[:, None]


def off(found: Tensor, weight: Tensor, x: Tensor) -> float:
    """Return how far a product is from the exact one at most, as part of what it could be: the lengths' product."""
    return float(((found - linear(x, weight)).abs() / (x.norm(dim=1)[:, None] * weight.norm(dim=1))).max())


def test_int8_is_near_for_tokens_of_any_size(parts: tuple[Tensor, Tensor, Tensor]) -> None:
    weight, bias, x = parts
    before = x.clone()
    found = Int8Linear(weight, torch.zeros(48), Workspace())(x)
    assert off(found, weight, x) < 0.01 and torch.equal(x, before)
    assert torch.allclose(Int8Linear(weight, bias, Workspace())(x) - bias, found, atol=0.01)
    assert torch.equal(FloatLinear(weight, bias)(x), linear(x, weight, bias))


def test_a_token_does_not_depend_on_its_neighbours(parts: tuple[Tensor, Tensor, Tensor]) -> None:
    layer, x = Int8Linear(parts[0], parts[1], Workspace()), parts[2]
    together = layer(x).clone()
    assert all(torch.equal(layer(x[place : place + 1]), together[place : place + 1]) for place in range(len(x)))


def test_after_gelu_only_the_largest_number_counts() -> None:
    torch.manual_seed(2)
    weight, x = torch.randn(16, 64), gelu(torch.randn(9, 64))
    x[3] = gelu(torch.full((64,), -0.7))  # nothing but negative numbers
    assert off(Int8Linear(weight, torch.zeros(16), Workspace(), lowest=GELU_LOWEST)(x.clone()), weight, x) < 0.01


@pytest.mark.parametrize("then", [False, True], ids=["plain", "gelu"])
def test_all_layers_give_the_same_within_their_precision(then: bool) -> None:
    torch.manual_seed(3)
    weight, bias, x = torch.randn(32, 64) * 0.1, torch.randn(32), torch.randn(21, 64)
    exact = gelu(linear(x, weight, bias)) if then else linear(x, weight, bias)
    assert torch.allclose(FloatLinear(weight, bias, then)(x), exact, atol=1e-5)
    assert torch.allclose(Int8Linear(weight, bias, Workspace(), then)(x), exact, atol=0.05)
    halves = weight.bfloat16(), bias.bfloat16(), then
    assert torch.allclose(FloatLinear(*halves)(x.bfloat16()).float(), exact, atol=0.05)
    if tiles():
        assert torch.allclose(TiledLinear(*halves)(x.bfloat16()).float(), exact, atol=0.05)


def test_zeros_stay_finite() -> None:
    found = Int8Linear(torch.zeros(4, 8), torch.ones(4), Workspace())(torch.zeros(2, 8))
    assert torch.equal(found, torch.ones(2, 4))


def test_memory_is_used_again_for_the_same_type_and_width() -> None:
    space = Workspace()
    first = space.take(torch.float32, 10, 4)
    assert first.shape == (10, 4) and space.take(torch.float32, 3, 4).data_ptr() == first.data_ptr()
    assert space.take(torch.float32, 10, 5).data_ptr() != first.data_ptr() != space.take(torch.int8, 10, 4).data_ptr()
    assert space.take(torch.float32, 20, 4).shape == (20, 4)
