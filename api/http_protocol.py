"""HTTP on one connection, with an end to everything that a client can let drag on. Knows no route and no model.

uvicorn's protocol has no deadline but the one between two requests: without these, 300 half-open connections live for ever
(uvicorn issue 157; threats D11, S-73, F-24, F-25). With h11 rather than httptools, since it limits the bytes of a head. Time
is the event loop's, which is monotonic; one look a second at all connections rather than a timer for each.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import h11
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from api.errors import Fault
from api.settings import ApiSettings

LOOK_SECONDS = 1.0
BODY_RATE = 256 * 1024
"""Bytes of a body that buy it one more second."""
WAITING_BYTES = 64 * 1024
"""Bytes of an answer that wait for a slow reader before the application is held back."""
KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""A client whose machine is gone says nothing any more: asked after a minute, given up after two."""

Refuse = Callable[[str, Fault], Response]
"""Given the path ("" where none is known yet), returns the refusal in the shape of its protocol."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds: until the head of a request is there; its body, and more for a long one; until the next request; without
    an answer being read."""

    head: float = 10
    body: float = 60
    keep_alive: float = 5
    unread: float = 60

    @classmethod
    def of(cls, settings: ApiSettings) -> "Deadlines":
        """Return those of the settings."""
        return cls(settings.header_seconds, settings.body_seconds, settings.keep_alive_seconds, settings.unread_seconds)

    @property
    def look(self) -> float:
        """Seconds between two looks."""
        return min(LOOK_SECONDS, min(self.head, self.body, self.unread) / 4)


@dataclass(slots=True)
class Lookout:
    """Looks at all connections of a server, as long as there are any."""

    seconds: float
    connections: "dict[DeadlineProtocol, None]" = field(default_factory=dict)
    """In the order in which they came."""
    _timer: asyncio.TimerHandle | None = None

    def add(self, connection: "DeadlineProtocol", most: int | None) -> None:
        """Look at `connection` from now on. Of `most` others, the oldest that asks nothing makes room for it."""
        if most is not None and len(self.connections) >= most:
            spare = next((other for other in self.connections if other.spare), None)
            if spare is not None:
                del self.connections[spare]
                spare.transport.abort()
        self.connections[connection] = None
        if self._timer is None:
            self._timer = connection.loop.call_later(self.seconds, self._look, connection.loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in tuple(self.connections):
            connection.look(now)
        self._timer = loop.call_later(self.seconds, self._look, loop) if self.connections else None


class DeadlineProtocol(H11Protocol):
    """uvicorn's protocol, where nobody is waited for without end; made by `protocol`."""

    deadlines: Deadlines
    lookout: Lookout
    refuse: Refuse

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.timeout_keep_alive = self.deadlines.keep_alive  # type: ignore[assignment]  # goes to call_later
        self._most, self.limit_concurrency = self.limit_concurrency, None  # uvicorn's own refusal has no shape
        self._head_since: float | None = None
        self._body_since = self._body_bytes = 0.0
        self._unread_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=WAITING_BYTES)
        _notice_death(transport)
        self._head_since = self.loop.time()
        self.lookout.add(self, self._most)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.lookout.connections.pop(self, None)
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over: a WebSocket has deadlines of its own."""
        self.lookout.connections.pop(self, None)
        super().handle_websocket_upgrade(event)

    def data_received(self, data: bytes) -> None:
        """Take what the client sends."""
        self._body_bytes += len(data)
        super().data_received(data)

    def handle_events(self) -> None:
        """Do what the bytes so far ask for, and note when a head or a body began."""
        full = self._most is not None and (len(self.connections) > self._most or len(self.tasks) >= self._most)
        self.app = self._full if full else self.config.loaded_app
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._body_since, self._body_bytes = self.loop.time(), 0
        if self.conn.their_state is not h11.IDLE:
            self._head_since = None
        elif self._head_since is None and self.timeout_keep_alive_task is None:  # the time between two requests is over
            self._head_since = self.loop.time()

    def resume_writing(self) -> None:
        """Note that the answer is being read."""
        self._unread_since = None
        super().resume_writing()

    @property
    def spare(self) -> bool:
        """Whether the connection waits for a request, and has nothing left to say."""
        waits = self._head_since is not None or self.timeout_keep_alive_task is not None
        return waits and self.transport.get_write_buffer_size() == 0

    def look(self, now: float) -> None:
        """End what takes too long."""
        if self._unread(now):
            self.transport.abort()  # the application is told that the client has gone, and stops the model
        elif self.transport.is_closing():
            return
        elif self._head_since is not None and now - self._head_since > self.deadlines.head:
            self._end_head()
        elif self.conn.their_state is h11.SEND_BODY and self._body_late(now):
            self._end_body()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in words of our own."""
        self._say("", Fault(400, "bad_request", "This is not HTTP/1.1, or its headers are over the limit of 32 KiB."))

    def _unread(self, now: float) -> bool:
        if self.transport.get_write_buffer_size() == 0:
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        return self._unread_since is not None and now - self._unread_since > self.deadlines.unread

    def _body_late(self, now: float) -> bool:
        if self.flow.read_paused:  # it is we who do not read
            self._body_since += self.deadlines.look
        return now - self._body_since > self.deadlines.body + self._body_bytes / BODY_RATE

    def _end_head(self) -> None:
        if self.conn.trailing_data[0]:
            self._say("", Fault(408, "timeout", f"The request did not arrive within {self.deadlines.head:g} s."))
        else:
            self.transport.close()  # whoever has asked nothing, like a browser that connects ahead, is told nothing

    def _end_body(self) -> None:
        self._say(self.cycle.scope["path"], Fault(408, "timeout", f"The body did not arrive within {self.deadlines.body:g} s."))

    def _say(self, path: str, fault: Fault) -> None:
        """Refuse and close; only close where the answer has begun. The application is told that the client has gone."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return self.transport.abort()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        answer = type(self).refuse(path, fault)
        headers = [*answer.raw_headers, (b"connection", b"close")]
        reason = STATUS_PHRASES.get(answer.status_code, b"")
        head = h11.Response(status_code=answer.status_code, headers=headers, reason=reason)
        for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        return self.transport.close()

    async def _full(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = Fault(503, "too_many_connections", "The server has as many connections as it takes; try again.")
        answer = type(self).refuse(scope["path"], fault)
        answer.headers["connection"] = "close"
        await answer(scope, receive, send)


def protocol(deadlines: Deadlines, refuse: Refuse) -> type[DeadlineProtocol]:
    """Return the protocol of one server, for `uvicorn.Config(http=...)`."""
    values = {"deadlines": deadlines, "lookout": Lookout(deadlines.look), "refuse": staticmethod(refuse)}
    return type("ServedProtocol", (DeadlineProtocol,), values)


def _notice_death(transport: asyncio.BaseTransport) -> None:
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is None or connection.family == getattr(socket, "AF_UNIX", None):
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):  # Linux has all three
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
