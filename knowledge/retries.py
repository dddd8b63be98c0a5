"""Jobs that met an error which may pass by itself, and when each is tried again: after growing pauses, so many times.

A full disk, a locked database, an embedding model that failed may be well again in a minute; a broken file never is, and
is not tried again by itself. Kept in memory: after a restart every unfinished job begins at once, with all its tries
before it. What a job does, and that a person may ask for a try at once, this does not know.
"""

import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from knowledge.base import EmbedderFailed, KnowledgeError, Retry, StorageFull, StoreInUse

PAUSES = (5.0, 30.0, 120.0, 600.0, 1800.0)
"""Seconds before each further try: soon for a hitch, and over 40 minutes together for a disk that a person must clear."""

SHORTEST = 2.0
"""Seconds, where nothing is tried again by itself, until it is tried once more to write down how a job ended."""


@dataclass(frozen=True, slots=True)
class Resting:
    """A job that waits for its next try; `due`: by the monotonic clock, `why` and `code` as of a failed job."""

    base_id: int
    due: float
    why: str
    code: str
    retry: Retry


def may_pass(error: KnowledgeError) -> bool:
    """Return whether what failed now may work later with the same file: the disk, the database's file, the model."""
    disk = isinstance(error.__cause__, (sqlite3.OperationalError, OSError))
    return disk or isinstance(error, (StorageFull, StoreInUse, EmbedderFailed))


class Retries:
    """Which jobs rest, by their numbers; used by any thread."""

    def __init__(self, pauses: Sequence[float] = PAUSES) -> None:
        self._pauses = tuple(pauses)
        self._lock = threading.Lock()
        self._tried: dict[int, int] = {}
        self._resting: dict[int, Resting] = {}

    def rest(self, number: int, base_id: int, why: str, code: str, forced: bool = False) -> Resting | None:
        """Let a job rest until its next try; None when it has had them all.

        `forced`: also then, for as long as the last time, as its end cannot be written down.
        """
        most = len(self._pauses)
        with self._lock:
            tried = self._tried.get(number, 0) + 1
            if tried > most and not forced:
                return None
            self._tried[number] = tried = min(tried, most)
            pause = self._pauses[tried - 1] if most else SHORTEST
            retry = Retry(time.time() + pause, tried, most)
            self._resting[number] = Resting(base_id, time.monotonic() + pause, why, code, retry)
            return self._resting[number]

    def of(self, number: int) -> Resting | None:
        """Return how a job rests; None when it does not."""
        with self._lock:
            return self._resting.get(number)

    def not_due(self) -> set[int]:
        """Return the jobs whose time has not come."""
        now = time.monotonic()
        with self._lock:
            return {number for number, resting in self._resting.items() if resting.due > now}

    def wait(self, longest: float) -> float:
        """Return the seconds until the next job is due, `longest` at most."""
        now = time.monotonic()
        with self._lock:
            return min([longest, *(resting.due - now for resting in self._resting.values() if resting.due > now)])

    def wake(self, number: int) -> None:
        """Let a job rest no more: it is tried now, and keeps count."""
        with self._lock:
            self._resting.pop(number, None)

    def forget(self, numbers: set[int]) -> None:
        """Forget jobs that ended, are gone, or begin afresh."""
        with self._lock:
            for number in numbers:
                self._resting.pop(number, None)
                self._tried.pop(number, None)

    def forget_base(self, base_id: int) -> None:
        """Forget the jobs of a base that is gone."""
        with self._lock:
            gone = {number for number, resting in self._resting.items() if resting.base_id == base_id}
        self.forget(gone)
