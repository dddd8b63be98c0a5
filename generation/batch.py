"""The rows that share the model: who joins, what each feeds in the next step, who leaves. Knows no thread.

A step is one forward pass: every row that writes feeds its last token, with a guess behind it; prompts are read beside
them in stretches that `Pace` allows. When the memory of keys and values is full, the youngest row gives its own away and
waits; it then reads again what it had. One row always fits: the context is never longer than the memory.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import torch
from torch import Tensor

from generation.answer import Answer, is_memory
from generation.key_values import KeyValues
from generation.kv_memory import KvMemory
from generation.pace import Pace
from generation.ragged_forward import Part, RaggedForward
from generation.row import Row
from generation.tally import Tally

GUESSES = 24
"""Guessed tokens of one step, shared by the rows that write: a guess costs computing that a full batch lacks."""
HEADROOM = 64
"""Tokens of an answer for which memory is taken with that of its prompt."""


class Batch:
    """`add` a request, `step` until not `busy`. `ends`: ids that end an answer."""

    def __init__(
        self, forward: RaggedForward, memory: KvMemory, most: int, ends: frozenset[int], lookup: int, tally: Tally
    ) -> None:
        self.memory = memory
        self._forward, self._most, self._ends, self._lookup, self._tally = forward, most, ends, lookup, tally
        self._rows: list[Row] = []  # the oldest first
        self._waiting: deque[Row] = deque()
        self._pace = Pace()
        # Where the CPU computes, its own time: on a busy machine the wall's time tells how busy the others are.
        self._clock = time.thread_time if forward.form.device.type == "cpu" else time.perf_counter

    @property
    def busy(self) -> bool:
        """Whether a step has anything to do."""
        return bool(self._rows or self._waiting)

    def add(self, answer: Answer) -> None:
        """Let a request wait for its turn."""
        self._waiting.append(Row(answer, self._forward.form.device, self._lookup))

    def step(self) -> None:
        """Let rows leave and join, then compute one step."""
        self._release()
        self._admit()
        parts = self._plan()
        if not parts:
            return
        begin = self._clock()
        read = [len(part.ids) for row, part in parts if row.unread > 1]
        for (row, part), logits, largest in self._computed(parts):
            with self._failing_alone(row):
                row.take(part, logits, largest if row.choice.is_largest else None, self._ends)
        self._pace.saw(self._clock() - begin, len(parts) - len(read), sum(read))
        self._release()

    def clear(self) -> None:
        """End every answer where it is, and forget what was kept."""
        for row in (*self._rows, *self._waiting):
            row.answer.stop.set()
        self._release()
        self.memory.forget()

    def _release(self) -> None:
        """Let go of the rows that have ended or that nobody wants any more."""
        for row in [row for row in self._rows if row.ended or not row.answer.wanted]:
            self._leave(row)
            row.answer.end()
            row.answer.let_go()
        for row in [row for row in self._waiting if not row.answer.wanted]:
            self._waiting.remove(row)
            row.answer.end()
            row.answer.let_go()

    def _admit(self) -> None:
        """Let the first who wait join, as long as there is a place and memory."""
        while self._waiting and len(self._rows) < self._most:
            row = self._waiting[0]
            with self._failing_alone(row):
                if not self._begin(row):
                    return
                self._rows.append(self._waiting.popleft())
                self._tally.add(active=1)

    def _begin(self, row: Row) -> bool:
        """Give `row` its memory, and what is there of its beginning; returns whether there was room."""
        left = row.answer.limit - row.answer.made
        running = [kept for other in self._rows if (kept := other.kept()) is not None]
        begun = self.memory.begin(row.ids, len(row.ids) + min(left, HEADROOM), running)
        if begun is None:
            return False
        row.memory, row.read = begun
        if not row.begun:
            row.begun, row.answer.cached = True, row.read
            self._tally.add(prompt=len(row.ids), cached=row.read)
        return True

    def _leave(self, row: Row, keep: bool = True) -> None:
        self._rows.remove(row)
        self._tally.add(active=-1)
        if row.memory is None:
            return
        if keep and row.read:
            self.memory.keep(row.ids[: row.read], row.memory)
        else:
            self.memory.give_back(row.memory)
        row.memory = None

    def _wait(self, row: Row) -> None:
        """Let `row` give its memory away and be the next to join."""
        self._leave(row, keep=False)
        row.read = 0
        self._waiting.appendleft(row)

    def _plan(self) -> list[tuple[Row, Part]]:
        """Return what the next step computes, rows that write first."""
        writing = [row for row in self._rows if row.unread == 1]
        reading = [row for row in self._rows if row.unread > 1]
        room = self._pace.room(len(writing), len(reading))
        parts = []
        for row in writing:
            with self._failing_alone(row):
                if (memory := self._memory_for(row, row.guess(GUESSES // len(writing)))) is not None:
                    parts.append((row, row.part(memory, 1)))
        for row in reading:
            if room > 0 and row.memory is not None:
                parts.append((row, row.part(row.memory, room)))
                room -= len(parts[-1][1].ids)
        return [(row, part) for row, part in parts if row.memory is not None]

    def _memory_for(self, row: Row, more: int) -> KeyValues | None:
        """Return the memory of `row` with room for all its tokens and `more`; the youngest rows give theirs for it."""
        while row.memory is not None:
            grown = self.memory.grow(row.memory, row.read, len(row.ids) + more)
            if grown is not None:
                row.memory = grown
                return grown
            self._wait(self._rows[-1])
        return None

    def _computed(self, parts: Sequence[tuple[Row, Part]]) -> list[tuple[tuple[Row, Part], Tensor, list[int]]]:
        """Return logits and their largest ids for each part; a failure ends only the rows that fail alone too."""
        try:
            logits = self._forward([part for _, part in parts])
            return list(zip(parts, logits, _largest(logits), strict=True))
        except Exception as error:  # the model is a foreign program: it can fail in any way
            if len(parts) == 1 and not (is_memory(error) and self.memory.forget()):
                self._fail(parts[0][0], error)
                return []
        return [done for part in parts for done in self._computed([part])]

    @contextmanager
    def _failing_alone(self, row: Row) -> Iterator[None]:
        """End `row`, and nothing else, if what is done for it fails."""
        try:
            yield
        except Exception as error:  # memory may be refused, and the model's numbers may be no numbers
            self._fail(row, error)

    def _fail(self, row: Row, error: Exception) -> None:
        if row in self._rows:
            self._leave(row, keep=False)
        else:
            self._waiting.remove(row)
        if is_memory(error):
            self.memory.forget()
        row.answer.fail(error)
        row.answer.let_go()


def _largest(logits: Sequence[Tensor]) -> list[list[int]]:
    """Return the largest ids of every part, found for all of them at once."""
    ids = iter(torch.cat(list(logits)).argmax(dim=-1).tolist())
    return [list(islice(ids, len(some))) for some in logits]
