"""uvicorn's WebSocket protocol, taught to finish an answer whose client has already sent its Close frame.

RFC 6455, 5.5.1: an endpoint may delay its own Close until the message it is sending is complete. The first clients of the
old service send Close right after their question and read on. uvicorn 0.54 echoes the Close at once, after which nothing
can be sent. Here the application is told that the client wants to leave, with `"held": True` in the event, and can go on
sending; the Close is echoed when the application returns, and after `patience` at the latest.

A second `websocket.disconnect` says that the connection is lost. Knows no protocol of ours.
"""

import asyncio
import logging
from collections.abc import Generator
from typing import Any, cast

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

PING_SECONDS = 20.0
"""Between two pings of ours, and for the answer to one: a connection that is half open ends after twice that."""


class HoldingConnection(ServerProtocol):
    """A connection that keeps the client's Close frame in its hand until `release`."""

    held: Frame | None = None

    def recv_frame(self, frame: Frame) -> None:
        """Take a frame; a good Close on an open connection is held."""
        if frame.opcode is not Opcode.CLOSE or self.state is not State.OPEN or self.current_size is not None:
            return super().recv_frame(frame)
        Close.parse(frame.data)  # raises what the parser turns into a failed connection
        self.held = frame
        self.events.append(frame)
        self.parser = self._ignore()  # as after every Close: what comes behind it is not read
        next(self.parser)
        return None

    def release(self) -> bytes:
        """Return the bytes that answer the held Close (empty: none is held)."""
        frame, self.held = self.held, None
        if frame is not None:
            super().recv_frame(frame)
        return b"".join(self.data_to_send())

    def _ignore(self) -> Generator[None]:
        while not (yield from self.reader.at_eof()):
            self.reader.discard()
        yield


class PatientWebSocket(WebSocketsSansIOProtocol):
    """The protocol class for uvicorn; `patience` in seconds. Compresses nothing."""

    patience = 600.0
    flush_seconds = 10.0
    """For what is still to be sent when a connection is closed: a client that reads nothing would hold it for ever."""
    conn: HoldingConnection

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        # No extensions: a deflated message can unpack to a thousand times its size.
        self.conn = HoldingConnection(max_size=self.config.ws_max_size, logger=logging.getLogger("uvicorn.error"))
        self._end_of_patience: asyncio.TimerHandle | None = None

    def handle_close(self, event: Frame) -> None:
        """Tell the application that the client wants to leave, and let it finish."""
        if self.conn.held is None or self.transport.is_closing():
            return super().handle_close(event)
        self.stop_keepalive()  # a client that has closed need not answer pings
        close = Close.parse(event.data)
        told = {"type": "websocket.disconnect", "code": close.code, "reason": close.reason, "held": True}
        self.queue.put_nowait(cast(ASGIReceiveEvent, told))
        self._end_of_patience = self.loop.call_later(self.patience, self._leave)
        return None

    def keepalive_timeout(self) -> None:
        """End a connection whose client answers no ping."""
        super().keepalive_timeout()
        self.loop.call_later(self.flush_seconds, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer with the connection."""
        if self._end_of_patience is not None:
            self._end_of_patience.cancel()
        super().connection_lost(exc)

    async def run_asgi(self) -> None:
        """Run the application, and answer a held Close when it has returned."""
        application = self.app

        async def then_leave(*arguments: Any) -> None:
            try:
                await application(*arguments)
            finally:
                self._leave()

        self.app = cast(Any, then_leave)
        await super().run_asgi()

    async def send(self, message: ASGISendEvent) -> None:
        """Send; a Close of ours answers the one that is held."""
        if message["type"] == "websocket.close" and self.conn.held is not None:
            return self._leave()
        return await super().send(message)

    def _leave(self) -> None:
        if self.conn.held is not None and not self.transport.is_closing():
            self.transport.write(self.conn.release())
            self.transport.close()
            self.loop.call_later(self.flush_seconds, self.transport.abort)


def options(max_message: int, patience: float) -> dict[str, Any]:
    """Return what uvicorn's configuration is given for WebSockets: messages in KiB, patience in seconds."""
    return {
        "ws": type("WebSocket", (PatientWebSocket,), {"patience": patience}),
        "ws_max_size": max_message * 1024,
        "ws_ping_interval": PING_SECONDS,
        "ws_ping_timeout": PING_SECONDS,
        "ws_per_message_deflate": False,
    }
