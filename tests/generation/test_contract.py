"""The contract of `Generator`, kept by every backend in BACKENDS."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from generation.base import Message, ModelNotReady, NotSupported, Piece, Prompt, PromptTooLong, Sampling, Usage

LONG = [Message("user", "[[count 200]]")]
GREEDY = Sampling(temperature=0, max_tokens=24)


async def answer(generator: Any, prompt: Prompt, sampling: Sampling) -> list[Piece]:
    async with aclosing(generator.stream(prompt, sampling)) as pieces:
        return [piece async for piece in pieces]


def text(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def read_and_made(pieces: list[Piece], backend_name: str, prompt: Prompt, made: int) -> bool:
    """Whether the usage is that of `prompt` and `made` tokens; a remote engine counts what it read, we had estimated it."""
    usage = pieces[-1].usage
    if backend_name != "openai" or usage is None:
        return usage == Usage(len(prompt.token_ids), made)
    return 0 < usage.prompt_tokens <= len(prompt.token_ids) and usage.completion_tokens == made


async def test_only_the_last_piece_has_reason_and_usage(started: Callable[..., Any], backend_name: str) -> None:
    async with started(backend_name) as generator:
        prompt = generator.render(LONG)
        pieces = await answer(generator, prompt, GREEDY)
        assert all(piece.finish_reason is None and piece.usage is None for piece in pieces[:-1])
        assert pieces[-1].finish_reason == "length"
        assert read_and_made(pieces, backend_name, prompt, 24)
        assert generator.generated_tokens_total == 24
        assert generator.active_generations == 0


async def test_the_prompt_holds_its_messages_and_text(started: Callable[..., Any], backend_name: str) -> None:
    async with started(backend_name) as generator:
        prompt = generator.render(LONG)
        assert prompt.messages == tuple(LONG)
        assert "[[count 200]]" in prompt.text
        assert prompt.token_ids


async def test_an_answer_fills_the_context_and_no_more(started: Callable[..., Any], backend_name: str) -> None:
    async with started(backend_name) as generator:
        prompt = generator.render(LONG)
        usage = (await answer(generator, prompt, Sampling(temperature=0, max_tokens=10**6)))[-1].usage
        assert usage is not None
        assert usage.prompt_tokens + usage.completion_tokens <= generator.context_length


@pytest.mark.parametrize("over", [0, 1])
async def test_a_prompt_that_leaves_no_room_is_too_long(started: Callable[..., Any], backend_name: str, over: int) -> None:
    async with started(backend_name) as generator:
        base = generator.render(LONG)
        size = generator.context_length + over
        prompt = Prompt(base.messages, base.text, (base.token_ids * size)[:size])
        with pytest.raises(PromptTooLong) as caught:
            await answer(generator, prompt, GREEDY)
        assert (caught.value.prompt_tokens, caught.value.context_length) == (size, generator.context_length)
        fits = Prompt(base.messages, base.text, prompt.token_ids[: generator.context_length - 1])
        assert read_and_made(await answer(generator, fits, GREEDY), backend_name, fits, 1)


async def test_closing_stops_the_model_within_one_token(started: Callable[..., Any], backend_name: str) -> None:
    async with started(backend_name) as generator:
        prompt = generator.render(LONG)
        stream = generator.stream(prompt, Sampling(temperature=0, max_tokens=150))
        await anext(stream)
        assert generator.active_generations == 1
        await stream.aclose()
        assert generator.active_generations == 0
        made = generator.generated_tokens_total
        await asyncio.sleep(0.05)
        assert generator.generated_tokens_total == made < 150


async def test_a_cancelled_task_frees_its_slot(started: Callable[..., Any], backend_name: str) -> None:
    async with started(backend_name, max_concurrent=1) as generator:
        prompt = generator.render(LONG)
        task = asyncio.create_task(answer(generator, prompt, Sampling(temperature=0, max_tokens=150)))
        while not generator.generated_tokens_total:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert generator.active_generations == 0
        assert (await answer(generator, prompt, GREEDY))[-1].finish_reason == "length"


async def test_streams_run_side_by_side(started: Callable[..., Any], backend_name: str) -> None:
    async with started(backend_name, max_concurrent=3) as generator:
        prompt = generator.render(LONG)
        alone = await answer(generator, prompt, GREEDY)
        many = await asyncio.gather(*(answer(generator, prompt, GREEDY) for _ in range(8)))
        assert {text(pieces) for pieces in many} == {text(alone)}
        streams = [generator.stream(prompt, Sampling(temperature=0, max_tokens=150)) for _ in range(3)]
        for stream in streams:
            await anext(stream)
        await asyncio.gather(*(stream.aclose() for stream in streams))
        assert generator.active_generations == 0


async def test_more_than_max_concurrent_wait_their_turn(started: Callable[..., Any], backend_name: str) -> None:
    async with started(backend_name, max_concurrent=1) as generator:
        prompt = generator.render(LONG)
        first = generator.stream(prompt, Sampling(temperature=0, max_tokens=1))
        await anext(first)
        waiting = asyncio.create_task(answer(generator, prompt, GREEDY))
        given_up = asyncio.create_task(answer(generator, prompt, GREEDY))
        await asyncio.sleep(0)
        given_up.cancel()
        await first.aclose()
        assert (await waiting)[-1].finish_reason == "length"
        with pytest.raises(asyncio.CancelledError):
            await given_up


async def test_a_stop_string_ends_the_answer_and_is_not_shown(started: Callable[..., Any], backend_name: str) -> None:
    async with started(backend_name) as generator:
        prompt = generator.render(LONG)
        whole = text(await answer(generator, prompt, GREEDY))
        stop = whole[5:9]
        pieces = await answer(generator, prompt, Sampling(temperature=0, max_tokens=24, stop=("never", stop)))
        assert text(pieces) == whole[: whole.index(stop)]
        assert pieces[-1].finish_reason == "stop"


async def test_a_seed_gives_the_same_text_whatever_runs_beside(started: Callable[..., Any], backend_name: str) -> None:
    async with started(backend_name) as generator:
        prompt = generator.render(LONG)
        seeded = Sampling(temperature=1.5, top_k=0, top_p=1.0, max_tokens=24, seed=7)
        first = await answer(generator, prompt, seeded)
        again, _, third = await asyncio.gather(
            answer(generator, prompt, seeded),
            answer(generator, prompt, Sampling(temperature=1.5, max_tokens=24)),
            answer(generator, prompt, seeded),
        )
        assert text(first) == text(again) == text(third)


async def test_close_ends_running_streams_and_refuses_new_ones(started: Callable[..., Any], backend_name: str) -> None:
    async with started(backend_name) as generator:
        prompt = generator.render(LONG)
        stream = generator.stream(prompt, Sampling(temperature=0, max_tokens=150))
        await anext(stream)
        await generator.close()
        rest = [piece async for piece in stream]
        assert rest[-1].finish_reason == "cancelled"
        assert generator.active_generations == 0
        with pytest.raises(ModelNotReady):
            await answer(generator, prompt, GREEDY)


def crowd(generator: Any) -> list[tuple[Prompt, Sampling]]:
    """Return sixteen requests of which no two are alike: words, lengths, seeds, stop strings."""
    words = [f"canary{number * 7919}" for number in range(16)]
    return [
        (
            generator.render([Message("user", f"{word} " * (1 + place % 5))]),
            Sampling(
                max_tokens=4 + 2 * place,
                temperature=0.0 if place % 3 else 1.2,
                top_p=1.0 if place % 2 else 0.8,
                repetition_penalty=1.0 if place % 4 else 1.2,
                stop=("e",) if place % 5 == 4 else (),
                seed=place,
            ),
        )
        for place, word in enumerate(words)
    ]


async def test_sixteen_beside_each_other_say_what_each_says_alone(started: Callable[..., Any], backend_name: str) -> None:
    async with started(backend_name, max_concurrent=1) as generator:
        alone = [await answer(generator, *one) for one in crowd(generator)]
    async with started(backend_name, max_concurrent=16) as generator:
        together = await asyncio.gather(*(answer(generator, *one) for one in crowd(generator)))
        assert [text(pieces) for pieces in together] == [text(pieces) for pieces in alone]
        assert [pieces[-1].finish_reason for pieces in together] == [pieces[-1].finish_reason for pieces in alone]
        assert generator.active_generations == 0


async def test_a_stream_closed_while_it_waits_leaves_nothing(started: Callable[..., Any], backend_name: str) -> None:
    async with started(backend_name, max_concurrent=1) as generator:
        prompt = generator.render(LONG)
        first = generator.stream(prompt, Sampling(temperature=0, max_tokens=150))
        await anext(first)
        waiting = [asyncio.create_task(answer(generator, prompt, GREEDY)) for _ in range(5)]
        await asyncio.sleep(0.01)
        assert generator.active_generations == 1
        for task in waiting:
            task.cancel()
        assert all(isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*waiting, return_exceptions=True))
        await first.aclose()
        assert generator.active_generations == 0
        assert (await answer(generator, prompt, GREEDY))[-1].finish_reason == "length"


async def test_the_next_turn_of_a_conversation_says_what_it_says_afresh(started: Callable[..., Any], backend_name: str) -> None:
    turns = [Message("user", "Tell me. " * 6), Message("assistant", "I told you."), Message("user", "And now?")]
    async with started(backend_name) as generator:
        prompt = generator.render(turns)
        afresh = await answer(generator, prompt, GREEDY)
    async with started(backend_name) as generator:
        await answer(generator, generator.render(turns[:1]), GREEDY)
        await answer(generator, generator.render([Message("user", "Something else.")]), GREEDY)
        again = await answer(generator, prompt, GREEDY)
        assert text(again) == text(afresh)
        usage, measures = again[-1].usage, generator.measures()
        assert usage is not None
        assert 0 <= usage.cached_tokens < usage.prompt_tokens
        assert measures.cached_tokens_total is None or measures.cached_tokens_total >= usage.cached_tokens
        assert measures.kv_used is None or measures.kv_total is None or measures.kv_used <= measures.kv_total


async def test_a_raw_prompt_goes_without_a_template_or_is_refused(started: Callable[..., Any], backend_name: str) -> None:
    async with started(backend_name) as generator:
        if "raw" not in generator.features:
            with pytest.raises(NotSupported):
                generator.raw("1 2 3")
            return
        prompt = generator.raw("1 2 3")
        assert (prompt.messages, prompt.text) == ((), "1 2 3")
        assert len(prompt.token_ids) < len(generator.render([Message("user", "1 2 3")]).token_ids)
        assert text(await answer(generator, prompt, GREEDY))


async def test_presence_and_frequency_penalties_are_taken(started: Callable[..., Any], backend_name: str) -> None:
    penalised = Sampling(temperature=0, max_tokens=24, presence_penalty=-2.0, frequency_penalty=-2.0)
    async with started(backend_name) as generator:
        prompt = generator.render(LONG)
        pieces = await answer(generator, prompt, penalised)
        assert read_and_made(pieces, backend_name, prompt, 24)
        assert text(pieces) == text(await answer(generator, prompt, penalised))
        assert (text(pieces) != text(await answer(generator, prompt, GREEDY))) == (backend_name not in ("echo", "openai"))
