"""The engine of this process from its settings to its end: none, loading, ready or failed.

Knows that loading takes long and may fail, and that a loaded engine may die: then it is started once more, and when it
dies again, whoever runs the process is told to end it. Does not know what any backend does. One engine belongs to one
event loop.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from generation.base import Abandonable, Backend, GenerationError, Generator, ModelNotReady, Mortal
from generation.settings import GenerationSettings, backend

LOG = logging.getLogger(__name__)
MOST_RESTARTS = 1
"""An engine that dies again does so for a reason that a fresh process, or a person, must look at."""
NO_MODEL = (
    "No model is loaded. Retrieval works; for answers start with --model-path DIR (a Hugging Face model folder or hub id)."
)


@dataclass(frozen=True, slots=True)
class EngineState:
    """What the engine is doing, for people: `name` of the model ("" if none), `detail` in words, `part` done in [0, 1]."""

    phase: Literal["none", "loading", "ready", "failed"]
    name: str = ""
    detail: str = ""
    part: float | None = None


class Engine:
    """Holds the one generator of this process; `check`, then `load` in the background, then `generator` answers.

    `restarts`: how often the engine had to be started again. `given_up`: whether it will not be again; `on_giving_up` is
    called then, on the event loop.
    """

    def __init__(self, settings: GenerationSettings) -> None:
        self._settings = settings
        self._backend: Backend | None = None
        self._generator: Generator | None = None
        self._watch: asyncio.Task[None] | None = None
        self.restarts = 0
        self.given_up = False
        self.on_giving_up: Callable[[], None] | None = None
        self.state = EngineState("none", detail=NO_MODEL)
        if settings.model is not None or settings.backend == "echo":
            self.state = EngineState("loading", settings.model_name, "waiting to load")

    @property
    def backend_name(self) -> str:
        """The name that `--backend` chose."""
        return self._settings.backend

    def check(self) -> None:
        """Raise `ModelUnusable` for what is known to be wrong before the port opens."""
        if self.state.phase == "loading":
            self._backend = backend(self._settings)
            self._backend.check()

    async def load(self) -> None:
        """Load the model in a thread; ends in the state ready or failed, never with an exception for the model's faults."""
        if self._backend is None:
            return
        try:
            self._generator = await asyncio.to_thread(self._backend.load, self._report)
        except GenerationError as error:
            LOG.error("%s", error)
            self.state = EngineState("failed", self._settings.model_name, str(error))
        else:
            self.state = EngineState("ready", self._settings.model_name)
            if isinstance(self._generator, Mortal):
                self._watch = asyncio.create_task(self._outlive(self._generator, self._generator), name="engine watch")

    @property
    def generator(self) -> Generator:
        """The generator; raises `ModelNotReady` with the reason while there is none."""
        if self._generator is not None:
            return self._generator
        if self.state.phase == "loading":
            raise ModelNotReady(f"The model {self.state.name} is still loading ({self.state.detail}). Try again in a moment.")
        raise ModelNotReady(self.state.detail)

    async def close(self) -> None:
        """End all answers and free the model, or break off the loading of it."""
        backend: object = self._backend
        if self.state.phase == "loading" and isinstance(backend, Abandonable):
            backend.abandon()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        if self._generator is not None:
            generator, self._generator = self._generator, None
            await generator.close()

    async def _outlive(self, mortal: Mortal, generator: Generator) -> None:
        """Wait for the death of `generator`, then start its like, or give up."""
        why = await mortal.died()
        LOG.error("%s", why)
        self._generator = None
        self.state = EngineState("loading", self._settings.model_name, f"{why} It is being started again")
        await generator.close()
        if self.restarts == MOST_RESTARTS:
            self.state = EngineState(
                "failed", self._settings.model_name, f"{why} It was started again before, so this is the end."
            )
        else:
            self.restarts += 1
            await self.load()
        if self.state.phase == "failed":
            self._give_up()

    def _give_up(self) -> None:
        self.given_up = True
        if self.on_giving_up is not None:
            self.on_giving_up()

    def _report(self, stage: str, part: float | None = None) -> None:
        # Called from the loading thread; replacing one frozen object is atomic, so readers need no lock.
        self.state = EngineState("loading", self._settings.model_name, stage, part)

    @property
    def max_concurrent(self) -> int:
        """Answers that the engine generates at the same time."""
        return self._settings.max_concurrent

    @property
    def settings(self) -> GenerationSettings:
        """The settings that this engine was made with."""
        return self._settings
