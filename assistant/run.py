"""A run: one answer that belongs to the server, not to the connection that asked. Knows no wire and no page.

A run waits for its turn, runs, and ends; it goes on when its reader leaves, and whoever wants it to end calls `cancel`.
Any number of readers follow it, each from any piece. All of this lives on one event loop.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import replace
from typing import Literal, Protocol

from assistant.coverage import Coverage, Progress
from assistant.errors import RunError
from assistant.prompt import Fitted
from assistant.support import Support, support
from generation.base import FinishReason, GenerationError, Piece, Usage
from knowledge.base import Passage

LOG = logging.getLogger(__name__)
State = Literal["waiting", "running", "finished", "cancelled", "failed"]
Rewriter = Literal["", "rule", "engine"]
GOING = ("waiting", "running")
"""The states of a run that has not ended."""


class Watcher(Protocol):
    """Whoever counts and times what happens to runs; called on the event loop, must be quick and never raise."""

    def begun(self, run: "Run") -> None:
        """The run no longer waits."""

    def text(self, run: "Run", seconds: float | None) -> None:
        """A piece with text came, `seconds` after the one before it; None: it is the first."""

    def ended(self, run: "Run") -> None:
        """The run has ended, in whatever state."""

    def refused(self, error: Exception) -> None:
        """A question was refused."""


class Run:
    """One answer on its way: its sources, its exact prompt, its pieces so far, and how it ended. Times: seconds, monotonic.

    `query` is the question as it was searched for, with what it takes from those before it ("": nothing was), `rewritten`
    by whom it was made so ("": as it was asked), `by_words` why only its words were compared ("": meaning was, too),
    `evidence` how much the passages tell about it, in [0, 1]. `support` is what an answer from documents rests on, once it
    has ended; with `refused` the answer is that they do not tell, and no model was asked; with `general` they do not, and the
    model answered from what it knows. `coverage`: of a question about
    whole documents; with `progress` it takes several steps, `fitted` is the prompt of the present one, and `usage` that of
    all. `count` returns the tokens of a text, for an answer that is ended before it tells its usage.
    """

    def __init__(
        self,
        mode: str,
        fitted: Fitted | None,
        sources: Sequence[Passage],
        principal: str = "",
        asked: float | None = None,
        count: Callable[[str], int] | None = None,
        refused: bool = False,
    ) -> None:
        self.id = secrets.token_urlsafe(18)
        self.mode, self.fitted, self.sources, self.principal = mode, fitted, tuple(sources), principal
        self.refused, self.general = refused, False
        self.query, self.evidence, self.by_words = "", 0.0, ""
        self.rewritten: Rewriter = ""
        self.support: Support | None = None
        self.progress: Progress | None = None
        self.coverage: Coverage | None = None
        self.state: State = "waiting"
        self.finish_reason: FinishReason | None = None
        self.usage: Usage | None = None
        self.error: Exception | None = None
        self.queued = time.monotonic()
        self.asked = self.queued if asked is None else asked
        self.began: float | None = None
        self.first_piece: float | None = None
        self.ended: float | None = None
        self._last_piece: float | None = None
        self._pieces: list[Piece] = []
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._reason: RunError | None = None
        self._watchers: Sequence[Watcher] = ()
        self._count = count

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(piece.text for piece in self._pieces)

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self.state not in GOING

    @property
    def waited(self) -> float | None:
        """Seconds in the line, or None where the turn has not come."""
        return None if self.began is None else self.began - self.queued

    @property
    def first_after(self) -> float | None:
        """Seconds from the question to the first text, or None while there is none."""
        return None if self.first_piece is None else self.first_piece - self.asked

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens a second after the first one, or None where it cannot be told yet."""
        if self.usage is None or self.first_piece is None or self.ended is None or self.usage.completion_tokens < 2:
            return None
        if self.progress is not None:  # its tokens are those of all steps, its times of the last one
            return None
        return (self.usage.completion_tokens - 1) / max(self.ended - self.first_piece, 1e-6)

    async def begun(self) -> None:
        """Return when the run no longer waits; raises its error if it failed by then (a door can still refuse)."""
        while self.state == "waiting":
            await self._news.wait()
        if self.error is not None:
            raise self.error

    async def batches(self, after: int = 0) -> AsyncGenerator[Sequence[Piece], None]:
        """Yield the pieces from number `after` on, all at once that came since the reader last asked; waits for new ones.

        Raises the run's error at its end if it failed.
        """
        while True:
            if pieces := self._pieces[after:]:
                after += len(pieces)
                yield pieces
            elif self.done:
                break
            else:
                await self._news.wait()
        if self.error is not None:
            raise self.error

    async def follow(self, after: int = 0) -> AsyncGenerator[Piece, None]:
        """Yield the pieces of `batches`, one by one."""
        async with aclosing(self.batches(after)) as batches:
            async for pieces in batches:
                for piece in pieces:
                    yield piece

    async def wait(self) -> None:
        """Return when the run has ended; raises its error if it failed."""
        async with aclosing(self.follow()) as pieces:
            async for _ in pieces:
                pass

    def cancel(self, reason: RunError | None = None) -> None:
        """Stop the model; the text so far stays. With a `reason` the run ends as failed, and its readers are told why."""
        if self._task is not None and not self.done:
            self._reason = self._reason or reason
            self._task.cancel()

    def start(
        self,
        stream: AsyncGenerator[Piece, None],
        turn: AbstractAsyncContextManager[None] | None = None,
        watchers: Sequence[Watcher] = (),
    ) -> None:
        """Take the answer from `stream` in a task of its own, while `turn` is held (None: at once)."""
        self._watchers = watchers
        self._task = asyncio.create_task(self._take(stream, turn or nullcontext()), name=f"run {self.id}")
        # A task that is cancelled before its first step never enters `_take`.
        self._task.add_done_callback(self._ended)

    async def stopped(self) -> None:
        """Return when the engine has let go of this run."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _take(self, stream: AsyncGenerator[Piece, None], turn: AbstractAsyncContextManager[None]) -> None:
        try:
            async with turn:
                self._begin()
                async with aclosing(stream):
                    async for piece in stream:
                        self._add(piece)
            self._end("finished")
        except asyncio.CancelledError:
            # Cancelling is how a run is stopped: the task ends here, it does not pass the cancellation on.
            self._cancelled()
        except (GenerationError, RunError) as error:
            self._end("failed", error)
        except Exception as error:  # an engine's own library broke: the reader is told, the trace goes to the log
            LOG.exception("run %s failed", self.id)
            self._end("failed", error)

    def _begin(self) -> None:
        self.state, self.began = "running", time.monotonic()
        for watcher in self._watchers:
            watcher.begun(self)
        self._tell()

    def _add(self, piece: Piece) -> None:
        if piece.text:
            self._time(time.monotonic())
        self.finish_reason, self.usage = piece.finish_reason or self.finish_reason, piece.usage or self.usage
        self._pieces.append(piece)
        self._tell()

    def _time(self, now: float) -> None:
        since = None if self._last_piece is None else now - self._last_piece
        self.first_piece = self.first_piece or now
        self._last_piece = now
        for watcher in self._watchers:
            watcher.text(self, since)

    def _ended(self, _: "asyncio.Task[None]") -> None:
        if not self.done:
            self._cancelled()

    def _cancelled(self) -> None:
        self.finish_reason = "cancelled"
        self._end("failed" if self._reason else "cancelled", self._reason)

    def _end(self, state: State, error: Exception | None = None) -> None:
        self.state, self.error, self.ended = state, error, time.monotonic()
        if self.fitted is not None:
            if self.usage is None and self._count is not None and self._pieces:
                # Only an answer's last piece tells its usage, and this answer was not let come so far.
                self.usage = Usage(self.fitted.counts.total, self._count(self.text))
            # Kept for the page, which shows text and counts; the ids were for the engine, and are most of the memory.
            self.fitted = replace(self.fitted, prompt=replace(self.fitted.prompt, token_ids=()))
        if self.mode == "knowledge":
            self.support = self._rests()
        for watcher in self._watchers:
            watcher.ended(self)
        self._tell()

    def _rests(self) -> Support:
        if self.refused or self.general:
            return Support("refused" if self.refused else "general")
        return support(self.text, self.sources)

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
