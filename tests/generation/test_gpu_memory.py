"""Memory of GPUs is told where an engine uses them, and asking brings no library with it."""

import sys
from types import ModuleType

import pytest

from generation.gpu_memory import GpuMemory, gpu_memory


class Cuda:
    """What is asked of `torch.cuda`."""

    def __init__(self, initialized: bool) -> None:
        self.initialized = initialized

    def is_initialized(self) -> bool:
        return self.initialized

    def device_count(self) -> int:
        return 2

    def mem_get_info(self, index: int) -> tuple[int, int]:
        assert self.initialized, "this would take memory"
        return 30 + index, 100


def with_torch(monkeypatch: pytest.MonkeyPatch, **attributes: object) -> None:
    torch = ModuleType("torch")
    torch.__dict__.update(attributes)
    monkeypatch.setitem(sys.modules, "torch", torch)


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert gpu_memory() == []
    assert "torch" not in sys.modules


def test_while_torch_is_being_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    with_torch(monkeypatch)
    assert gpu_memory() == []


def test_before_and_after_an_engine_uses_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    with_torch(monkeypatch, cuda=Cuda(False))
    assert gpu_memory() == []
    with_torch(monkeypatch, cuda=Cuda(True))
    assert gpu_memory() == [GpuMemory(0, 70, 100), GpuMemory(1, 69, 100)]
