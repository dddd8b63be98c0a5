"""Beam search beside the batch."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from generation.base import Message, Piece, Prompt, Sampling


async def answer(generator: Any, prompt: Prompt, sampling: Sampling) -> list[Piece]:
    async with aclosing(generator.stream(prompt, sampling)) as pieces:
        return [piece async for piece in pieces]


async def test_the_answer_is_the_librarys_beside_others(started: Callable[..., Any], tiny_llama: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    async with started("transformers") as generator:
        prompt = generator.render([Message("user", "Hello")])
        beside = [answer(generator, prompt, Sampling(temperature=0, max_tokens=40)) for _ in range(3)]
        searched, *others = await asyncio.gather(answer(generator, prompt, Sampling(num_beams=3, max_tokens=20)), *beside)
        ids = torch.tensor([list(prompt.token_ids)])
        options = {"num_beams": 3, "do_sample": False, "max_new_tokens": 20, "pad_token_id": 0}
        expected = model.generate(ids, attention_mask=torch.ones_like(ids), **options)[0, ids.shape[1] :].tolist()
        assert "".join(piece.text for piece in searched) == generator._template.tokens.decode(expected)
        assert searched[-1].finish_reason == "length"
        assert searched[-1].usage is not None
        assert searched[-1].usage.completion_tokens == 20
        assert len({"".join(piece.text for piece in pieces) for pieces in others}) == 1


async def test_no_run_of_tokens_comes_twice(started: Callable[..., Any], tiny_llama: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    async with started("transformers") as generator:
        prompt = generator.render([Message("user", "Hello")])
        ids = torch.tensor([list(prompt.token_ids)])
        texts = []
        for size in (0, 1):
            options = {"num_beams": 3, "do_sample": False, "max_new_tokens": 40, "pad_token_id": 0}
            found = model.generate(ids, attention_mask=torch.ones_like(ids), no_repeat_ngram_size=size, **options)
            sampling = Sampling(num_beams=3, max_tokens=40, no_repeat_ngram_size=size)
            texts.append("".join(piece.text for piece in await answer(generator, prompt, sampling)))
            assert texts[-1] == generator._template.tokens.decode(found[0, ids.shape[1] :].tolist())
        assert texts[0] != texts[1]


async def test_it_can_be_stopped_before_it_is_whole(started: Callable[..., Any]) -> None:
    async with started("transformers") as generator:
        prompt = generator.render([Message("user", "Hello")])
        tasks = [asyncio.create_task(answer(generator, prompt, Sampling(num_beams=4))) for _ in range(2)]
        while not generator.active_generations:
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert generator.active_generations == 0 == generator.generated_tokens_total


@pytest.mark.parametrize("limit", [0, 1])
async def test_short_answers(started: Callable[..., Any], limit: int) -> None:
    async with started("transformers") as generator:
        prompt = generator.render([Message("user", "Hello")])
        pieces = await answer(generator, prompt, Sampling(num_beams=2, max_tokens=limit))
        assert pieces[-1].finish_reason == "length"
        assert pieces[-1].usage is not None
        assert pieces[-1].usage.completion_tokens == limit
