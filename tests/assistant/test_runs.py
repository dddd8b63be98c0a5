"""Runs: an answer belongs to the server. Any number of readers, from any piece; cancelling stops the engine."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest

from assistant.runs import Run, RunRegistry, TooManyRuns, UnknownRun
from generation.base import EngineFailed, Message, Piece, Sampling, Usage
from generation.echo_backend import EchoGenerator
from generation.settings import GenerationSettings
from tests.assistant.conftest import until

LAST = Piece("", "stop", Usage(2, 3))


class Script:
    """An engine's stream that goes on when it is told, and notes that it was closed."""

    def __init__(self, *pieces: Piece | Exception) -> None:
        self.pieces, self.step, self.closed = pieces, asyncio.Semaphore(0), False

    async def stream(self) -> AsyncGenerator[Piece, None]:
        try:
            for piece in self.pieces:
                await self.step.acquire()
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.closed = True

    def go(self, steps: int = 1) -> None:
        for _ in range(steps):
            self.step.release()


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
    assert (run.state, run.done, run.text, run.first_after, run.tokens_per_second) == ("running", False, "", None, None)
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
    with caplog.at_level(logging.CRITICAL, "assistant.runs"):
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


async def ended(registry: RunRegistry) -> Run:
    run = Run("chat", None, [])
    script = Script(LAST)
    script.go()
    run.start(script.stream())
    registry.add(run)
    await run.wait()
    return run


async def test_a_registry_takes_so_many_and_no_more() -> None:
    registry, runs = RunRegistry(2, 10), [Run("chat", None, []) for _ in range(2)]
    for run in runs:
        registry.admit()
        run.start(Script(LAST).stream())
        registry.add(run)
    assert registry.active == 2
    with pytest.raises(TooManyRuns, match="2 answers"):
        registry.admit()
    runs[0].cancel()
    await runs[0].stopped()
    registry.admit()
    assert registry.active == 1
    await registry.close()


async def test_a_registry_forgets_the_oldest_that_ended() -> None:
    registry = RunRegistry(10, 2)
    going = Run("chat", None, [])
    going.start(Script(LAST).stream())
    registry.add(going)
    runs = [await ended(registry) for _ in range(5)]
    assert registry.get(going.id) is going, "what goes on is never forgotten"
    assert [registry.get(run.id) for run in runs[-2:]] == runs[-2:]
    for run in runs[:2]:
        with pytest.raises(UnknownRun):
            registry.get(run.id)
    await registry.close()


async def test_ids_cannot_be_guessed() -> None:
    assert len({Run("chat", None, []).id for _ in range(100)}) == 100
    assert len(Run("chat", None, []).id) >= 22
    with pytest.raises(UnknownRun):
        RunRegistry(1, 1).get("")


async def test_close_cancels_all_and_waits() -> None:
    registry, scripts = RunRegistry(10, 10), [Script(Piece("a"), LAST) for _ in range(3)]
    runs = [Run("chat", None, []) for _ in scripts]
    for run, script in zip(runs, scripts, strict=True):
        run.start(script.stream())
        registry.add(run)
        script.go()
    await until(lambda: all(run.text == "a" for run in runs))
    await registry.close()
    assert [run.state for run in runs] == ["cancelled"] * 3
    assert [script.closed for script in scripts] == [True] * 3
    assert registry.active == 0
