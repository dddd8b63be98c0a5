"""All runs of this server: how many it takes, whose turn it is, which are kept. Knows no wire and no page.

Bounded at every stage: a question is admitted before it costs anything, waits in a line with an end, and is kept for a
while when it has ended. What cannot be taken is refused at once, with the time after which it is worth trying again.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import islice

from assistant.errors import RunError, Stopping, TooManyOfOne, TooManyRuns, UnknownRun, WaitedTooLong
from assistant.line import Line, Place, Ticket
from assistant.run import Run, Watcher
from assistant.settings import AssistantSettings
from generation.base import Piece

STOPPED = "The server is being stopped. Ask again when it has started again."


class RunRegistry:
    """All runs of this server: those that wait, those that run, and the latest that ended; `slots` run at a time."""

    def __init__(self, settings: AssistantSettings, slots: int) -> None:
        self._settings = settings
        self._line = Line(slots)
        self._runs: dict[str, Run] = {}
        self._live: dict[str, Run] = {}
        self._tickets: dict[str, Ticket] = {}
        self._preparing: Counter[str] = Counter()
        self._watchers: list[Watcher] = []
        self.stopping = False

    @property
    def active(self) -> int:
        """Runs that have not ended."""
        return len(self._going())

    @property
    def waiting(self) -> int:
        """Runs whose turn has not come."""
        return self._line.waiting

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` of every run and refusal from now on."""
        self._watchers.append(watcher)

    def refused(self, error: Exception) -> None:
        """Tell the watchers that a question was refused."""
        for watcher in self._watchers:
            watcher.refused(error)

    @contextmanager
    def seat(self, principal: str) -> Iterator[None]:
        """Hold a seat for a question of `principal` until its run is started inside, so that no more are prepared than taken.

        Raises `Stopping`, `TooManyOfOne` or `TooManyRuns`.
        """
        self.check_open()
        self._check_room(principal)
        self._preparing[principal] += 1
        try:
            yield
        finally:
            self._preparing[principal] -= 1
            self._preparing = +self._preparing  # forget who has none

    def check_open(self) -> None:
        """Raise `Stopping` when the server takes no more questions."""
        if self.stopping:
            raise Stopping(STOPPED)

    def start(self, run: Run, stream: AsyncGenerator[Piece, None]) -> None:
        """Take the answer from the engine's `stream` when the turn of `run` has come; raises `TooManyRuns`, `Stopping`."""
        self.check_open()
        self._check_tokens(run)
        run.start(stream, self._turn(run), self._watchers)
        self._add(run)

    def start_now(self, run: Run, stream: AsyncGenerator[Piece, None]) -> None:
        """Take an answer that needs no engine."""
        self.check_open()
        run.start(stream, None, self._watchers)
        self._add(run)

    def place(self, run: Run) -> Place | None:
        """Return where `run` stands in the line, or None where it does not wait."""
        ticket = self._tickets.get(run.id)
        return None if ticket is None else self._line.place(ticket)

    def get(self, run_id: str) -> Run:
        """Return the run of this id; raises `UnknownRun`."""
        try:
            return self._runs[run_id]
        except KeyError:
            raise UnknownRun("This answer is no longer kept by the server.") from None

    async def end(self, seconds: float, reason: RunError) -> None:
        """Give what goes on now `seconds` to end, then end it with `reason`, which its readers see."""
        going = self._going()
        if going:
            await asyncio.wait([asyncio.ensure_future(run.stopped()) for run in going], timeout=seconds)
        for run in going:
            run.cancel(reason)
        for run in going:
            await run.stopped()

    async def drain(self, seconds: float) -> None:
        """Take no more questions, and end those taken."""
        self.stopping = True
        await self.end(seconds, Stopping("The server was stopped before this answer was finished."))

    async def close(self) -> None:
        """End all at once, and wait until the engine has let go."""
        await self.drain(0)

    def _going(self) -> list[Run]:
        # Apart from those that are kept: every question looks at them.
        self._live = {key: run for key, run in self._live.items() if not run.done}
        return list(self._live.values())

    def _add(self, run: Run) -> None:
        """Keep `run`, and forget the oldest ended ones beyond the number kept."""
        self._runs[run.id] = self._live[run.id] = run
        excess = len(self._runs) - len(self._going()) - self._settings.kept_runs
        for key in list(islice((key for key in self._runs if key not in self._live), max(0, excess))):
            del self._runs[key]

    @asynccontextmanager
    async def slot(self, principal: str, seconds: float) -> AsyncIterator[None]:
        """Hold a slot of the line for a small work of `principal` that is no run; raises `WaitedTooLong` after `seconds`."""
        ticket = Ticket(principal)
        await self._enter(ticket, seconds)
        try:
            yield
        finally:
            self._line.leave(ticket)

    @asynccontextmanager
    async def _turn(self, run: Run) -> AsyncIterator[None]:
        """Hold a slot of the line, or one after the other by `next_turn`; raises `WaitedTooLong`."""
        try:
            await self._queue(run)
            yield
        finally:
            self._leave(run)

    async def next_turn(self, run: Run) -> None:
        """Give back the slot of `run` between two of its steps, and return when its turn has come again.

        So a run of many steps lets others through. Raises `WaitedTooLong`.
        """
        self._leave(run)
        await self._queue(run)

    async def _queue(self, run: Run) -> None:
        self._tickets[run.id] = ticket = Ticket(run.principal)
        try:
            await self._enter(ticket, self._settings.max_wait_seconds)
        except BaseException:
            del self._tickets[run.id]
            raise

    def _leave(self, run: Run) -> None:
        if (ticket := self._tickets.pop(run.id, None)) is not None:
            self._line.leave(ticket)

    async def _enter(self, ticket: Ticket, seconds: float) -> None:
        try:
            await self._line.enter(ticket, seconds)
        except TimeoutError:
            raise WaitedTooLong(
                f"The turn of this question did not come within {seconds:g} s, for so much is being answered. Try again later.",
                self._line.seconds_each,
            ) from None

    def _check_room(self, principal: str) -> None:
        own, most = self._settings.max_runs_each, self._line.slots + self._settings.max_waiting
        going = self._going()
        if sum(run.principal == principal for run in going) + self._preparing[principal] >= own:
            raise TooManyOfOne(
                f"{own} of your answers are running or waiting, which is all that one person may have. Try again soon.",
                self._line.seconds_each,
            )
        if len(going) + self._preparing.total() >= most:
            raise self._full(f"{most} answers are running or waiting")

    def _check_tokens(self, run: Run) -> None:
        # A prompt in the line takes memory by its length, and there may be a hundred of them.
        waiting = [other for other in self._going() if other.state == "waiting"]
        tokens = sum(map(_tokens, waiting)) + _tokens(run)
        if waiting and tokens > self._settings.max_waiting_tokens:
            raise self._full(f"Questions of {tokens - _tokens(run):,} tokens are waiting")

    def _full(self, what: str) -> TooManyRuns:
        return TooManyRuns(f"{what}, which is all this server takes. Try again soon.", self._line.seconds_each)


def _tokens(run: Run) -> int:
    return run.fitted.counts.total if run.fitted is not None else 0
