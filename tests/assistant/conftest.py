"""Fixtures: an assistant with the echo engine and a library that is filled in milliseconds."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api.settings import ServerSettings
from assistant.assistant import Assistant, Question
from generation.base import Generator, Message, Sampling
from generation.echo_backend import EchoGenerator
from generation.engine import Engine
from generation.settings import GenerationSettings
from knowledge.base import Locator, Passage, Source
from knowledge.library import Library
from tests.knowledge.conftest import finish
from tests.knowledge.stubs import StubEmbedder, read_text

DOCUMENT = b"The blue whale weighs 150 tons.\n\nThe red fox weighs seven kilograms.\n\nThe brown bear sleeps in winter."


@dataclass
class House:
    """An assistant and its parts, of the same settings."""

    assistant: Assistant
    engine: Engine
    library: Library

    @property
    def echo(self) -> EchoGenerator:
        generator = self.engine.generator
        assert isinstance(generator, EchoGenerator)
        return generator

    def fill(self, data: bytes = DOCUMENT, base: str = "default", name: str = "animals.txt") -> None:
        self.library.add(base, name, data)
        assert [job.detail for job in finish(self.library, base) if job.stage == "failed"] == []


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Return a function that makes a `House`; all are closed in the end."""
    async with AsyncExitStack() as stack:

        async def make_house(load: bool = True, **values: Any) -> House:
            values = {"backend": "echo", "data_dir": tmp_path / "data", "min_free_disk": 0, "chunk_overlap": 0} | values
            settings = ServerSettings.model_validate(values)
            engine = Engine(settings)
            library = Library(settings, read=read_text, embedder=StubEmbedder(max_tokens=8))
            assistant = Assistant(engine, library, settings)
            engine.check()
            library.open()
            stack.push_async_callback(asyncio.to_thread, library.close)
            stack.push_async_callback(engine.close)
            stack.push_async_callback(assistant.close)
            library.load(lambda *_: None)
            if load:
                await engine.load()
            return House(assistant, engine, library)

        yield make_house


@pytest.fixture
async def house(make: Callable[..., Any]) -> House:
    made: House = await make()
    return made


def echo(context: int = 4096) -> Generator:
    return EchoGenerator(GenerationSettings(backend="echo", echo_context=context))


def passage(text: str, number: int = 1, name: str = "file.txt", locator: Locator | None = None) -> Passage:
    return Passage(number, text, Source("default", number, name), locator or Locator(), 0.5)


def ask(
    text: str, mode: Any = "chat", history: tuple[Message, ...] = (), sampling: Sampling | None = None, **more: Any
) -> Question:
    return Question((*history, Message("user", text)), mode, sampling=sampling or Sampling(), **more)


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)
