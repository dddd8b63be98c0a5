"""Counters of one engine, from several threads."""

import threading


class Tally:
    """`active`: answers being generated; the others are totals that only grow, in tokens."""

    def __init__(self) -> None:
        self.active = self.generated = self.prompt = self.cached = 0
        self._lock = threading.Lock()

    def add(self, active: int = 0, generated: int = 0, prompt: int = 0, cached: int = 0) -> None:
        """Add to the counters."""
        with self._lock:
            self.active += active
            self.generated += generated
            self.prompt += prompt
            self.cached += cached
