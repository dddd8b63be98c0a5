"""Runs: answers that belong to the server, not to the connection that asked. Knows no wire and no page.

A run goes on when its reader leaves; whoever wants it to end calls `cancel`. Any number of readers follow it, each from
any piece. All of this lives on one event loop.

Error tree::

    RunError
    ├── UnknownRun      no run of this id (never was, or long forgotten)
    └── TooManyRuns     as many answers are running and waiting as the server takes
"""

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Literal

from assistant.prompt import Fitted
from generation.base import FinishReason, GenerationError, Piece, Usage
from knowledge.base import Passage

LOG = logging.getLogger(__name__)
State = Literal["running", "finished", "cancelled", "failed"]


class RunError(Exception):
    """Base of the errors of runs; its text is a sentence for the person who asked."""


class UnknownRun(RunError):
    """There is no such run."""


class TooManyRuns(RunError):
    """The server is full; try again later."""


class Run:
    """One answer on its way: its sources, its exact prompt, its pieces so far, and how it ended."""

    def __init__(self, mode: str, fitted: Fitted | None, sources: Sequence[Passage]) -> None:
        self.id = secrets.token_urlsafe(18)
        self.mode, self.fitted, self.sources = mode, fitted, tuple(sources)
        self.state: State = "running"
        self.finish_reason: FinishReason | None = None
        self.usage: Usage | None = None
        self.error: Exception | None = None
        self.started = time.monotonic()
        self.first_piece: float | None = None
        self.ended: float | None = None
        self._pieces: list[Piece] = []
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(piece.text for piece in self._pieces)

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self.state != "running"

    @property
    def first_after(self) -> float | None:
        """Seconds from the question to the first text, or None while there is none."""
        return None if self.first_piece is None else self.first_piece - self.started

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens a second after the first one, or None where it cannot be told yet."""
        if self.usage is None or self.first_piece is None or self.ended is None or self.usage.completion_tokens < 2:
            return None
        return (self.usage.completion_tokens - 1) / max(self.ended - self.first_piece, 1e-6)

    async def follow(self, after: int = 0) -> AsyncGenerator[Piece, None]:
        """Yield the pieces from number `after` on, waiting for new ones; raises the run's error at its end if it failed."""
        while True:
            while after < len(self._pieces):
                yield self._pieces[after]
                after += 1
            if self.done:
                break
            await self._news.wait()
        if self.error is not None:
            raise self.error

    async def wait(self) -> None:
        """Return when the run has ended; raises its error if it failed."""
        async with aclosing(self.follow()) as pieces:
            async for _ in pieces:
                pass

    def cancel(self) -> None:
        """Stop the model; the text so far stays. Does nothing to a run that has ended."""
        if self._task is not None and not self.done:
            self._task.cancel()

    def start(self, stream: AsyncGenerator[Piece, None]) -> None:
        """Take the answer from `stream`, in a task of its own."""
        self._task = asyncio.create_task(self._take(stream), name=f"run {self.id}")
        # A task that is cancelled before its first step never enters `_take`.
        self._task.add_done_callback(self._ended)

    async def stopped(self) -> None:
        """Return when the engine has let go of this run."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _take(self, stream: AsyncGenerator[Piece, None]) -> None:
        try:
            async with aclosing(stream):
                async for piece in stream:
                    self._add(piece)
            self._end("finished")
        except asyncio.CancelledError:
            # Cancelling is how a run is stopped: the task ends here, it does not pass the cancellation on.
            self.finish_reason = "cancelled"
            self._end("cancelled")
        except GenerationError as error:
            self._end("failed", error)
        except Exception as error:  # an engine's own library broke: the reader is told, the trace goes to the log
            LOG.exception("run %s failed", self.id)
            self._end("failed", error)

    def _add(self, piece: Piece) -> None:
        if self.first_piece is None and piece.text:
            self.first_piece = time.monotonic()
        self.finish_reason, self.usage = piece.finish_reason or self.finish_reason, piece.usage or self.usage
        self._pieces.append(piece)
        self._tell()

    def _ended(self, _: "asyncio.Task[None]") -> None:
        if not self.done:
            self.finish_reason = "cancelled"
            self._end("cancelled")

    def _end(self, state: State, error: Exception | None = None) -> None:
        self.state, self.error, self.ended = state, error, time.monotonic()
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class RunRegistry:
    """All runs of this server: those that go on, and the latest that ended."""

    def __init__(self, max_runs: int, kept_runs: int) -> None:
        self._max_runs, self._kept_runs = max_runs, kept_runs
        self._runs: OrderedDict[str, Run] = OrderedDict()

    @property
    def active(self) -> int:
        """Runs that have not ended."""
        return sum(not run.done for run in self._runs.values())

    def admit(self) -> None:
        """Raise `TooManyRuns` when no more answers are taken at present."""
        if self.active >= self._max_runs:
            raise TooManyRuns(
                f"{self._max_runs} answers are running or waiting, which is all this server takes. Try again soon."
            )

    def add(self, run: Run) -> None:
        """Keep `run`, and forget the oldest ended ones beyond the number kept."""
        self._runs[run.id] = run
        ended = [key for key, kept in self._runs.items() if kept.done]
        for key in ended[: max(0, len(ended) - self._kept_runs)]:
            del self._runs[key]

    def get(self, run_id: str) -> Run:
        """Return the run of this id; raises `UnknownRun`."""
        try:
            return self._runs[run_id]
        except KeyError:
            raise UnknownRun("This answer is no longer kept by the server.") from None

    async def close(self) -> None:
        """Cancel what is running and wait until the engine has let go."""
        running = [run for run in self._runs.values() if not run.done]
        for run in running:
            run.cancel()
        for run in running:
            await run.stopped()
