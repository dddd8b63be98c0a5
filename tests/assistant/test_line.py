"""The line: fair between those who ask, bounded in time, and honest about the place."""

import asyncio

import pytest

from assistant.line import Line, Place, Ticket

LONG = 60.0


class Queue:
    """Tickets that wait in tasks of their own; `called` lists them in the order of their turns."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.called: list[str] = []
        self.tickets: dict[str, Ticket] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def join(self, *names: str, seconds: float = LONG) -> None:
        """Let each of `names` ("a1" is a question of a) come, one after the other."""
        for name in names:
            self.tickets[name] = ticket = Ticket(name[0])
            self.tasks[name] = asyncio.create_task(self._enter(name, ticket, seconds))
            await self.settle()

    async def _enter(self, name: str, ticket: Ticket, seconds: float) -> None:
        await self.line.enter(ticket, seconds)
        self.called.append(name)

    async def leave(self, *names: str) -> None:
        for name in names:
            self.line.leave(self.tickets.pop(name))
            await self.settle()

    async def withdraw(self, name: str) -> None:
        self.tasks[name].cancel()
        await asyncio.wait([self.tasks[name]])

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    def places(self, *names: str) -> list[int | None]:
        found = [self.line.place(self.tickets[name]) for name in names]
        return [None if place is None else place.position for place in found]

    async def drain(self) -> list[str]:
        """Let all end in the order in which they were called; returns that order."""
        for name in self.called:  # which grows meanwhile
            await self.leave(name)
        return self.called


async def test_free_slots_are_given_at_once() -> None:
    queue = Queue(Line(2))
    await queue.join("a1", "a2", "a3")
    assert (queue.called, queue.line.running, queue.line.waiting) == (["a1", "a2"], 2, 1)
    await queue.leave("a1")
    assert (queue.called, queue.line.running, queue.line.waiting) == (["a1", "a2", "a3"], 2, 0)


async def test_a_newcomer_is_not_starved_by_someones_ten() -> None:
    queue = Queue(Line(1))
    await queue.join(*(f"a{number}" for number in range(10)), "b0")
    assert queue.places("a0", "a1", "b0", "a2") == [None, 2, 1, 3], "b has nothing on the engine, a has"
    await queue.leave("a0")
    assert queue.called == ["a0", "b0"]


async def test_principals_take_turns() -> None:
    queue = Queue(Line(1))
    await queue.join("x", "a1", "a2", "a3", "b1", "b2", "b3", "c1")
    assert await queue.drain() == ["x", "a1", "b1", "c1", "a2", "b2", "a3", "b3"]


async def test_who_has_less_on_the_engine_goes_first() -> None:
    queue = Queue(Line(2))
    await queue.join("a1", "a2", "a3", "a4", "b1", "b2")
    await queue.leave("a1")
    assert queue.called[-1] == "b1"
    await queue.leave("a2")
    assert queue.called[-1] == "a3", "one each"


async def test_a_stream_of_newcomers_starves_nobody() -> None:
    queue = Queue(Line(1))
    await queue.join("a1", "a2")
    for number, name in enumerate("bcdefgh"):
        await queue.join(name)
        await queue.leave(queue.called[number])
    assert "a2" in queue.called[:4]


async def test_the_place_foretells_the_order() -> None:
    queue = Queue(Line(1))
    await queue.join("x", "a1", "a2", "a3", "b1", "c1", "c2")
    names = ["a1", "a2", "a3", "b1", "c1", "c2"]
    foretold = sorted(names, key=lambda name: queue.places(name)[0] or 0)
    assert await queue.drain() == ["x", *foretold]


async def test_the_expected_wait_comes_from_measured_times(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("assistant.line.time.monotonic", lambda: now)
    queue = Queue(Line(2))
    await queue.join("a", "b", "c", "d")
    assert queue.line.place(queue.tickets["c"]) == Place(1, None)
    now = 108.0
    await queue.leave("a")
    assert queue.line.place(queue.tickets["d"]) == Place(1, 4.0)
    assert queue.line.seconds_each == 4.0


async def test_whoever_leaves_the_line_takes_nothing_with_them() -> None:
    queue = Queue(Line(1))
    await queue.join("a1", "b1", "c1")
    assert queue.places("b1", "c1") == [1, 2]
    await queue.withdraw("b1")
    assert queue.places("c1") == [1]
    await queue.leave("a1")
    assert queue.called == ["a1", "c1"]


async def test_who_is_called_and_cancelled_at_once_gives_the_slot_back() -> None:
    queue = Queue(Line(1))
    await queue.join("a1", "b1", "c1")
    queue.line.leave(queue.tickets["a1"])  # calls b, whose task has not taken a step when it is cancelled
    await queue.withdraw("b1")
    await queue.settle()
    assert queue.called == ["a1", "c1"]
    assert (queue.line.running, queue.line.waiting) == (1, 0)


async def test_a_wait_has_an_end() -> None:
    line = Line(1)
    await line.enter(Ticket("a"), LONG)
    with pytest.raises(TimeoutError):
        await line.enter(Ticket("b"), 0.01)
    assert (line.running, line.waiting) == (1, 0)


async def test_nothing_is_kept_of_those_who_have_gone() -> None:
    line = Line(2)
    for number in range(100):
        ticket = Ticket(f"visitor {number}")
        await line.enter(ticket, LONG)
        line.leave(ticket)
    assert (line._turns, line._running, line._waiting) == ({}, {}, {})
