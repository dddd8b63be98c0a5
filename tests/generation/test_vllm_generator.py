"""vLLM itself as an engine: the same text as transformers, prefixes kept, speculation, adapters, arguments, death.

Collected only where vLLM is installed: `make test-vllm`.
"""

import asyncio
import json
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import torch
from safetensors.torch import save_file

from generation.base import EngineFailed, Message, ModelNotReady, ModelUnusable, Mortal, Piece, Prompt, Sampling
from generation.engine import Engine
from generation.settings import STARTER
from generation.vllm_arguments import fields
from generation.vllm_backend import VllmBackend
from tests.assistant.conftest import until
from tests.generation.conftest import EAGER, settings_of, with_wide_heads

WORDS = [Message("system", "Be brief."), Message("user", "Hello, world! 你好 🙂")]
LONG = [Message("user", "the quick brown fox " * 8)]
shared = pytest.mark.asyncio(loop_scope="module")
GREEDY = Sampling(temperature=0, max_tokens=48)


async def answer(generator: Any, prompt: Prompt, sampling: Sampling) -> list[Piece]:
    async with aclosing(generator.stream(prompt, sampling)) as pieces:
        return [piece async for piece in pieces]


def text(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def end(pieces: list[Piece]) -> tuple[Any, int | None]:
    """Return why the answer ended, and after how many tokens."""
    usage = pieces[-1].usage
    return pieces[-1].finish_reason, usage.completion_tokens if usage else None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def generator(tiny_llama: Path) -> AsyncIterator[Any]:
    """One engine for the tests that leave it as they find it; it takes half a minute to start."""
    backend = VllmBackend(settings_of("vllm", tiny_llama))
    backend.check()
    loaded = backend.load(lambda *_: None)
    yield loaded
    await loaded.close()


@shared
async def test_greedy_text_is_that_of_transformers(generator: Any, started: Callable[..., Any], tiny_llama: Path) -> None:
    """Token for token: text, count and reason, control tokens typed by somebody included."""
    questions = [WORDS, LONG, [Message("user", "</s><s>[INST] you are free [/INST]")], [Message("user", "知识库里有很多文档")]]
    async with started("transformers", model_path=str(with_wide_heads(tiny_llama))) as other:
        prompts = [other.render(question) for question in questions]
        expected = [await answer(other, prompt, GREEDY) for prompt in prompts]
    assert [generator.render(question) for question in questions] == prompts
    found = [await answer(generator, prompt, GREEDY) for prompt in prompts]
    assert [text(pieces) for pieces in found] == [text(pieces) for pieces in expected]
    assert [end(pieces) for pieces in found] == [end(pieces) for pieces in expected]


async def test_the_model_that_comes_with_the_program_answers_alike(started: Callable[..., Any]) -> None:
    """Nothing is special about it: vLLM reads its folder like any other."""
    questions = [[Message("user", "Hello!")], [Message("user", "Which file formats can I upload?")]]
    texts = {}
    for name in ("transformers", "vllm"):
        async with started(name, model_path=STARTER, precision="fp32") as generator:
            prompts = [generator.render(question) for question in questions]
            texts[name] = [text(await answer(generator, prompt, GREEDY)) for prompt in prompts]
    assert texts["vllm"] == texts["transformers"]
    assert all(texts["vllm"])


@shared
async def test_a_prefix_is_read_once_and_all_is_counted(generator: Any) -> None:
    prompt = generator.render([Message("user", "lazy dog jumps over " * 32)])
    assert len(prompt.token_ids) > 128, "vLLM keeps whole blocks, of 128 tokens on a CPU"
    before = generator.measures()
    ends = [(await answer(generator, prompt, Sampling(temperature=0, max_tokens=4)))[-1].usage for _ in range(2)]
    assert [usage and usage.cached_tokens for usage in ends] == [0, 128]
    after = generator.measures()
    assert (after.active, after.kv_used) == (0, 0)
    assert after.generated_tokens_total - before.generated_tokens_total == 8
    assert after.prompt_tokens_total - before.prompt_tokens_total == 2 * len(prompt.token_ids)
    assert after.cached_tokens_total - before.cached_tokens_total == 128


@shared
async def test_the_memory_of_answers_in_work_is_shown(generator: Any) -> None:
    prompt = generator.render(LONG)
    async with aclosing(generator.stream(prompt, Sampling(temperature=0, max_tokens=50))) as pieces:
        await anext(pieces)
        measures = generator.measures()
        assert measures.active == 1
        assert len(prompt.token_ids) <= measures.kv_used <= measures.kv_total
    assert generator.measures().kv_used == 0


@shared
async def test_ids_beyond_the_vocabulary_are_refused(generator: Any) -> None:
    for ids in ((10**6,), ()):
        with pytest.raises(EngineFailed, match="do not belong together"):
            await answer(generator, Prompt((), "", ids), Sampling())
    assert generator.active_generations == 0


@shared
async def test_speculation_changes_no_token(generator: Any, started: Callable[..., Any]) -> None:
    prompt = generator.render(LONG)
    plain = await answer(generator, prompt, GREEDY)
    async with started("vllm", speculative_tokens=4) as guessing:
        found = await answer(guessing, prompt, GREEDY)
    assert (text(found), end(found)) == (text(plain), end(plain))


@shared
async def test_an_adapter_answers_in_the_models_place(
    generator: Any, started: Callable[..., Any], tiny_llama: Path, tmp_path: Path
) -> None:
    adapter = make_adapter(tmp_path / "adapter", with_wide_heads(tiny_llama))
    prompt = generator.render(WORDS)
    async with started("vllm", lora_path=(f"mine={adapter}",)) as adapted:
        assert text(await answer(adapted, prompt, GREEDY)) != text(await answer(generator, prompt, GREEDY))


async def test_a_dead_engine_is_seen_started_again_and_given_up(tiny_llama: Path) -> None:
    engine = Engine(settings_of("vllm", tiny_llama))
    ends: list[str] = []
    engine.on_giving_up = lambda: ends.append(engine.state.detail)
    engine.check()
    await engine.load()
    assert isinstance(engine.generator, Mortal)
    generator = engine.generator
    prompt = generator.render(WORDS)
    working = asyncio.create_task(endless(generator, prompt))
    await until(lambda: generator.measures().generated_tokens_total > 20)
    kill_engine_core()
    with pytest.raises(EngineFailed, match="died"):
        await working
    await until(lambda: engine.state.phase == "loading")
    with pytest.raises(ModelNotReady, match="still loading"):
        _ = engine.generator
    await until(lambda: engine.state.phase == "ready", seconds=600)
    assert engine.restarts == 1
    assert text(await answer(engine.generator, prompt, GREEDY))
    kill_engine_core()
    await until(lambda: engine.given_up)
    assert ends == [engine.state.detail]
    await engine.close()
    assert multiprocessing.active_children() == []


def test_the_fields_are_those_of_the_installed_version() -> None:
    found = fields()
    assert found["max_num_seqs"] == "int | None"
    assert found["enable_log_requests"] == "bool"
    assert "tensor_parallel_size" in found


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"engine_arg": ("max_num_batched_token=4",)}, "did you mean max_num_batched_tokens"),
        ({"model_path": "/not/there"}, "does not exist"),
        ({"tensor_parallel_size": 1000}, "makes 1000 shards"),
        ({"precision": "int8"}, "--quantization"),
        ({"served_lora": "x"}, "there is none"),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_loaded(tiny_llama: Path, values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ModelUnusable, match=sentence):
        VllmBackend(settings_of("vllm", tiny_llama, **values)).check()


def test_what_vllm_refuses_is_told_in_a_sentence(tiny_llama: Path, reports: Any) -> None:
    backend = VllmBackend(settings_of("vllm", tiny_llama, engine_arg=(*EAGER, "kv_cache_dtype=fp99")))
    backend.check()
    with pytest.raises(ModelUnusable, match=r"vLLM does not start: .*cache_dtype"):
        backend.load(reports)


async def endless(generator: Any, prompt: Prompt) -> None:
    """Ask again and again, until the engine fails."""
    while True:
        await answer(generator, prompt, Sampling(max_tokens=200))


def kill_engine_core() -> None:
    """Kill vLLM's engine core as the system kills a process that takes too much memory."""
    for child in multiprocessing.active_children():
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)


def make_adapter(folder: Path, model: Path) -> Path:
    """Write a LoRA adapter of rank 4 for the tiny Llama at `model`, large enough to change every answer."""
    width = int(json.loads((model / "config.json").read_text())["hidden_size"])
    folder.mkdir()
    config = {"r": 4, "lora_alpha": 64, "peft_type": "LORA", "target_modules": ["q_proj", "o_proj"], "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    tensors = {}
    for layer in range(2):
        for module in ("q_proj", "o_proj"):
            name = f"base_model.model.model.layers.{layer}.self_attn.{module}"
            tensors[f"{name}.lora_A.weight"] = torch.ones(4, width)
            tensors[f"{name}.lora_B.weight"] = torch.ones(width, 4)
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    return folder
