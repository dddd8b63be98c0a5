"""The line before the engine: who may use it now, who is next, and about when. Knows no run, no wire and no page.

Fair between principals (whoever asks: a page's session, a key, an address): a free slot goes to the principal with the
fewest answers on the engine, and among equals to the one whose last turn, or whose coming, is longest ago. So somebody's
ten questions take turns with a newcomer's one (max-min fairness, round-robin among equals). Lives on one event loop.
"""

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace
from itertools import count

REMEMBERED = 32
"""Answers whose mean time on the engine tells how long a place in the line takes."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the line: `position` from 1, and the `seconds` until its turn, or None while nothing has been measured."""

    position: int
    seconds: float | None


@dataclass(eq=False, slots=True)
class Ticket:
    """What somebody waits with; `called` when the turn has come, `began` (monotonic seconds) when it was taken."""

    principal: str
    called: asyncio.Event = field(default_factory=asyncio.Event)
    began: float = 0.0


class Line:
    """So many slots, and those who wait for one."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._waiting: dict[str, deque[Ticket]] = {}
        self._running: Counter[str] = Counter()
        self._turns: dict[str, int] = {}
        self._clock = count()
        self._lasted: deque[float] = deque(maxlen=REMEMBERED)
        self._places: dict[Ticket, int] | None = None

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    @property
    def running(self) -> int:
        """How many slots are taken."""
        return self._running.total()

    @property
    def seconds_each(self) -> float | None:
        """The mean time in which a place becomes free while all slots are taken, or None before anything was measured."""
        return sum(self._lasted) / len(self._lasted) / self.slots if self._lasted else None

    def place(self, ticket: Ticket) -> Place | None:
        """Return where `ticket` stands, or None where it does not wait."""
        if self._places is None:
            self._places = self._order()
        position = self._places.get(ticket)
        if position is None:
            return None
        return Place(position, None if self.seconds_each is None else self.seconds_each * position)

    async def enter(self, ticket: Ticket, seconds: float) -> None:
        """Return when `ticket` has a slot; raises `TimeoutError`, with nothing held, when that takes longer than `seconds`."""
        self._join(ticket)
        try:
            async with asyncio.timeout(seconds):
                await ticket.called.wait()
        except BaseException:
            self._part(ticket)
            raise
        ticket.began = time.monotonic()

    def leave(self, ticket: Ticket) -> None:
        """Give back the slot of a ticket that entered."""
        self._lasted.append(time.monotonic() - ticket.began)
        self._part(ticket)

    def _join(self, ticket: Ticket) -> None:
        self._waiting.setdefault(ticket.principal, deque()).append(ticket)
        if ticket.principal not in self._turns:
            self._turns[ticket.principal] = next(self._clock)
        self._call()

    def _part(self, ticket: Ticket) -> None:
        """Take back the slot of `ticket`, or its place in the line if it never had one."""
        principal = ticket.principal
        if ticket.called.is_set():
            self._running[principal] -= 1
            self._turns[principal] = next(self._clock)  # who has just had a slot goes behind all who wait
        else:
            self._waiting[principal].remove(ticket)
        self._forget(principal)
        self._call()

    def _call(self) -> None:
        """Give the free slots to those who are next."""
        self._places = None
        while self._waiting and self.running < self.slots:
            principal = min(self._waiting, key=self._claim)
            self._waiting[principal].popleft().called.set()
            self._running[principal] += 1
            self._turns[principal] = next(self._clock)
            self._forget(principal)

    def _claim(self, principal: str) -> tuple[int, int]:
        return self._running[principal], self._turns[principal]

    def _forget(self, principal: str) -> None:
        """Keep nothing of whoever has nothing here."""
        if not self._waiting.get(principal):
            self._waiting.pop(principal, None)
        if not self._running[principal]:
            del self._running[principal]
            if principal not in self._waiting:
                self._turns.pop(principal, None)

    def _order(self) -> dict[Ticket, int]:
        """Return the position of every ticket: as `_call` would call them one after the other, if nothing ended."""
        heads = [(*self._claim(principal), principal, 0) for principal in self._waiting]
        heapify(heads)
        clock = count(max(self._turns.values(), default=0) + 1)
        places: dict[Ticket, int] = {}
        while heads:
            running, _, principal, index = heads[0]
            places[self._waiting[principal][index]] = len(places) + 1
            if index + 1 < len(self._waiting[principal]):
                heapreplace(heads, (running + 1, next(clock), principal, index + 1))
            else:
                heappop(heads)
        return places
