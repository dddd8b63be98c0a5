"""The engine on transformers: the library's own answer, whole characters, broken weights refused, slots freed."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from generation.base import EngineFailed, Message, ModelUnusable, Prompt, Sampling
from generation.decoding import Decoder
from generation.ragged_forward import RaggedForward
from generation.transformers_backend import TransformersBackend
from tests.generation.conftest import Reports, settings_of

PROMPT = [Message("system", "Be brief."), Message("user", "Hello, world! 你好")]


async def ids_and_text(generator: Any, prompt: Prompt, sampling: Sampling) -> str:
    async with aclosing(generator.stream(prompt, sampling)) as pieces:
        return "".join([piece.text async for piece in pieces])


QUESTIONS = ["Hi", "The quick brown fox", "知识库", "long " * 30]


@pytest.mark.parametrize("penalty", [1.0, 1.3])
async def test_greedy_is_token_for_token_generate(started: Callable[..., Any], tiny_llama: Path, penalty: float) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    sampling = Sampling(temperature=0, max_tokens=48, repetition_penalty=penalty)
    async with started("transformers") as generator:
        prompts = [generator.render([Message("user", question)]) for question in QUESTIONS]
        texts = await asyncio.gather(*(ids_and_text(generator, prompt, sampling) for prompt in prompts))
        for prompt, text in zip(prompts, texts, strict=True):
            whole = torch.tensor([list(prompt.token_ids)])
            options = {"do_sample": False, "max_new_tokens": 48, "repetition_penalty": penalty, "pad_token_id": 0}
            expected = model.generate(whole, attention_mask=torch.ones_like(whole), **options)[0, whole.shape[1] :].tolist()
            alone = list(Decoder(model, frozenset({tokenizer.eos_token_id})).tokens(prompt.token_ids, sampling, 48, bool))
            assert alone == [number for number in expected if number != tokenizer.eos_token_id]
            assert text == tokenizer.decode(expected, skip_special_tokens=True)


async def test_prefill_in_stretches_changes_nothing(started: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    sampling = Sampling(temperature=0, max_tokens=20)
    async with started("transformers") as generator:
        prompt = generator.render([Message("user", "word " * 20)])
        whole = await ids_and_text(generator, prompt, sampling)
    monkeypatch.setattr("generation.pace.LARGEST", 7)
    async with started("transformers") as generator:
        assert await ids_and_text(generator, prompt, sampling) == whole


async def test_sampling_is_the_seeds_alone(started: Callable[..., Any]) -> None:
    async with started("transformers") as generator:
        prompt = generator.render(PROMPT)
        hot = Sampling(temperature=1.5, top_k=0, top_p=1.0, max_tokens=16, seed=1)
        before = torch.random.get_rng_state()
        first = await ids_and_text(generator, prompt, hot)
        assert torch.equal(before, torch.random.get_rng_state())
        torch.manual_seed(123)
        assert await ids_and_text(generator, prompt, hot) == first
        assert await ids_and_text(generator, prompt, Sampling(temperature=1.5, max_tokens=16, seed=2)) != first
        assert await ids_and_text(generator, prompt, Sampling(temperature=1e-30, max_tokens=16)) == await ids_and_text(
            generator, prompt, Sampling(temperature=0, max_tokens=16)
        )


async def test_cancel_during_prefill_and_its_latency(started: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generation.pace.LARGEST", 1)
    async with started("transformers") as generator:
        base = generator.render(PROMPT)
        prompt = Prompt(base.messages, base.text, (base.token_ids * 50)[:250])
        task = asyncio.create_task(ids_and_text(generator, prompt, Sampling(max_tokens=5)))
        while not generator.active_generations:
            await asyncio.sleep(0)
        begin = time.perf_counter()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert generator.active_generations == 0 == generator.generated_tokens_total
        assert time.perf_counter() - begin < 5


async def test_a_failure_ends_one_answer_only(started: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    async with started("transformers", max_concurrent=1) as generator:
        prompt = generator.render(PROMPT)
        for error, sentence in (
            (torch.OutOfMemoryError("CUDA out of memory"), "too little free memory"),
            (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "too little free memory"),
            (IndexError("secret detail"), r"failed while it answered \(IndexError\)"),
        ):

            def fail(*_: Any, error: Exception = error) -> Any:
                raise error

            with monkeypatch.context() as broken, pytest.raises(EngineFailed, match=sentence) as caught:
                broken.setattr(RaggedForward, "__call__", fail)
                await ids_and_text(generator, prompt, Sampling(max_tokens=5))
            assert caught.value.__cause__ is error
            assert generator.active_generations == 0 == generator.measures().kv_used
        await ids_and_text(generator, prompt, Sampling(max_tokens=5))


async def test_ids_beyond_the_vocabulary_are_refused(started: Callable[..., Any]) -> None:
    async with started("transformers") as generator:
        for ids in ((10**6,), ()):
            with pytest.raises(EngineFailed, match="do not belong together"):
                await ids_and_text(generator, Prompt((), "", ids), Sampling())


async def test_load_tells_what_it_does(started: Callable[..., Any], reports: Reports, tiny_llama: Path) -> None:
    async with started("transformers") as generator:
        assert generator.name == "tiny-llama"
        assert generator.context_length == 256
    assert [stage for stage, _ in reports][-1] == "ready"
    assert "loading weights" in [stage for stage, _ in reports]


def _edit(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _nan(tensors: dict[str, torch.Tensor]) -> None:
    tensors["model.embed_tokens.weight"][300, 3] = float("nan")  # a row the warm-up does not use


def _huge(tensors: dict[str, torch.Tensor]) -> None:
    tensors["model.norm.weight"].fill_(3e38)  # each weight is a number, their products are not
    tensors["lm_head.weight"].fill_(1e3)


def _untied(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["lm_head.weight"]


def _missing(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["model.layers.1.mlp.up_proj.weight"]


def _wrong_shape(tensors: dict[str, torch.Tensor]) -> None:
    tensors["model.norm.weight"] = torch.ones(32)


def _unexpected(tensors: dict[str, torch.Tensor]) -> None:
    tensors["model.layers.7.mlp.up_proj.weight"] = torch.ones(3)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_nan, "no numbers in model.embed_tokens.weight"),
        (_huge, "computes values that are no numbers"),
        (_missing, "lacks the tensor model.layers.1.mlp.up_proj.weight"),
        (_wrong_shape, "model.norm.weight|size mismatch|shape|mismatch"),
        (_unexpected, "unknown tensor model.layers.7"),
    ],
)
def test_weights_that_load_but_are_wrong_are_refused(
    llama_copy: Path, reports: Reports, change: Callable[[dict[str, torch.Tensor]], None], sentence: str
) -> None:
    _edit(llama_copy, change)
    engine = TransformersBackend(settings_of("transformers", llama_copy))
    engine.check()
    with pytest.raises(ModelUnusable, match=sentence) as caught:
        engine.load(reports)
    assert str(llama_copy) in str(caught.value)


def test_tied_weights_are_not_missing(llama_copy: Path, reports: Reports) -> None:
    config = json.loads((llama_copy / "config.json").read_text())
    (llama_copy / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    _edit(llama_copy, _untied)
    TransformersBackend(settings_of("transformers", llama_copy)).load(reports)


def test_a_damaged_file_is_found_by_its_checksum(llama_copy: Path, reports: Reports) -> None:
    (llama_copy / "SHA256SUMS").write_text(f"{'0' * 64}  model.safetensors\n")
    with pytest.raises(ModelUnusable, match="damaged"):
        TransformersBackend(settings_of("transformers", llama_copy)).load(reports)


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json"])
def test_junk_json_values_are_told_in_a_sentence(llama_copy: Path, reports: Reports, name: str) -> None:
    (llama_copy / name).write_text('{"model_type": "no-such-model"}')
    with pytest.raises(ModelUnusable, match="cannot be loaded"):
        TransformersBackend(settings_of("transformers", llama_copy)).load(reports)


def test_a_precision_the_machine_lacks_is_refused_before_loading(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ModelUnusable, match="needs an NVIDIA GPU"):
        TransformersBackend(settings_of("transformers", tiny_llama, precision="int8")).check()


def test_without_a_model_path_there_is_nothing_to_check() -> None:
    settings = settings_of("echo", Path()).model_copy(update={"backend": "transformers", "model_path": None})
    with pytest.raises(ModelUnusable, match="No model is configured"):
        TransformersBackend(settings).check()
