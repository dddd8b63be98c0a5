"""The engine of a process: loading, an engine that dies and is started again, and one that dies for good."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from generation.base import EngineFailed, Message, ModelNotReady, ModelUnusable, Mortal, Piece, Prompt, Report, Sampling
from generation.echo_backend import EchoGenerator
from generation.engine import Engine
from generation.settings import GenerationSettings
from tests.assistant.conftest import until

SETTINGS = GenerationSettings(backend="echo", echo_delay=0.001)
PROMPT = [Message("user", "[[count 2000]]")]


class Frail(EchoGenerator):
    """The echo engine, with a switch that kills it as the end of its processes kills a real one."""

    def __init__(self, settings: GenerationSettings) -> None:
        super().__init__(settings)
        self.dead = asyncio.Event()
        self.closed = False

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        async with aclosing(super().stream(prompt, sampling)) as pieces:
            async for piece in pieces:
                if self.dead.is_set():
                    raise EngineFailed("dead")
                yield piece

    async def died(self) -> str:
        await self.dead.wait()
        return "It died."

    async def close(self) -> None:
        self.closed = True
        await super().close()


class FrailBackend:
    """Makes one `Frail` a load, and fails from load number `fails_at` on."""

    def __init__(self, fails_at: int = 99) -> None:
        self.made: list[Frail] = []
        self.fails_at = fails_at

    def check(self) -> None:
        """There is nothing to check."""

    def load(self, report: Report) -> Frail:
        if len(self.made) + 1 >= self.fails_at:
            raise ModelUnusable("It cannot be loaded any more.")
        self.made.append(Frail(SETTINGS))
        return self.made[-1]


class SlowBackend:
    """Loads until it is told to leave off."""

    def __init__(self) -> None:
        self.begun, self.told, self.ended = threading.Event(), threading.Event(), threading.Event()

    def check(self) -> None:
        """There is nothing to check."""

    def load(self, report: Report) -> EchoGenerator:
        self.begun.set()
        self.told.wait(60)
        self.ended.set()
        raise ModelUnusable("It was told to leave off.")

    def abandon(self) -> None:
        self.told.set()


async def loaded(backend: FrailBackend) -> tuple[Engine, list[str]]:
    engine, ends = Engine(SETTINGS), list[str]()
    engine._backend = backend
    engine.on_giving_up = lambda: ends.append(engine.state.detail)
    await engine.load()
    return engine, ends


async def asked(engine: Engine) -> None:
    generator = engine.generator
    async with aclosing(generator.stream(generator.render(PROMPT), Sampling())) as pieces:
        async for _ in pieces:
            pass


def test_only_an_engine_that_can_die_is_watched() -> None:
    kinds: list[tuple[type[Any], bool]] = [(Frail, True), (EchoGenerator, False)]
    for kind, mortal in kinds:
        assert issubclass(kind, Mortal) == mortal


async def test_a_dead_engine_is_started_again_once_and_then_given_up() -> None:
    backend = FrailBackend()
    engine, ends = await loaded(backend)
    answer = asyncio.create_task(asked(engine))
    await until(lambda: backend.made[0].generated_tokens_total > 3)
    backend.made[0].dead.set()
    with pytest.raises(EngineFailed):
        await answer
    await until(lambda: engine.restarts == 1 and engine.state.phase == "ready")
    assert backend.made[0].closed
    assert engine.generator is backend.made[1]
    assert ends == []
    backend.made[1].dead.set()
    await until(lambda: engine.given_up)
    assert (engine.state.phase, engine.restarts, len(backend.made)) == ("failed", 1, 2)
    assert ends == [engine.state.detail]
    assert "It died." in ends[0]
    with pytest.raises(ModelNotReady, match="It died"):
        _ = engine.generator
    await engine.close()


async def test_while_it_is_started_again_nobody_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = FrailBackend()
    engine, _ = await loaded(backend)
    may_load = asyncio.Event()
    load = engine.load

    async def late() -> None:
        await may_load.wait()
        await load()

    monkeypatch.setattr(engine, "load", late)
    backend.made[0].dead.set()
    await until(lambda: engine.state.phase == "loading")
    with pytest.raises(ModelNotReady, match=r"It died\. It is being started again"):
        _ = engine.generator
    may_load.set()
    await until(lambda: engine.state.phase == "ready")
    await engine.close()
    assert backend.made[1].closed


async def test_an_engine_that_cannot_be_started_again_is_given_up() -> None:
    engine, ends = await loaded(backend := FrailBackend(fails_at=2))
    backend.made[0].dead.set()
    await until(lambda: engine.given_up)
    assert ends == ["It cannot be loaded any more."]
    await engine.close()


async def test_the_first_load_may_fail_without_an_end_of_the_process() -> None:
    engine, ends = await loaded(FrailBackend(fails_at=1))
    assert (engine.state.phase, engine.given_up, ends) == ("failed", False, [])
    await engine.close()


async def test_a_load_is_broken_off_when_the_process_ends() -> None:
    engine = Engine(SETTINGS)
    slow = SlowBackend()
    engine._backend = slow
    loading = asyncio.create_task(engine.load())
    await until(slow.begun.is_set)
    loading.cancel()
    await engine.close()
    await until(slow.ended.is_set)
    assert loading.cancelled()


async def test_an_engine_that_is_closed_is_not_mourned() -> None:
    engine, ends = await loaded(backend := FrailBackend())
    await engine.close()
    backend.made[0].dead.set()
    await asyncio.sleep(0)
    assert (engine.restarts, ends, len(backend.made)) == (0, [], 1)
