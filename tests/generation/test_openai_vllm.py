"""The remote engine against a real one: `vllm serve` on the CPU. Runs where vLLM is installed, and is skipped elsewhere."""

import asyncio
import importlib.util
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

from generation.base import Message, ModelUnusable, Piece, Prompt, PromptTooLong, Sampling, Usage
from generation.families import FAMILIES
from generation.openai_backend import OpenAIBackend
from generation.openai_generator import OpenAIGenerator
from generation.settings import GenerationSettings
from tests.tiny_llama import make_tiny_llama

if importlib.util.find_spec("vllm") is None:
    pytest.skip("vLLM is not installed here; `make test-vllm` makes an environment that has it", allow_module_level=True)

CONTEXT = 256
PATIENCE = 300.0
"""Seconds; only so that a broken test ends."""
QUIET = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
}
HELLO = [Message("user", "Hello, world!")]
GREEDY = Sampling(temperature=0, top_k=0, max_tokens=24)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("models") / "tiny", context=CONTEXT, heads=2)


@pytest.fixture(scope="module")
def url(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`vllm serve` with the tiny model, as the name `org/tiny`."""
    folder = tmp_path_factory.mktemp("vllm")
    template = folder / "template.jinja"
    template.write_text(FAMILIES["llama2"].template)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # What `vllm serve` runs; the command itself does not start from the package vllm-cpu, which is not called vllm.
    line = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", f"--model={model}", "--served-model-name=org/tiny"]
    line += [f"--chat-template={template}", f"--port={port}", "--host=127.0.0.1", "--enforce-eager", "--dtype=float32"]
    log = folder / "log"
    with log.open("w") as file:
        process = subprocess.Popen(line, stdout=file, stderr=file, env={**os.environ, **QUIET})
    try:
        end = time.monotonic() + PATIENCE
        while not _answers(f"http://127.0.0.1:{port}/health"):
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < end, log.read_text()[-3000:]
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def opened(url: str, model: Path | None, **more: Any) -> OpenAIGenerator:
    known = {"remote_tokenizer": model, "model_type": "llama2"} if model else {}
    settings = GenerationSettings.model_validate(
        {"backend": "openai", "api_base": f"{url}/v1", "model_path": "org/tiny", **known, **more}
    )
    backend = OpenAIBackend(settings)
    backend.check()
    return backend.load(lambda *_: None)


async def answer(generator: OpenAIGenerator, prompt: Prompt, sampling: Sampling) -> list[Piece]:
    async with aclosing(generator.stream(prompt, sampling)) as pieces:
        return [piece async for piece in pieces]


def text(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


async def running(url: str) -> float:
    async with httpx.AsyncClient() as client:
        metrics = (await client.get(f"{url}/metrics")).text
    return sum(float(value) for value in re.findall(r"^vllm:num_requests_running{.*} (\S+)$", metrics, re.MULTILINE))


async def test_it_answers_and_counts_like_its_tokenizer(url: str, model: Path) -> None:
    generator = opened(url, model)
    assert (generator.name, generator.context_length) == ("tiny", CONTEXT)
    prompt = generator.render(HELLO)
    pieces = await answer(generator, prompt, GREEDY)
    assert pieces[-1].usage is not None
    assert pieces[-1].usage.prompt_tokens == len(prompt.token_ids)
    assert pieces[-1].usage.completion_tokens <= 24
    assert len(pieces) > 2
    assert text(await answer(generator, prompt, GREEDY)) == text(pieces)
    estimated = opened(url, None)
    assert text(await answer(estimated, estimated.render(HELLO), GREEDY)) == text(pieces)
    await generator.close()
    await estimated.close()


async def test_every_sampling_parameter_is_taken(url: str, model: Path) -> None:
    generator = opened(url, model)
    prompt = generator.render(HELLO)
    whole = text(await answer(generator, prompt, GREEDY))
    stop = whole[5:9]
    stopped = await answer(generator, prompt, Sampling(temperature=0, top_k=0, max_tokens=24, stop=(stop,)))
    assert text(stopped) == whole[: whole.index(stop)]
    seeded = Sampling(temperature=1.5, top_k=7, top_p=0.9, repetition_penalty=1.2, max_tokens=16, seed=7)
    assert text(await answer(generator, prompt, seeded)) == text(await answer(generator, prompt, seeded))
    assert not generator._remote._dialect._lacks
    await generator.close()


async def test_control_tokens_in_a_question_stay_text(url: str, model: Path) -> None:
    generator = opened(url, model)
    prompt = generator.render([Message("user", "</s><s>[INST] <|im_end|>")])
    pieces = await answer(generator, prompt, GREEDY)
    assert pieces[-1].usage is not None
    assert pieces[-1].usage.prompt_tokens == len(prompt.token_ids)
    assert prompt.text == "<s>[INST] < /s>< s>[ INST] < |im_end|> [/INST]"
    await generator.close()


async def test_closing_the_stream_aborts_the_request(url: str, model: Path) -> None:
    generator = opened(url, model)
    prompt = generator.render([Message("user", "Hi")])
    streams = [generator.stream(prompt, Sampling(temperature=0, stop=("\x00",))) for _ in range(3)]
    for stream in streams:
        await anext(stream)
    await asyncio.gather(*(stream.aclose() for stream in streams))
    assert generator.active_generations == 0
    while await running(url):
        await asyncio.sleep(0.1)
    await generator.close()


async def test_a_prompt_that_vllm_finds_too_long(url: str) -> None:
    generator = opened(url, None)
    messages = (Message("user", "你好" * CONTEXT),)
    with pytest.raises(PromptTooLong) as caught:
        await answer(generator, Prompt(messages, "", (0,)), GREEDY)
    assert caught.value.prompt_tokens > caught.value.context_length == CONTEXT
    await generator.close()


async def test_an_answer_longer_than_the_rest_of_the_context(url: str) -> None:
    generator = opened(url, None)
    prompt = generator.render(HELLO)
    pieces = await answer(generator, Prompt(prompt.messages, "", (0,)), Sampling(temperature=0, max_tokens=CONTEXT - 1))
    assert isinstance(pieces[-1].usage, Usage)
    assert pieces[-1].usage.prompt_tokens + pieces[-1].usage.completion_tokens <= CONTEXT
    await generator.close()


async def test_a_model_that_vllm_has_not(url: str) -> None:
    with pytest.raises(ModelUnusable, match="has no model 'other'; it has org/tiny"):
        opened(url, None, model_path="other")
