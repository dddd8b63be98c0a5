"""Changes the model of a running server: the new one beside the old where memory suffices, else after it.

Answers that have begun end with the model that began them, within a limit. When the new model cannot be loaded, the old
one stays, or is loaded again. Knows no page and no right: who may do this is for the door to know.
"""

import asyncio

from assistant.assistant import Assistant
from assistant.errors import ModelChanged
from generation.base import GenerationError, ModelNotReady, ModelUnusable
from generation.engine import Engine, EngineState
from generation.memory_estimate import Estimate, estimate, with_model
from generation.settings import GenerationSettings


class ModelSwitch:
    """One change at a time; `failure` says why the latest one came to nothing ("" if it did not)."""

    def __init__(self, assistant: Assistant, seconds: float) -> None:
        self._assistant, self._seconds = assistant, seconds
        self._coming: Engine | None = None
        self._task: asyncio.Task[None] | None = None
        self.failure = ""

    @property
    def state(self) -> EngineState | None:
        """What the coming engine does, or None while none is coming."""
        return self._coming.state if self._coming is not None and self._going else None

    @property
    def _going(self) -> bool:
        return self._task is not None and not self._task.done()

    async def estimate(self, model_path: str) -> Estimate:
        """Return what the model would take; raises `ModelUnusable`, naming what is wrong with it."""
        present = self._assistant.engine.settings
        return await asyncio.to_thread(estimate, present, with_model(present, model_path))

    async def start(self, model_path: str) -> None:
        """Begin the change; `state` tells how far it is. Raises `ModelNotReady` during another one, and `ModelUnusable`."""
        found = await self.estimate(model_path)
        if self._going or self._assistant.engine.state.phase == "loading":
            raise ModelNotReady("A model is being loaded already. Wait until it is ready.")
        if not found.instead:
            raise ModelUnusable(f"{model_path} does not fit into the memory of this machine.")
        wanted = with_model(self._assistant.engine.settings, model_path)
        self.failure, self._coming = "", self._like(wanted)
        change = self._beside if found.beside else self._instead
        self._task = asyncio.create_task(change(self._assistant.engine, self._coming), name="model switch")

    async def wait(self) -> None:
        """Return when the change that goes on has come to its end."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """Give up a change that goes on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            if self._coming is not None and self._coming is not self._assistant.engine:
                await self._coming.close()

    async def _beside(self, old: Engine, new: Engine) -> None:
        """Load, then change over: questions are answered all the time."""
        if await self._loaded(new):
            self._assistant.engine = new
            await self._end(old)

    async def _instead(self, old: Engine, new: Engine) -> None:
        """Change over first, so that questions are refused with what the new engine says of itself; then load."""
        self._assistant.engine = new
        await self._end(old)
        if not await self._loaded(new):
            why = self.failure
            self._assistant.engine = self._coming = again = self._like(old.settings)
            await self._loaded(again)
            self.failure = why

    def _like(self, settings: GenerationSettings) -> Engine:
        """Return an engine whose death ends the process, as that of the present one does."""
        made = Engine(settings)
        made.on_giving_up = self._assistant.engine.on_giving_up
        return made

    async def _end(self, old: Engine) -> None:
        await self._assistant.runs.end(self._seconds, ModelChanged("The model was changed before this answer was finished."))
        await old.close()

    async def _loaded(self, engine: Engine) -> bool:
        try:
            await asyncio.to_thread(engine.check)
            await engine.load()
        except GenerationError as error:
            engine.state = EngineState("failed", engine.state.name, str(error))
        if engine.state.phase == "failed":
            self.failure = engine.state.detail
        return engine.state.phase == "ready"
