"""Settings to the arguments of vLLM's engine, each checked by name and kind before vLLM is imported.

Which arguments there are is read from vLLM's source (the fields of `AsyncEngineArgs`) as a syntax tree, so that a
misspelt `--engine-arg` is told within a second and for the version that is installed. Knows no GPU and no request.
"""

import ast
import difflib
import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from generation import preflight
from generation.base import ModelUnusable
from generation.settings import GenerationSettings

OURS = {
    "model": "--model-path",
    "dtype": "--precision",
    "max_num_seqs": "--max-concurrent",
    "served_model_name": "--served-model-name",
    "tensor_parallel_size": "--tensor-parallel-size",
    "pipeline_parallel_size": "--pipeline-parallel-size",
    "gpu_memory_utilization": "--gpu-memory-utilization",
    "max_model_len": "--max-model-len",
    "quantization": "--quantization",
    "enable_lora": "--enable-lora",
    "download_dir": "--hub-cache",
}
"""Arguments that a setting of ours gives."""
FIXED = frozenset({"tokenizer", "skip_tokenizer_init", "trust_remote_code", "disable_log_stats", "runner"})
"""Arguments that the adapter relies on, or that would run code of a model folder."""
CPU_KV_BYTES = 2 * 2**30
"""Memory of keys and values on a CPU, where vLLM would take 92 % of the machine's."""
DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks of LoRA adapters that vLLM has kernels for."""
_KINDS: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "None": (type(None),),
}
_WORDS = {"true": True, "false": False, "none": None, "null": None}


def fields() -> dict[str, str]:
    """Return name -> type, as written in the source, of every argument of the installed vLLM's engine."""
    package = find_spec("vllm")
    if package is None or package.origin is None:
        raise ModelUnusable("vLLM is not installed.")
    source = Path(package.origin).parent / "engine" / "arg_utils.py"
    classes = [node for node in ast.parse(source.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
    return {
        line.target.id: ast.unparse(line.annotation)
        for found in classes
        if found.name in ("EngineArgs", "AsyncEngineArgs")
        for line in found.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and not line.target.id.startswith("_")
    }


def arguments(settings: GenerationSettings, known: Mapping[str, str], on_cpu: bool) -> dict[str, Any]:
    """Return all arguments but `model`; raises `ModelUnusable` for settings and `--engine-arg` that vLLM does not take."""
    if settings.precision in ("int8", "int4"):
        raise ModelUnusable(
            f"vLLM does not take --precision {settings.precision}: use --quantization (like bitsandbytes or fp8)."
        )
    made: dict[str, Any] = {
        "dtype": DTYPES.get(settings.precision or "", "auto"),
        "generation_config": "vllm",  # sampling comes with each request, never from a model's file
        "max_num_seqs": settings.max_concurrent,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "pipeline_parallel_size": settings.pipeline_parallel_size,
        "enable_prefix_caching": True,
        "disable_log_stats": True,  # vLLM's own log lines; the adapter's listener is told all the same
        **_lora(settings),
    }
    for name in ("gpu_memory_utilization", "max_model_len", "quantization"):
        if (value := getattr(settings, name)) is not None:
            made[name] = value
    if settings.speculative_tokens:
        made["speculative_config"] = _ngram(settings.speculative_tokens)
    if on_cpu and settings.gpu_memory_utilization is None:
        made["kv_cache_memory_bytes"] = CPU_KV_BYTES
    return made | {_plain(name): _further(name, text, known) for name, text in _pairs(settings.engine_arg)}


def served_adapter(settings: GenerationSettings) -> tuple[str, str] | None:
    """Return name and folder of the LoRA adapter that answers, or None; raises `ModelUnusable` for one that cannot."""
    paths = dict(_pairs(settings.lora_path))
    name = settings.served_lora or next(iter(paths), None)
    if name is None:
        return None
    if name not in paths:
        raise ModelUnusable(f"--served-lora {name}: no --lora-path has this name ({', '.join(paths) or 'there is none'}).")
    return name, str(Path(paths[name]).expanduser())


def _pairs(values: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(name.strip(), text.strip()) for name, _, text in (value.partition("=") for value in values)]


def _ngram(tokens: int) -> dict[str, Any]:
    """Return the argument for speculation by prompt lookup: the longest run of 2 to 4 tokens that came before."""
    return {"method": "ngram", "num_speculative_tokens": tokens, "prompt_lookup_max": 4, "prompt_lookup_min": 2}


def _lora(settings: GenerationSettings) -> dict[str, Any]:
    ranks = [preflight.check_adapter(Path(folder).expanduser()) for _, folder in _pairs(settings.lora_path)]
    if not (ranks or settings.enable_lora):
        return {}
    if max(ranks, default=0) > RANKS[-1]:
        raise ModelUnusable(f"--lora-path: an adapter has rank {max(ranks)}, and vLLM takes {RANKS[-1]} at most.")
    return {"enable_lora": True, "max_lora_rank": next(rank for rank in RANKS if rank >= max(ranks, default=16))}


def _plain(name: str) -> str:
    """Return the name of an argument that was given as vLLM's own flag, `--max-num-seqs`, too."""
    return name.lstrip("-").replace("-", "_")


def _further(name: str, text: str, known: Mapping[str, str]) -> Any:
    """Return the value of `--engine-arg name=text`."""
    plain = _plain(name)
    if plain in OURS:
        raise ModelUnusable(f"--engine-arg {name}: this program has a flag for it, {OURS[plain]}.")
    if plain in FIXED:
        raise ModelUnusable(f"--engine-arg {name}: this program decides it and relies on it.")
    if plain not in known:
        near = difflib.get_close_matches(plain, [*known, *OURS], n=3, cutoff=0.5)
        meant = f"; did you mean {' or '.join(near)}?" if near else "."
        raise ModelUnusable(f"--engine-arg {name}: the installed vLLM has no such argument{meant}")
    return _value(name, text, known[plain])


def _value(name: str, text: str, annotation: str) -> Any:
    """Return `text` as JSON, or as itself where it is none; checked where the kind is a plain one."""
    kinds = set(annotation.split(" | "))
    value = _parsed(text)
    if not kinds <= _KINDS.keys():
        return value  # vLLM's own types; it checks them itself
    if isinstance(value, _allowed(kinds)) and not (isinstance(value, bool) and "bool" not in kinds):
        return value
    if "str" in kinds:
        return text
    raise ModelUnusable(f"--engine-arg {name}: must be {annotation.replace(' | ', ' or ')} (got {text[:80]!r}).")


def _parsed(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _allowed(kinds: set[str]) -> tuple[type, ...]:
    return tuple(kind for name in kinds for kind in _KINDS[name])
