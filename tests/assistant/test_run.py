"""Runs: an answer belongs to the server. Any number of readers, from any piece; cancelling stops the engine."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from assistant.errors import Stopping
from assistant.prompt import Fitted, TokenCounts
from assistant.run import Run
from generation.base import EngineFailed, Message, Piece, Prompt, Sampling, Usage
from generation.echo_backend import EchoGenerator
from generation.settings import GenerationSettings
from tests.assistant.conftest import until
from tests.assistant.script import LAST, Script


@pytest.fixture
async def run() -> AsyncIterator[Run]:
    made = Run("chat", None, [])
    yield made
    made.cancel()
    await made.stopped()


async def read(run: Run, after: int = 0) -> str:
    async with aclosing(run.follow(after)) as pieces:
        return "".join([piece.text async for piece in pieces])


async def test_a_run_from_its_beginning_to_its_end(run: Run) -> None:
    script = Script(Piece("a"), Piece("b"), Piece("c"), LAST)
    assert (run.state, run.done, run.text, run.first_after, run.tokens_per_second) == ("waiting", False, "", None, None)
    run.start(script.stream())
    script.go(2)
    await until(lambda: run.text == "ab")
    assert not run.done
    assert run.first_after is not None
    script.go(2)
    await run.wait()
    assert (run.state, run.text, run.finish_reason, run.usage) == ("finished", "abc", "stop", Usage(2, 3))
    assert run.tokens_per_second is not None
    assert run.tokens_per_second > 0
    assert script.closed


@pytest.mark.parametrize("after", range(5))
async def test_follow_from_any_piece(run: Run, after: int) -> None:
    script = Script(Piece("a"), Piece("b"), Piece("c"), LAST)
    run.start(script.stream())
    script.go(2)
    await until(lambda: run.text == "ab")
    reading = asyncio.create_task(read(run, after))
    await asyncio.sleep(0)
    script.go(2)
    assert await reading == "abc"[after:]
    assert await read(run, after) == "abc"[after:], "and again when it has ended"


async def test_several_readers_read_the_same(run: Run) -> None:
    letters = [chr(ord("a") + i) for i in range(20)]
    script = Script(*map(Piece, letters), LAST)
    run.start(script.stream())
    readers = [asyncio.create_task(read(run)) for _ in range(5)]
    for _ in range(10):
        script.go()
        await asyncio.sleep(0)
    readers += [asyncio.create_task(read(run)) for _ in range(5)]
    script.go(11)
    assert await asyncio.gather(*readers) == ["".join(letters)] * 10


async def test_a_reader_that_leaves_stops_nothing(run: Run) -> None:
    script = Script(Piece("a"), Piece("b"), LAST)
    run.start(script.stream())
    reading = asyncio.create_task(read(run))
    script.go()
    await until(lambda: run.text == "a")
    reading.cancel()
    await asyncio.wait([reading])
    script.go(2)
    await run.wait()
    assert (run.state, run.text) == ("finished", "ab")


async def test_cancel_keeps_the_text_so_far(run: Run) -> None:
    script = Script(Piece("a"), Piece("b"), LAST)
    run.start(script.stream())
    script.go()
    reading = asyncio.create_task(read(run))
    await until(lambda: run.text == "a")
    run.cancel()
    assert await reading == "a"
    assert (run.state, run.finish_reason, run.error) == ("cancelled", "cancelled", None)
    assert script.closed, "told to the readers only when the engine has let go"
    run.cancel()
    assert run.state == "cancelled"


async def test_cancel_before_the_first_step(run: Run) -> None:
    script = Script(Piece("a"), LAST)
    run.start(script.stream())
    run.cancel()
    await run.stopped()
    assert (run.state, run.text, run.finish_reason) == ("cancelled", "", "cancelled")
    assert await read(run) == ""


async def test_cancel_with_a_reason_is_told_to_the_readers(run: Run) -> None:
    script = Script(Piece("a"), Piece("b"), LAST)
    run.start(script.stream())
    script.go()
    await until(lambda: run.text == "a")
    run.cancel(Stopping("The end."))
    with pytest.raises(Stopping, match="The end"):
        await read(run)
    assert (run.state, run.finish_reason, run.text) == ("failed", "cancelled", "a")


async def test_begun_waits_for_the_turn_and_no_longer(run: Run) -> None:
    turn = asyncio.Semaphore(0)

    @asynccontextmanager
    async def held() -> AsyncIterator[None]:
        async with turn:
            yield

    run.start(Script(LAST).stream(), held())
    begun = asyncio.create_task(run.begun())
    await asyncio.sleep(0.01)
    assert (run.state, run.waited, begun.done()) == ("waiting", None, False)
    turn.release()
    await begun
    assert run.state == "running"
    assert run.waited is not None


async def test_an_ended_run_keeps_its_prompt_as_text_only() -> None:
    prompt = Prompt((), "the prompt", tuple(range(1000)))
    run = Run("chat", Fitted(prompt, TokenCounts(0, 0, 0, 1000, 1000, 10, 2000)), [])
    script = Script(LAST)
    script.go()
    run.start(script.stream())
    await run.wait()
    assert run.fitted is not None
    assert (run.fitted.prompt.text, run.fitted.prompt.token_ids, run.fitted.counts.total) == ("the prompt", (), 1000)


async def test_cancel_after_the_end_changes_nothing(run: Run) -> None:
    script = Script(LAST)
    run.start(script.stream())
    script.go()
    await run.wait()
    run.cancel()
    assert run.state == "finished"


@pytest.mark.parametrize("error", [EngineFailed("The engine broke."), RuntimeError("a bug"), TimeoutError()])
async def test_a_failed_run_raises_for_its_followers(run: Run, error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    script = Script(Piece("a"), error)
    run.start(script.stream())
    seen: list[str] = []

    async def follow() -> None:
        async with aclosing(run.follow()) as pieces:
            async for piece in pieces:
                seen.append(piece.text)

    readers = [asyncio.create_task(follow()), asyncio.create_task(follow())]
    with caplog.at_level(logging.CRITICAL, "assistant.run"):
        script.go(2)
        outcomes = await asyncio.gather(*readers, run.wait(), return_exceptions=True)
    assert outcomes == [error] * 3
    assert seen == ["a", "a"]
    assert (run.state, run.error, run.text) == ("failed", error, "a")
    with pytest.raises(type(error)):
        await run.wait()


@pytest.mark.parametrize("after", [0, 1, 5])
async def test_cancel_stops_the_engine(run: Run, after: int) -> None:
    echo = EchoGenerator(GenerationSettings(backend="echo", echo_delay=0.001, max_concurrent=1))
    prompt = echo.render([Message("user", "[[count 100000]]")])
    run.start(echo.stream(prompt, Sampling()))
    waiting = Run("chat", None, [])
    waiting.start(echo.stream(prompt, Sampling()))
    await until(lambda: len(run.text.split()) > after)
    assert echo.active_generations == 1
    waiting.cancel()
    await waiting.stopped()
    run.cancel()
    await run.stopped()
    made = echo.generated_tokens_total
    await asyncio.sleep(0.02)
    assert (echo.active_generations, echo.generated_tokens_total) == (0, made)
    assert (run.state, waiting.state, waiting.text) == ("cancelled", "cancelled", "")
