"""Deadlines of a connection: what drags on is ended, what is slow but moves is not. Threats D11, S-73, F-24, F-25, F-30."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from api.answering import StreamedAnswer
from api.http_protocol import BODY_RATE, Deadlines, _notice_death
from assistant.assistant import Question
from generation.base import Message, Sampling
from tests.api.live import Live, Make, listening, raw
from tests.assistant.conftest import until

SHORT = 0.2
"""Seconds; only what is meant to end has so little."""
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def told(answer: bytes) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]
    return error


async def open_to(port: int, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    return reader, writer


async def to_the_end(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the other side closes; with bytes of ours on their way, it closes hard."""
    read = b""
    with suppress(ConnectionResetError):
        while data := await reader.read(65536):
            read += data
    return read


@dataclass
class Stream:
    """An application that sends without end, and knows when it was told that its client has gone."""

    chunk: bytes = b"x" * 65536
    sent: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watcher = asyncio.create_task(self._watch(receive))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not self.gone.is_set():
            await send({"type": "http.response.body", "body": self.chunk, "more_body": True})
            self.sent += len(self.chunk)
            await asyncio.sleep(0)
        await watcher

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.gone.set()


@asynccontextmanager
async def deaf(port: int) -> AsyncIterator[socket.socket]:
    """Ask, and read nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(GET)
    try:
        yield client
    finally:
        client.close()


async def test_nothing_is_said_to_whoever_says_nothing(server: Live) -> None:
    async with listening(server.app, Deadlines(head=SHORT)) as port:
        assert await raw(port, b"") == b""


@pytest.mark.parametrize("part", [b"G", b"POST / HTTP/1.1\r\n", HEAD[:-2]])
async def test_a_head_that_does_not_end(server: Live, part: bytes) -> None:
    async with listening(server.app, Deadlines(head=SHORT)) as port:
        answer = await raw(port, part)
    assert status(answer) == 408
    assert told(answer)["code"] == "timeout" and b"connection: close" in answer.lower()
    assert b"content-security-policy" in answer.lower()


@pytest.mark.parametrize("part", [b"\x00", b" "])
async def test_a_head_that_begins_with_what_none_does(server: Live, part: bytes) -> None:
    async with listening(server.app, Deadlines(head=SHORT)) as port:
        assert status(await raw(port, part)) == 400


async def test_a_head_that_comes_byte_by_byte(server: Live) -> None:
    async with listening(server.app, Deadlines(head=SHORT)) as port:
        reader, writer = await open_to(port, b"GET / HTTP/1.1\r\nX: ")
        answer = asyncio.create_task(to_the_end(reader))
        while not answer.done():
            writer.write(b"x")
            await asyncio.sleep(0.02)
        assert answer.result() == b"" or status(answer.result()) == 408
        writer.close()


@pytest.mark.parametrize("head", [HEAD, HEAD + b'{"prompt', CHUNKED + b"5\r\nhel", CHUNKED + b"5\r\nhello\r\n"])
async def test_a_body_that_does_not_come(server: Live, head: bytes) -> None:
    async with listening(server.app, Deadlines(body=SHORT)) as port:
        answer = await raw(port, head)
    assert (status(answer), told(answer)["code"]) == (408, "timeout")
    assert b"content-security-policy" in answer.lower() and len(answer) < 2048
    assert server.made == (0, 0)


async def test_a_body_that_comes_byte_by_byte(server: Live) -> None:
    async with listening(server.app, Deadlines(body=SHORT)) as port:
        reader, writer = await open_to(port, HEAD)
        answer = asyncio.create_task(to_the_end(reader))
        while not answer.done():
            writer.write(b"x")
            await asyncio.sleep(0.02)
        assert answer.result() == b"" or status(answer.result()) == 408
        writer.close()


async def test_the_rest_of_a_refused_body_is_not_waited_for(server: Live) -> None:
    async with listening(server.app, Deadlines(body=SHORT, keep_alive=60)) as port:
        answer = await raw(port, HEAD.replace(b"100", b"100000000"))
    assert status(answer) == 413


async def test_a_long_body_has_more_time(server: Live) -> None:
    """A body of 1 MiB buys four seconds."""
    size = 1024 * 1024 - 100
    body = b'{"prompt": "x", "unknown": "' + b"a" * (size - 30) + b'"}'
    async with listening(server.app, Deadlines(body=SHORT)) as port:
        head = HEAD.replace(b"100", str(len(body)).encode()).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        reader, writer = await open_to(port, head + body[:-1])
        await asyncio.sleep(4 * SHORT)
        writer.write(body[-1:])
        assert status(await asyncio.wait_for(reader.read(), 20)) == 200
        writer.close()
    assert size / BODY_RATE > 3


async def test_an_answer_may_take_longer_than_the_question(make: Make) -> None:
    server = await make(echo_delay=0.01)
    async with listening(server.app, Deadlines(head=SHORT, body=SHORT, unread=SHORT, keep_alive=SHORT)) as port:
        body = b'{"prompt": "[[count 60]]"}'
        head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        answer = await raw(port, head + body)
    assert status(answer) == 200, "and the connection was closed when no other request came"


async def test_the_time_until_the_next_request(server: Live) -> None:
    async with listening(server.app, Deadlines(keep_alive=SHORT)) as port:
        assert status(await raw(port, GET)) == 200


@pytest.mark.parametrize("part", [b"\r\n", b"G", b"\r\n\r\n\r\nG"])
async def test_a_second_head_that_does_not_end(server: Live, part: bytes) -> None:
    async with listening(server.app, Deadlines(head=SHORT)) as port:
        reader, writer = await open_to(port, GET)
        await reader.readuntil(b"ok")
        writer.write(part)
        rest = await asyncio.wait_for(reader.read(), 20)
        writer.close()
    assert rest.removeprefix(b'"}').startswith(b"HTTP/1.1 408" if part == b"G" else b"HTTP/1.1 400"), "h11 takes no empty lines"


async def test_requests_in_one_piece(server: Live) -> None:
    async with listening(server.app, Deadlines(head=SHORT, keep_alive=SHORT)) as port:
        answer = await raw(port, GET * 5)
    assert answer.count(b"HTTP/1.1 200") == 5


async def test_half_open_connections_end_while_others_are_answered(server: Live) -> None:
    async with listening(server.app, Deadlines(head=1, body=1)) as port:
        parts = [b"", b"G", HEAD, HEAD + b"x"]
        half = [await open_to(port, parts[number % 4]) for number in range(200)]
        for _ in range(10):
            assert (await raw(port, GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))).startswith(b"HTTP/1.1 200")
        for number, (reader, writer) in enumerate(half):
            answer = await asyncio.wait_for(reader.read(), 20)
            assert answer == b"" if number % 4 == 0 else status(answer) == 408
            writer.close()
    assert server.made == (0, 0)


async def test_a_reader_that_stalls() -> None:
    stream = Stream()
    async with listening(stream, Deadlines(unread=SHORT)) as port, deaf(port):
        await asyncio.wait_for(stream.gone.wait(), 20)


async def test_what_waits_for_a_slow_reader_is_bounded() -> None:
    stream = Stream()
    async with listening(stream) as port, deaf(port):
        sent = -1
        while stream.sent != sent:  # until it is held back
            sent = stream.sent
            await asyncio.sleep(0.2)
        assert sent < 64 * 1024 * 1024, "the kernel's buffers, and 64 KiB of ours"
        assert not stream.gone.is_set()


async def test_a_slow_reader_that_goes_on_reading() -> None:
    stream = Stream()
    async with listening(stream, Deadlines(unread=2)) as port, deaf(port) as client:
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        end = loop.time() + 4
        while loop.time() < end:
            assert await loop.sock_recv(client, 1024 * 1024)
            await asyncio.sleep(0.001)
        assert not stream.gone.is_set()


async def test_the_last_piece_that_nobody_reads() -> None:
    """The application is long done; without an end the socket would stay until its client goes."""

    async def once(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": b"x" * 30_000_000})

    async with listening(once, Deadlines(unread=SHORT)) as port, deaf(port) as client:
        client.setblocking(False)
        await asyncio.sleep(4 * SHORT)
        read, loop = 0, asyncio.get_running_loop()
        with suppress(ConnectionResetError):
            while data := await asyncio.wait_for(loop.sock_recv(client, 1024 * 1024), 20):
                read += len(data)
        assert read < 30_000_000, "what the kernel had taken, and no more"


async def test_a_client_that_stalls_ends_its_answer(make: Make) -> None:
    server = await make(echo_delay=0.001)
    run: Any = None
    question = Question((Message("user", "[[count 4000]]"),), "chat", "default", 4, Sampling(max_tokens=4000))

    async def asks(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal run
        run = await server.app.assistant.ask(question)

        async def chunks() -> Any:
            while not run.done:
                yield b"x" * 65536
                await asyncio.sleep(0)

        await StreamedAnswer(run, chunks(), 600, "text/plain")(scope, receive, send)

    async with listening(asks, Deadlines(unread=SHORT)) as port, deaf(port):
        await until(lambda: server.echo.active_generations == 1)
        await until(lambda: server.echo.active_generations == 0)
    assert run.finish_reason == "cancelled"


@pytest.mark.parametrize(
    "garbage",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\xff" * 100 + b"\r\n\r\n",
     b"GET / HTTP/1.1\r\nNo colon\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nA:\x00\r\n\r\n",
     b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n"],
)  # fmt: skip
async def test_what_is_no_http(server: Live, garbage: bytes) -> None:
    async with listening(server.app) as port:
        answer = await raw(port, garbage)
    assert (status(answer), told(answer)["code"]) in ((400, "bad_request"), (400, "host_not_allowed"))
    assert len(answer) < 2048 and b"x" * 100 not in answer


@pytest.mark.parametrize("size", [40_000, 400_000])
async def test_headers_that_are_too_long(server: Live, size: int) -> None:
    """Come whole or in pieces."""
    async with listening(server.app) as port:
        reader, writer = await open_to(port, GET[:-2] + b"Connection: close\r\nX: " + b"x" * size + b"\r\n\r\n")
        assert status(await to_the_end(reader)) in (400, 431)
        writer.close()


async def test_garbage_in_the_middle_of_a_body(server: Live, caplog: pytest.LogCaptureFixture) -> None:
    async with listening(server.app) as port:
        assert status(await raw(port, CHUNKED + b"5\r\nhello\r\nnothing\r\n")) == 400
    assert "Traceback" not in caplog.text


async def test_too_many_headers(server: Live) -> None:
    async with listening(server.app) as port:
        for count, expected in ((98, 200), (99, 431)):
            more = b"".join(b"X-%d: x\r\n" % number for number in range(count))
            answer = await raw(port, GET[:-2] + b"Connection: close\r\n" + more + b"\r\n")
            assert status(answer) == expected
    assert told(answer)["code"] == "headers_too_large"


async def test_more_connections_than_the_server_takes(make: Make) -> None:
    server = await make(echo_delay=0.01)
    asked = b'{"prompt": "[[count 4000]]"}'
    busy = HEAD.replace(b"100", str(len(asked)).encode()) + asked
    async with listening(server.app, most=5) as port:
        taken = [await open_to(port, busy) for _ in range(5)]
        await until(lambda: server.echo.active_generations == 5)
        answer = await raw(port, GET)
        assert (status(answer), told(answer)["code"]) == (503, "too_many_connections")
        assert b"retry-after: " in answer.lower()
        for _, writer in taken:
            writer.close()
            await writer.wait_closed()
        await until(lambda: server.echo.active_generations == 0)
        assert status(await raw(port, GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))) == 200


async def test_whoever_asks_nothing_makes_room(server: Live) -> None:
    """Half-open and idle connections must not keep out those who ask."""
    async with listening(server.app, most=10) as port:
        kept = [await open_to(port, (b"", b"G", GET)[number % 3]) for number in range(30)]
        for _ in range(20):
            assert status(await raw(port, GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))) == 200
        for _, writer in kept:
            writer.close()


async def test_a_client_whose_machine_is_gone_is_noticed() -> None:
    accepted: asyncio.Queue[int] = asyncio.Queue()

    def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _notice_death(writer.transport)
        accepted.put_nowait(writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        _, writer = await open_to(listener.sockets[0].getsockname()[1], b"")
        assert await accepted.get() == 1
        writer.close()
        await writer.wait_closed()
