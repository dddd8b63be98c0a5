"""The engine of this process from its settings to its end: none, loading, ready or failed.

Knows that loading takes long and may fail; does not know what any backend does. One engine belongs to one event loop.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Literal

from generation.base import Backend, GenerationError, Generator, ModelNotReady
from generation.settings import GenerationSettings, backend

LOG = logging.getLogger(__name__)
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
    """Holds the one generator of this process; `check`, then `load` in the background, then `generator` answers."""

    def __init__(self, settings: GenerationSettings) -> None:
        self._settings = settings
        self._backend: Backend | None = None
        self._generator: Generator | None = None
        self.state = EngineState("none", detail=NO_MODEL)
        if settings.model_path is not None or settings.backend == "echo":
            self.state = EngineState("loading", self._name, "waiting to load")

    @property
    def backend_name(self) -> str:
        """The name that `--backend` chose."""
        return self._settings.backend

    @property
    def _name(self) -> str:
        names = self._settings.served_model_name
        return names[0] if names else (self._settings.model_path or self._settings.backend).rstrip("/").split("/")[-1]

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
            self.state = EngineState("failed", self._name, str(error))
        else:
            self.state = EngineState("ready", self._name)

    @property
    def generator(self) -> Generator:
        """The generator; raises `ModelNotReady` with the reason while there is none."""
        if self._generator is not None:
            return self._generator
        if self.state.phase == "loading":
            raise ModelNotReady(f"The model {self.state.name} is still loading ({self.state.detail}). Try again in a moment.")
        raise ModelNotReady(self.state.detail)

    async def close(self) -> None:
        """End all answers and free the model."""
        if self._generator is not None:
            generator, self._generator = self._generator, None
            await generator.close()

    def _report(self, stage: str, part: float | None = None) -> None:
        # Called from the loading thread; replacing one frozen object is atomic, so readers need no lock.
        self.state = EngineState("loading", self._name, stage, part)

    @property
    def max_concurrent(self) -> int:
        """Answers that the engine generates at the same time."""
        return self._settings.max_concurrent

    @property
    def settings(self) -> GenerationSettings:
        """The settings that this engine was made with."""
        return self._settings
