"""Which models can compute rows together, and that those who cannot still answer."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    Gemma2Config,
    GPT2Config,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    Qwen3Config,
)

from generation import ragged_forward
from generation.base import Message, Sampling
from generation.key_values import KeyValues
from generation.ragged_forward import Part, RaggedForward, opened

SMALL: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 128,
    "initializer_range": 0.2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
GPT2 = {"vocab_size": 300, "n_embd": 64, "n_layer": 2, "n_head": 4, "bos_token_id": 1, "eos_token_id": 2}
SHARED = {
    "llama": LlamaConfig(**SMALL),
    "qwen3": Qwen3Config(**SMALL),
    "mistral with a window": MistralConfig(**SMALL, sliding_window=6),
    "gemma2 with windows": Gemma2Config(**SMALL, sliding_window=6),
    "gpt2": GPT2Config(**GPT2),
}
APART = {
    "mamba": MambaConfig(vocab_size=300, hidden_size=64, num_hidden_layers=2, state_size=8),
    "bloom": BloomConfig(vocab_size=300, hidden_size=64, n_layer=2, n_head=4),
    "llama whose positions depend on the longest": LlamaConfig(
        **SMALL, rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10_000.0}
    ),
}


def model_of(config: Any, dtype: torch.dtype = torch.float32) -> Any:
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(deepcopy(config), dtype=dtype).eval()
    torch.random.set_rng_state(state)
    return model


@pytest.mark.parametrize(
    ("dtype", "few"),
    [(torch.float32, 4), (torch.bfloat16, 32), (torch.bfloat16, 4)],
    ids=["float32", "bfloat16", "bfloat16 filled up"],
)
@pytest.mark.parametrize("name", SHARED)
def test_rows_together_are_rows_alone(name: str, dtype: torch.dtype, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ragged_forward, "FEW", few)
    model = model_of(SHARED[name], dtype)
    rows = [[(3 + 7 * row + 5 * place) % 300 for place in range(20 + row)] for row in range(3)]
    with torch.inference_mode():
        plain = [model(input_ids=torch.tensor([ids])).logits[0] for ids in rows]
    forward = opened(model)
    assert forward is not None
    memories = [KeyValues(forward.form, 64) for _ in rows]
    read: list[int] = []
    model.get_input_embeddings().register_forward_hook(lambda _, given, out: read.append(out.shape[1]))
    done = [0, 0, 0]
    found: list[list[torch.Tensor]] = [[], [], []]
    for sizes in ((9, 1, 13), (1, 12, 1), (10, 1, 7), (0, 7, 1)):
        chosen = [row for row in range(3) if sizes[row]]
        parts = [Part(memories[row], done[row], rows[row][done[row] : done[row] + sizes[row]], sizes[row]) for row in chosen]
        for row, logits in zip(chosen, forward(parts), strict=True):
            found[row].append(logits)
            done[row] += sizes[row]
    assert done == [len(ids) for ids in rows]
    assert read == ([32, 16, 32, 16] if dtype == torch.bfloat16 and few == 4 else [23, 14, 18, 8])
    for its, expected in zip(found, plain, strict=True):
        tolerance = 1e-4 if dtype == torch.float32 else 0.05
        assert (torch.cat(its) - expected).abs().max() <= tolerance * expected.abs().max()


@pytest.mark.parametrize("name", APART)
def test_models_whose_rows_cannot_be_mixed_are_found(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert opened(model_of(APART[name])) is None
    assert "computed apart" in caplog.text


def test_a_model_that_computes_something_else_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = RaggedForward.__call__
    monkeypatch.setattr(RaggedForward, "__call__", lambda self, parts: [logits + 1 for logits in plain(self, parts)])
    model = model_of(SHARED["llama"])
    assert opened(model) is None
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("name", ["mamba", "bloom"])
async def test_models_computed_apart_answer_as_generate_does(llama_copy: Path, started: Callable[..., Any], name: str) -> None:
    config = APART[name]
    config.bos_token_id, config.eos_token_id, config.vocab_size = 1, 2, 400
    model = model_of(config)
    for file in llama_copy.glob("*config.json"):
        if not file.name.startswith("tokenizer"):
            file.unlink()
    model.save_pretrained(llama_copy)

    async def answer(generator: Any, question: str) -> str:
        prompt = generator.render([Message("user", question)])
        async with aclosing(generator.stream(prompt, Sampling(temperature=0, max_tokens=12))) as pieces:
            return "".join([piece.text async for piece in pieces])

    async with started("transformers", model_path=str(llama_copy)) as generator:
        questions = [f"Question {number}?" for number in range(5)]
        texts = await asyncio.gather(*(answer(generator, question) for question in questions))
        assert generator.measures().kv_total is None
        assert generator.active_generations == 0
        for question, text in zip(questions, texts, strict=True):
            ids = torch.tensor([list(generator.render([Message("user", question)]).token_ids)])
            options = {"do_sample": False, "max_new_tokens": 12, "pad_token_id": 0}
            expected = model.generate(ids, attention_mask=torch.ones_like(ids), **options)[0, ids.shape[1] :].tolist()
            kept = [number for number in expected if number not in (1, 2)]
            assert text == generator._template.tokens.decode(kept)
