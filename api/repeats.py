"""A log that nobody can flood: of lines that say the same, a few a minute (threats F-38)."""

import logging
import time
from collections.abc import Callable

FEW = 5
MINUTE = 60.0
TEMPLATES = 1000
"""Different lines that are told apart; a line is its text before its values are put in."""
TALKATIVE = ("uvicorn.error", "asyncio", "api.turnstile", "api.answering")
"""Loggers whose lines anybody who reaches the server can cause."""


class Repeats(logging.Filter):
    """Lets a line pass a few times a minute, and then says how many it has kept back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether `record` is written."""
        line = str(record.msg)[:200]
        if line not in self._seen and len(self._seen) >= TEMPLATES:
            self._seen.clear()
        now = self._clock()
        since, count = self._seen.get(line, (now, 0))
        if now - since >= MINUTE:
            if count > FEW:
                record.msg = f"{record.msg} ({count - FEW} more like it were kept back)"
            since, count = now, 0
        self._seen[line] = since, count + 1
        return count < FEW


def quieten() -> None:
    """Keep the loggers of `TALKATIVE` from being flooded."""
    for name in TALKATIVE:
        logging.getLogger(name).addFilter(Repeats())
