"""Who shows which answer on a page, so that a talk that is given up is let go by all of them before the page is emptied.

Of Gradio it knows that a generator is asked for its next value only when the one before has been sent: when all followers
have ended, nothing of theirs can come after what is sent next. What they show, it does not know.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PATIENCE = 2.0
"""Seconds to wait for them; the page is emptied then all the same."""


class Followers:
    """Counts followers by the id of what they follow; used from one event loop."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._let_go: dict[str, asyncio.Event] = {}

    @contextmanager
    def follow(self, run: str) -> Iterator[None]:
        """Count as a follower of `run` inside the block."""
        self._counts[run] = self._counts.get(run, 0) + 1
        try:
            yield
        finally:
            self._counts[run] -= 1
            if not self._counts[run]:
                del self._counts[run]
                if ended := self._let_go.get(run):
                    ended.set()

    def let_go(self, run: str) -> bool:
        """Whether followers of `run` shall end without showing anything more."""
        return run in self._let_go

    async def end(self, run: str) -> None:
        """Let `run` go, and return when nobody follows it any more."""
        if run not in self._counts:
            return
        ended = self._let_go.setdefault(run, asyncio.Event())
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), PATIENCE)
        self._let_go.pop(run, None)
