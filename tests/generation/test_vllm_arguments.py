"""From settings to vLLM's arguments, and what is refused before vLLM is imported; needs no vLLM."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from generation.base import ModelUnusable
from generation.settings import GenerationSettings
from generation.vllm_arguments import CPU_KV_BYTES, arguments, served_adapter

KNOWN = {
    "max_num_batched_tokens": "int | None",
    "enforce_eager": "bool",
    "cpu_offload_gb": "float",
    "kv_cache_dtype": "CacheDType",
    "seed": "int",
    "distributed_executor_backend": "str | DistributedExecutorBackend | type[Executor] | None",
    "compilation_config": "CompilationConfig",
    "master_addr": "str",
}
Adapter = Callable[..., Path]


def made(on_cpu: bool = False, **values: Any) -> dict[str, Any]:
    return arguments(GenerationSettings.model_validate(values), KNOWN, on_cpu)


@pytest.fixture
def adapter(tmp_path: Path) -> Adapter:
    """Return a function that makes a LoRA adapter's folder."""

    def make(name: str = "kind", rank: Any = 8) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "adapter_config.json").write_text(json.dumps({"r": rank, "peft_type": "LORA"}))
        save_file({"a": torch.zeros(1)}, folder / "adapter_model.safetensors")
        return folder

    return make


def test_each_setting_becomes_its_argument() -> None:
    found = made(
        precision="bf16",
        max_concurrent=64,
        tensor_parallel_size=2,
        pipeline_parallel_size=3,
        gpu_memory_utilization=0.5,
        max_model_len=1000,
        quantization="fp8",
        speculative_tokens=5,
    )
    assert found["dtype"] == "bfloat16"
    assert (found["max_num_seqs"], found["tensor_parallel_size"], found["pipeline_parallel_size"]) == (64, 2, 3)
    assert (found["gpu_memory_utilization"], found["max_model_len"], found["quantization"]) == (0.5, 1000, "fp8")
    assert found["enable_prefix_caching"] is True
    assert found["speculative_config"]["method"] == "ngram"
    assert found["speculative_config"]["num_speculative_tokens"] == 5


def test_what_is_not_set_is_left_to_vllm() -> None:
    found = made()
    assert found["dtype"] == "auto"
    for name in ("gpu_memory_utilization", "max_model_len", "quantization", "speculative_config", "enable_lora"):
        assert name not in found


def test_on_a_cpu_vllm_does_not_take_all_memory() -> None:
    assert made(on_cpu=True)["kv_cache_memory_bytes"] == CPU_KV_BYTES
    assert "kv_cache_memory_bytes" not in made(on_cpu=True, gpu_memory_utilization=0.3)
    assert "kv_cache_memory_bytes" not in made()


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ("max_num_batched_tokens=256", "max_num_batched_tokens", 256),
        ("--max-num-batched-tokens=256", "max_num_batched_tokens", 256),
        ("max_num_batched_tokens=None", "max_num_batched_tokens", None),
        ("enforce_eager=True", "enforce_eager", True),
        ("cpu_offload_gb=4", "cpu_offload_gb", 4),
        ("kv_cache_dtype=fp8", "kv_cache_dtype", "fp8"),
        ("distributed_executor_backend=ray", "distributed_executor_backend", "ray"),
        ("master_addr=10", "master_addr", "10"),
        ('compilation_config={"mode": 3}', "compilation_config", {"mode": 3}),
        ("kv_cache_dtype=a=b", "kv_cache_dtype", "a=b"),
    ],
)
def test_a_further_argument_has_its_kind(given: str, name: str, value: Any) -> None:
    found = made(engine_arg=(given,))[name]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("enforce_eger=true", "no such argument; did you mean enforce_eager"),
        ("zzz=1", "--engine-arg zzz: the installed vLLM has no such argument."),
        ("max_num_batched_tokens=many", r"must be int or None \(got 'many'\)"),
        ("max_num_batched_tokens=true", "must be int or None"),
        ("enforce_eager=2", "must be bool"),
        ("tensor-parallel-size=2", "a flag for it, --tensor-parallel-size"),
        ("max_num_seqs=2", "--max-concurrent"),
        ("max_model_length=5", "did you mean max_model_len"),
        ("trust_remote_code=true", "relies on it"),
    ],
)
def test_a_wrong_argument_is_told_in_a_sentence(given: str, sentence: str) -> None:
    with pytest.raises(ModelUnusable, match=sentence):
        made(engine_arg=(given,))


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_a_precision_that_is_a_quantization(precision: str) -> None:
    with pytest.raises(ModelUnusable, match="--quantization"):
        made(precision=precision)


def test_adapters_imply_lora_and_its_rank(adapter: Adapter) -> None:
    small, large = adapter("small", 4), adapter("large", 40)
    assert made(enable_lora=True)["max_lora_rank"] == 16
    assert made(lora_path=(f"a={small}",))["max_lora_rank"] == 8
    found = made(lora_path=(f"a={small}", f"b={large}"))
    assert (found["enable_lora"], found["max_lora_rank"]) == (True, 64)


def test_the_first_adapter_answers_unless_another_is_named(adapter: Adapter) -> None:
    paths = (f"a={adapter('one')}", f"b={adapter('two')}")
    assert served_adapter(GenerationSettings()) is None
    assert served_adapter(GenerationSettings(enable_lora=True)) is None
    first = served_adapter(GenerationSettings(lora_path=paths))
    assert first is not None
    assert first[0] == "a"
    second = served_adapter(GenerationSettings(lora_path=paths, served_lora="b"))
    assert second is not None
    assert second == ("b", paths[1][2:])
    with pytest.raises(ModelUnusable, match=r"no --lora-path has this name \(a, b\)"):
        served_adapter(GenerationSettings(lora_path=paths, served_lora="c"))


@pytest.mark.parametrize(
    ("rank", "spoil", "sentence"),
    [
        (8, "adapter_config.json", "has no adapter_config.json"),
        (8, "adapter_model.safetensors", "has no adapter_model.safetensors"),
        (None, "", "names no rank"),
        (1000, "", "has rank 1000"),
    ],
)
def test_a_folder_that_is_no_adapter(adapter: Adapter, rank: Any, spoil: str, sentence: str) -> None:
    folder = adapter(rank=rank)
    if spoil:
        (folder / spoil).unlink()
    with pytest.raises(ModelUnusable, match=sentence):
        made(lora_path=(f"a={folder}",))


def test_an_adapter_with_a_pickle_is_refused(adapter: Adapter) -> None:
    folder = adapter()
    (folder / "training_args.bin").write_bytes(b"x")
    with pytest.raises(ModelUnusable, match=r"training_args.bin is a pickle"):
        made(lora_path=(f"a={folder}",))


@pytest.mark.parametrize("name", ["lora_path", "engine_arg"])
@pytest.mark.parametrize("value", ["name", "name=", "=value"])
def test_pairs_are_name_and_value(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="must be NAME=VALUE"):
        GenerationSettings.model_validate({name: (value,)})
