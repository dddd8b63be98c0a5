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
    """Durations in seconds, running means: of a step without reading by how many write, and of a token read."""

    def __init__(self) -> None:
        self._writing: dict[int, float] = {}
        self._token = 0.0

    def saw(self, seconds: float, writing: int, reading: int) -> None:
        """Take note of a step in which `writing` rows wrote and `reading` prompt tokens were read."""
        if not reading:
            self._writing[writing] = _mean(self._writing.get(writing, 0.0), seconds)
        elif not writing or self._writing:
            self._token = _mean(self._token, max(seconds - self._without_reading(writing), 0.0) / reading)

    def room(self, writing: int, waiting: int) -> int:
        """Return how many prompt tokens the next step may read, of `waiting` prompts, while `writing` rows write.

        The more prompts wait for each row that writes the more is read: everybody's waiting counts the same.
        """
        if not writing:
            return LARGEST
        known = self._writing and self._token
        steady = (SLOWER - 1) * self._without_reading(writing) / self._token if known else FIRST
        return int(min(LARGEST, max(SMALLEST, steady) * max(1.0, waiting / writing)))

    def _without_reading(self, writing: int) -> float:
        """Return what a step takes in which `writing` rows write, or about as many as have been seen."""
        nearest = min(self._writing, key=lambda number: abs(number - writing), default=0)
        return self._writing[nearest] if writing and nearest else 0.0


def _mean(old: float, new: float) -> float:
    """Return the running mean; one step that was held up does not count for more than twice the mean."""
    return old + _WEIGHT * (min(new, 2 * old) - old) if old else new
