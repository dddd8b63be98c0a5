"""Guesses the next tokens of one row from its own text: what followed last time the same tokens stood there.

Answers about documents quote them, so the guess is often right; the model reads the guess in one step and keeps what it
would have written itself (prompt lookup decoding, Saxena 2023). Knows no model.
"""

from collections.abc import Sequence

GRAM = 3
"""Tokens that must be the same before a guess is made."""


class PromptLookup:
    """Guesses for one row, at most `most` tokens; fewer after a guess was wrong."""

    def __init__(self, most: int) -> None:
        self._most = self._length = most
        self._seen = 0
        self._after: dict[tuple[int, ...], int] = {}

    def guess(self, ids: Sequence[int], most: int) -> list[int]:
        """Return at most `most` tokens that may follow `ids`, the whole row so far; often none."""
        self._learn(ids)
        length = min(self._length, most)
        place = self._after.get(tuple(ids[-GRAM:])) if length > 0 else None
        return [] if place is None else list(ids[place : place + length])

    def judge(self, guessed: int, right: int) -> None:
        """Take note how many of the `guessed` tokens were `right`."""
        if guessed:
            self._length = min(self._most, 2 * self._length) if right == guessed else max(1, right, self._length // 2)

    def _learn(self, ids: Sequence[int]) -> None:
        """Note what follows each gram; the last one is left out, because nothing follows it yet."""
        for end in range(max(self._seen, GRAM), len(ids)):
            self._after[tuple(ids[end - GRAM : end])] = end
        self._seen = len(ids)
