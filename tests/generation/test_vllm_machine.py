"""What is said of a machine that vLLM cannot serve on; needs no vLLM and no GPU."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from generation.base import ModelUnusable
from generation.machine import GIB, Gpu
from generation.settings import GenerationSettings
from generation.vllm_backend import VllmBackend
from generation.vllm_machine import check_cpu, check_gpus, runs_on_cpu, weight_bytes

H100 = Gpu("H100", 79 * GIB, 80 * GIB)
BUSY = Gpu("H100", 40 * GIB, 80 * GIB)


def settings(**values: Any) -> GenerationSettings:
    return GenerationSettings.model_validate(values)


@pytest.mark.skipif(find_spec("vllm") is not None, reason="says what is said where there is no vLLM")
def test_without_vllm_the_start_says_so(tiny_llama: Path) -> None:
    with pytest.raises(ModelUnusable, match=r"needs vLLM, which is not installed in .*\. Install it"):
        runs_on_cpu()
    with pytest.raises(ModelUnusable, match="not installed"):
        VllmBackend(settings(backend="vllm", model_path=str(tiny_llama))).check()


def test_a_build_for_gpus_without_a_gpu() -> None:
    with pytest.raises(ModelUnusable, match="torch finds none"):
        check_gpus(settings(), [], 0)


@pytest.mark.parametrize(("tensor", "pipeline"), [(3, 1), (1, 3), (2, 2)])
def test_more_shards_than_gpus(tensor: int, pipeline: int) -> None:
    values = settings(tensor_parallel_size=tensor, pipeline_parallel_size=pipeline)
    with pytest.raises(ModelUnusable, match=f"needs {tensor * pipeline} GPUs, and this machine has 2"):
        check_gpus(values, [H100, H100], 0)


def test_a_model_that_no_gpu_can_hold() -> None:
    with pytest.raises(ModelUnusable, match=r"too small: the weights take 130.0 GiB of each GPU, and vLLM may take 73.6"):
        check_gpus(settings(), [H100], 130 * GIB)
    check_gpus(settings(tensor_parallel_size=2), [H100, H100], 130 * GIB)


def test_a_gpu_that_somebody_else_uses() -> None:
    with pytest.raises(ModelUnusable, match=r"GPU 1 \(H100\) has 40.0 of 80.0 GiB free.*--gpu-memory-utilization=0.48"):
        check_gpus(settings(tensor_parallel_size=2), [H100, BUSY], 14 * GIB)
    check_gpus(settings(), [H100, BUSY], 14 * GIB)
    check_gpus(settings(gpu_memory_utilization=0.48), [BUSY], 14 * GIB)


def test_more_shards_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("ctypes.CDLL", lambda name: None)
    check_cpu(settings(tensor_parallel_size=2))
    with pytest.raises(ModelUnusable, match="makes 4 shards, and this machine has 2 cores"):
        check_cpu(settings(tensor_parallel_size=2, pipeline_parallel_size=2))


def test_a_cpu_without_the_library_that_vllm_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("ctypes.CDLL", absent)
    with pytest.raises(ModelUnusable, match="apt-get install libnuma1"):
        check_cpu(settings())


def test_weights_are_counted_as_they_will_be_loaded(llama_copy: Path) -> None:
    stored = (llama_copy / "model.safetensors").stat().st_size
    assert weight_bytes(llama_copy, settings()) == stored // 2
    assert weight_bytes(llama_copy, settings(precision="fp32")) == stored
    assert weight_bytes(llama_copy, settings(quantization="fp8")) is None
    config = json.loads((llama_copy / "config.json").read_text())
    config.pop("torch_dtype", None)
    (llama_copy / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16"}))
    assert weight_bytes(llama_copy, settings()) == stored
