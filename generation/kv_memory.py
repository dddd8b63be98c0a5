"""The memory of keys and values of one engine: a budget in tokens, rows in use, and rows kept for the next turn.

A row that has ended stays, with its token ids, until somebody needs the room (least recently used first). A new prompt
that begins with the same tokens does not read them again: it takes the kept row over where it goes on from its end, as
the next turn of a conversation does, and copies the shared beginning otherwise. Knows no model and no thread.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from generation.key_values import BLOCK, Form, KeyValues, rounded

SHORTEST = 16
"""Tokens in common from which on copying is cheaper than reading."""

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Keys and values, and the tokens they are of."""

    ids: Ids
    memory: KeyValues


class KvMemory:
    """Takes and gives rows; `used` never exceeds `total`, both in tokens, whole blocks."""

    def __init__(self, form: Form, total: int) -> None:
        self.total = total // BLOCK * BLOCK
        self.used = 0
        self._form = form
        self._kept: list[Kept] = []  # the least recently used first

    def begin(self, prompt: Sequence[int], capacity: int, running: Iterable[Kept]) -> tuple[KeyValues, int] | None:
        """Return memory for a row and how many tokens of `prompt` are in it already; None while there is no room.

        `running`: rows in use whose beginning may be copied too. At least one token of the prompt is left to read.
        """
        ids = np.asarray(prompt[:-1], dtype=np.int64)
        best = max([*self._kept, *running], key=lambda kept: _common(kept.ids, ids), default=None)
        common = _common(best.ids, ids) if best is not None else 0
        if best is None or common < SHORTEST:
            return self._fresh(capacity)
        if best not in self._kept:
            return self._copy(best.memory, common, capacity)
        self._kept.remove(best)  # so that making room does not throw it out
        begun = None
        try:
            begun = self._copy(best.memory, common, capacity) if common < len(best.ids) else None
            if begun is None and (grown := self.grow(best.memory, common, capacity)) is not None:
                best, begun = None, (grown, common)
        finally:
            if best is not None:
                self._kept.append(best)
        return begun

    def grow(self, memory: KeyValues, filled: int, capacity: int) -> KeyValues | None:
        """Return `memory` with room for `capacity` tokens, its first `filled` kept; None while there is no room."""
        more = rounded(capacity) - memory.capacity
        if more <= 0:
            return memory
        if not self._make_room(more):
            return None
        larger = memory.copied(filled, capacity)
        self.used += more
        return larger

    def keep(self, ids: Sequence[int], memory: KeyValues) -> None:
        """Keep an ended row, `ids` being the tokens that are in it, until its room is needed."""
        self._kept.append(Kept(np.asarray(ids, dtype=np.int64), memory))

    def give_back(self, memory: KeyValues) -> None:
        """Note that a row's memory is no longer held."""
        self.used -= memory.capacity

    def forget(self) -> bool:
        """Give back what is kept; returns whether there was any."""
        for kept in self._kept:
            self.give_back(kept.memory)
        had = bool(self._kept)
        self._kept.clear()
        return had

    def _fresh(self, capacity: int) -> tuple[KeyValues, int] | None:
        if not self._make_room(rounded(capacity)):
            return None
        memory = KeyValues(self._form, capacity)
        self.used += memory.capacity
        return memory, 0

    def _copy(self, memory: KeyValues, tokens: int, capacity: int) -> tuple[KeyValues, int] | None:
        if not self._make_room(rounded(capacity)):
            return None
        copy = memory.copied(tokens, capacity)
        self.used += copy.capacity
        return copy, tokens

    def _make_room(self, tokens: int) -> bool:
        """Give kept rows back until `tokens` have room; none if that would not do."""
        if self.used + tokens - sum(kept.memory.capacity for kept in self._kept) > self.total:
            return False
        while self.used + tokens > self.total:
            self.give_back(self._kept.pop(0).memory)
        return True


def _common(one: Ids, other: Ids) -> int:
    """Return how many tokens both begin with."""
    size = min(len(one), len(other))
    different = one[:size] != other[:size]
    return int(different.argmax()) if different.any() else size
