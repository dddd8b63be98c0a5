"""What a model takes is told from its headers, and whether it fits beside the present one or instead of it."""

from pathlib import Path

import pytest

from generation import memory_estimate
from generation.base import ModelUnusable
from generation.machine import Accelerators, Gpu, weight_bytes
from generation.memory_estimate import SPARE, Estimate, estimate, with_model
from generation.settings import GenerationSettings
from tests.tiny_llama import make_tiny_llama

CPU = Accelerators(None, "cpu", "float32", ())


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("estimate") / "llama")


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_estimate, "accelerators", lambda: CPU)
    monkeypatch.setattr(memory_estimate, "memory", lambda: (10**9, 2 * 10**9))


def test_the_numbers(llama: Path) -> None:
    present = GenerationSettings(model_path=str(llama))
    found = estimate(present, with_model(present, str(llama)))
    weights = weight_bytes(llama, "float32")
    assert found == Estimate(int(weights * SPARE), 10**9, int(weights * SPARE))
    assert found.beside and found.instead


def test_half_the_precision_is_half_the_memory(llama: Path) -> None:
    none, half = GenerationSettings(), GenerationSettings(model_path=str(llama), precision="bf16")
    assert estimate(none, half).needed == estimate(none, half.model_copy(update={"precision": None})).needed // 2


def test_on_a_gpu_its_memory_counts(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_estimate, "accelerators", lambda: Accelerators("13.0", "cuda", "bfloat16", (Gpu("H", 7, 100),)))
    assert estimate(GenerationSettings(), GenerationSettings(model_path=str(llama))).free == 7


@pytest.mark.parametrize(
    ("found", "beside", "instead"),
    [
        (Estimate(10, 10, 0), True, True),
        (Estimate(10, 9, 1), False, True),
        (Estimate(10, 9, 0), False, False),
        (Estimate(10, None, 0), False, True),
    ],
)
def test_beside_instead_or_not_at_all(found: Estimate, beside: bool, instead: bool) -> None:
    assert (found.beside, found.instead) == (beside, instead)


def test_a_model_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match="does not exist"):
        estimate(GenerationSettings(), GenerationSettings(model_path=str(tmp_path / "nothing")))
    with pytest.raises(ModelUnusable, match=r"config\.json"):
        estimate(GenerationSettings(), GenerationSettings(model_path=str(tmp_path)))


def test_a_present_model_whose_folder_has_gone(llama: Path) -> None:
    present = GenerationSettings(model_path="/not/there")
    assert estimate(present, with_model(present, str(llama))).freed == 0


def test_names_of_the_old_model_do_not_go_with_the_new_one() -> None:
    present = GenerationSettings(backend="echo", model_path="old", served_model_name=("name",), model_type="qwen")
    wanted = with_model(present, "new")
    assert (wanted.model_path, wanted.served_model_name, wanted.model_type, wanted.backend) == ("new", (), None, "echo")


def test_what_loads_nothing_here_takes_nothing() -> None:
    echo = GenerationSettings(backend="echo")
    assert estimate(echo, with_model(echo, "new")) == Estimate(0, 0, 0)
