"""An engine's stream that goes on step by step, as a test tells it."""

import asyncio
from collections.abc import AsyncGenerator

from generation.base import Piece, Usage

LAST = Piece("", "stop", Usage(2, 3))


class Script:
    """An engine's stream that goes on when it is told, and notes that it was closed."""

    def __init__(self, *pieces: Piece | Exception) -> None:
        self.pieces, self.step, self.closed = pieces, asyncio.Semaphore(0), False

    async def stream(self) -> AsyncGenerator[Piece, None]:
        try:
            for piece in self.pieces:
                await self.step.acquire()
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.closed = True

    def go(self, steps: int = 1) -> None:
        for _ in range(steps):
            self.step.release()
