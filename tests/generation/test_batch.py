"""Requests that share a model: memory that is full, rows that fail alone, kept conversations, guesses, mixed lengths."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any

import pytest
import torch

from generation.base import EngineFailed, Message, Piece, Prompt, Sampling
from generation.choice import Choice
from generation.key_values import KeyValues
from generation.prompt_lookup import PromptLookup
from generation.ragged_forward import Part, RaggedForward

GIB = 2**30
TOKEN_BYTES = 512
"""Of the tiny Llama: 2 layers x 2 heads x (16 + 16) x 4 bytes."""


def tokens(count: int) -> float:
    """Return `--kv-memory` for so many tokens of the tiny Llama."""
    return (count * TOKEN_BYTES + 1) / GIB


async def whole(generator: Any, prompt: Prompt, sampling: Sampling) -> tuple[str, Piece]:
    async with aclosing(generator.stream(prompt, sampling)) as pieces:
        found = [piece async for piece in pieces]
    return "".join(piece.text for piece in found), found[-1]


def prompts(generator: Any, count: int) -> list[Prompt]:
    return [generator.render([Message("user", f"{number} " * (10 + 4 * number))]) for number in range(count)]


async def test_rows_that_give_their_memory_away_say_the_same(started: Callable[..., Any]) -> None:
    sampling = Sampling(temperature=1.1, seed=3, max_tokens=100)
    async with started("transformers") as generator:
        plenty = [await whole(generator, prompt, sampling) for prompt in prompts(generator, 6)]
    async with started("transformers", kv_memory=tokens(448)) as generator:
        assert generator.measures().kv_total == 448
        tight = await asyncio.gather(*(whole(generator, prompt, sampling) for prompt in prompts(generator, 6)))
        assert [text for text, _ in tight] == [text for text, _ in plenty]
        assert (generator.measures().kv_used or 0) <= 448
        assert generator.active_generations == 0


async def test_the_context_is_no_longer_than_the_memory(started: Callable[..., Any]) -> None:
    async with started("transformers", kv_memory=tokens(130)) as generator:
        assert generator.context_length == 128
        _, last = await whole(generator, prompts(generator, 1)[0], Sampling(temperature=0))
        assert last.finish_reason == "length"
        assert last.usage is not None
        assert last.usage.prompt_tokens + last.usage.completion_tokens == 128


async def test_only_the_row_that_cannot_be_computed_fails(started: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    sampling, compute = Sampling(temperature=0, max_tokens=30), RaggedForward.__call__
    async with started("transformers") as generator:
        several = prompts(generator, 4)
        expected = [await whole(generator, prompt, sampling) for prompt in several]
    async with started("transformers") as generator:

        def poisoned(forward: RaggedForward, parts: Sequence[Part]) -> list[torch.Tensor]:
            if any(tuple(part.ids) == several[2].token_ids for part in parts):
                raise MemoryError
            return compute(forward, parts)

        monkeypatch.setattr(RaggedForward, "__call__", poisoned)
        found = await asyncio.gather(*(whole(generator, prompt, sampling) for prompt in several), return_exceptions=True)
        assert isinstance(found[2], EngineFailed)
        assert "too little free memory" in str(found[2])
        others = [one for place, one in enumerate(found) if place != 2]
        assert [one[0] for one in others if isinstance(one, tuple)] == [expected[place][0] for place in (0, 1, 3)]
        assert generator.active_generations == 0
        monkeypatch.undo()
        assert (await whole(generator, several[2], sampling))[0] == expected[2][0]


async def test_memory_that_is_refused_fails_one_answer(started: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    async with started("transformers") as generator:
        several = prompts(generator, 3)

        def refused(*_: Any) -> None:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")

        with monkeypatch.context() as broken, pytest.raises(EngineFailed, match="too little free memory"):
            broken.setattr(KeyValues, "__init__", refused)
            await whole(generator, several[0], Sampling(max_tokens=5, temperature=0))
        assert generator.measures().kv_used == 0 == generator.active_generations
        await whole(generator, several[1], Sampling(max_tokens=5, temperature=0))
        assert generator.measures().kv_used
        with monkeypatch.context() as broken, pytest.raises(EngineFailed, match="too little free memory"):
            broken.setattr(KeyValues, "__init__", refused)
            await whole(generator, several[2], Sampling(max_tokens=5, temperature=0))
        assert generator.measures().kv_used == 0
        assert (await whole(generator, several[2], Sampling(max_tokens=5, temperature=0)))[1].finish_reason == "length"


async def test_logits_that_break_the_choice_fail_one_answer(
    started: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> int:
        raise ValueError("no number")

    async with started("transformers") as generator:
        several = prompts(generator, 2)
        monkeypatch.setattr(Choice, "_drawn", broken)
        drawn = whole(generator, several[0], Sampling(max_tokens=5))
        greedy = whole(generator, several[1], Sampling(temperature=0, max_tokens=5))
        found = await asyncio.gather(drawn, greedy, return_exceptions=True)
        assert isinstance(found[0], EngineFailed)
        assert isinstance(found[1], tuple)
        assert generator.active_generations == 0


async def test_a_second_turn_reads_only_what_is_new(started: Callable[..., Any]) -> None:
    async with started("transformers") as generator:
        first = generator.render([Message("user", "knowledge " * 8)])
        _, last = await whole(generator, first, Sampling(temperature=0, max_tokens=8))
        assert last.usage is not None
        assert last.usage.cached_tokens == 0
        _, last = await whole(generator, first, Sampling(temperature=0, max_tokens=8))
        assert last.usage is not None
        assert last.usage.cached_tokens == len(first.token_ids) - 1
        other = Prompt((), "", (*first.token_ids[:20], *first.token_ids[:20]))
        _, last = await whole(generator, other, Sampling(temperature=0, max_tokens=8))
        assert last.usage is not None
        assert last.usage.cached_tokens == 20
        measures = generator.measures()
        assert measures.cached_tokens_total == len(first.token_ids) + 19
        assert measures.prompt_tokens_total == 2 * len(first.token_ids) + 40


async def test_what_is_kept_gives_way_to_what_is_asked(started: Callable[..., Any]) -> None:
    async with started("transformers", kv_memory=tokens(320)) as generator:
        for prompt in prompts(generator, 12):
            await whole(generator, prompt, Sampling(temperature=0, max_tokens=40))
            assert 0 < generator.measures().kv_used <= 320


@pytest.mark.parametrize(
    "sampling", [Sampling(temperature=0), Sampling(temperature=1.3, top_k=3, seed=5)], ids=["greedy", "drawn"]
)
async def test_guessing_changes_nothing(
    started: Callable[..., Any], sampling: Sampling, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = []
    for most in (0, 8):
        async with started("transformers", prompt_lookup=most) as generator:
            asked = prompts(generator, 5)
            texts.append(await asyncio.gather(*(whole(generator, prompt, sampling) for prompt in asked)))
    assert [(text, last.usage, last.finish_reason) for text, last in texts[0]] == [
        (text, last.usage, last.finish_reason) for text, last in texts[1]
    ]


async def test_right_guesses_save_steps(started: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    steps, compute = [0], RaggedForward.__call__

    def counted(forward: RaggedForward, parts: Sequence[Part]) -> list[torch.Tensor]:
        steps[0] += 1
        return compute(forward, parts)

    async with started("transformers", prompt_lookup=0) as generator:
        prompt = prompts(generator, 1)[0]
        made: list[int] = []
        text, _ = await whole(generator, prompt, Sampling(temperature=0, max_tokens=60))
    monkeypatch.setattr(PromptLookup, "guess", lambda self, ids, most: made[len(ids) - len(prompt.token_ids) :][:most])
    monkeypatch.setattr(RaggedForward, "__call__", counted)
    async with started("transformers", prompt_lookup=8) as generator:
        made += _made(generator, prompt, 60)
        steps[0] = 0
        assert (await whole(generator, prompt, Sampling(temperature=0, max_tokens=60)))[0] == text
        assert steps[0] <= 8


def _made(generator: Any, prompt: Prompt, count: int) -> list[int]:
    """Return the greedy answer's ids, as the forward pass of the batch gives them one by one."""
    forward = generator._batch._batch._forward
    memory, ids = KeyValues(forward.form, 256), list(prompt.token_ids)
    read = 0
    for _ in range(count):
        logits = forward([Part(memory, read, ids[read:], 1)])[0]
        read = len(ids)
        ids.append(int(logits.argmax()))
    return ids[len(prompt.token_ids) :]
