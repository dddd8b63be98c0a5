"""How much of a prompt to read in a step in which others write: so much that they hardly notice.

Learns from the steps themselves what a step without reading takes and what a token read adds. Knows no row.
"""

LARGEST = 512
"""Prompt tokens of one step when nobody waits for the step: bounds its memory, and the time until a stop is seen."""
SMALLEST = 16
FIRST = 64
SLOWER = 2.5
"""A step with reading may take so many times one without (the promise is three, and steps vary)."""
_WEIGHT = 0.2


class Pace:
    """Durations in seconds, running means."""

    def __init__(self) -> None:
        self._writing = 0.0
        self._token = 0.0

    def saw(self, seconds: float, writing: int, reading: int) -> None:
        """Take note of a step in which `writing` rows wrote and `reading` prompt tokens were read."""
        if not reading:
            self._writing = _mean(self._writing, seconds)
        elif not writing or self._writing:
            spent = seconds - self._writing if writing else seconds
            self._token = _mean(self._token, max(spent, 0.0) / reading)

    def room(self, writing: int, waiting: int) -> int:
        """Return how many prompt tokens the next step may read, of `waiting` prompts, while `writing` rows write.

        The more prompts wait for each row that writes the more is read: everybody's waiting counts the same.
        """
        if not writing:
            return LARGEST
        steady = (SLOWER - 1) * self._writing / self._token if self._writing and self._token else FIRST
        return int(min(LARGEST, max(SMALLEST, steady) * max(1.0, waiting / writing)))


def _mean(old: float, new: float) -> float:
    return old + _WEIGHT * (new - old) if old else new
