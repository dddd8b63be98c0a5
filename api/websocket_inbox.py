"""The messages of one WebSocket on their way in: read at once, answered in order, and no more of them than may wait.

Reads on while an answer is written, so that pings are answered and a client that leaves is seen. Knows no protocol.
Source: ASGI 3.0 (WebSocket), and `api.websocket_protocol` for Close frames that are held.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from starlette.types import Receive

from api.errors import TooManyMessages
from api.json_body import decode

REFUSED = 8
"""A client that sends this many times what may wait is not refused any longer, but closed."""

Item = TypeVar("Item")


class Inbox(Generic[Item]):
    """Reads messages with `parse`; at most `most` of them wait behind the one in work.

    What `parse` raises, and what is too much, waits in its place.
    `stays`: whether what is asked is still to be answered when the client has sent Close and reads on.
    """

    def __init__(self, receive: Receive, most: int, parse: Callable[[str], Item], stays: Callable[[], bool]) -> None:
        self._receive, self._most, self._parse, self._stays = receive, most, parse, stays
        self._waiting: asyncio.Queue[Item | Exception | None] = asyncio.Queue()
        self._in_work = 0

    async def read(self) -> bool:
        """Read until the client has gone; True: it is still there, but sends without end."""
        while self._waiting.qsize() < self._most * REFUSED:
            event = await self._receive()
            if event["type"] == "websocket.receive":
                self._waiting.put_nowait(self._item(event.get("text"), event.get("bytes")))
            elif event.get("held") and self._stays():
                self._waiting.put_nowait(None)
            else:
                return False
        return True

    async def next(self, seconds: float) -> Item | Exception | None:
        """Return the next message, or its refusal, or None when the client wants to leave; raises `TimeoutError`."""
        self._in_work = 0
        async with asyncio.timeout(seconds):
            item = await self._waiting.get()
        self._in_work = 1
        return item

    def _item(self, text: str | None, data: bytes | None) -> Item | Exception:
        if self._waiting.qsize() + self._in_work > self._most:
            return TooManyMessages(f"{self._most} messages wait on this connection, which is all it takes. Wait for answers.")
        try:
            return self._parse(decode(data or b"") if text is None else text.removeprefix("\ufeff"))
        except Exception as error:
            return error
