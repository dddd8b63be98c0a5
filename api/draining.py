"""A server that is told to end and first lets its answers end. Knows uvicorn's way of ending; no route.

While it drains it still listens: questions are refused with a reason, health says that it is stopping, and whoever
withdraws a question can. The second signal ends the answers at once.
"""

import asyncio
import signal
import socket
from types import FrameType

import uvicorn

from assistant.runs import RunRegistry


class DrainingServer(uvicorn.Server):
    """Gives the answers of `runs` at most `seconds` to end before connections are closed."""

    def __init__(self, config: uvicorn.Config, runs: RunRegistry, seconds: float) -> None:
        super().__init__(config)
        self._runs, self._seconds = runs, seconds
        self._hurry = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal; runs between any two steps of the main thread, so it only leaves word."""
        if self.should_exit and self._loop is not None:
            self._loop.call_soon_threadsafe(self._hurry.set)
        super().handle_exit(signal.SIGTERM if self.should_exit else sig, frame)  # a second SIGINT would skip the clean end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then end as uvicorn does."""
        self._loop = asyncio.get_running_loop()
        draining = asyncio.create_task(self._runs.drain(self._seconds))
        hurrying = asyncio.create_task(self._hurry.wait())
        await asyncio.wait({draining, hurrying}, return_when=asyncio.FIRST_COMPLETED)
        await self._runs.close()
        await draining
        hurrying.cancel()
        await super().shutdown(sockets)
