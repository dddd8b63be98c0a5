"""Size, time and leaving: what is too large is refused, what takes too long ends, and who leaves stops the engine."""

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from tests.api.live import Live, Make, listening, raw
from tests.assistant.conftest import until

MIB = 1024 * 1024
QUESTION = b'{"prompt": "[[count 100000]]", "max_new_tokens": 1000}'


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 65536):
        yield b"a" * 65536


@pytest.mark.parametrize("path", ["/", "/healthz", "/nothing", "/login"])
async def test_a_declared_size_that_is_too_large(server: Live, path: str) -> None:
    answer = await server.client.post(path, content=b"a" * (MIB + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert server.made == (0, 0)


async def test_an_undeclared_size_that_is_too_large(server: Live) -> None:
    answer = await server.client.post("/", content=chunks(2 * MIB))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert "Content-Security-Policy" in answer.headers
    assert server.made == (0, 0)


async def test_no_more_than_the_limit_is_read(server: Live) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 100 * MIB:
            read += 65536
            yield b"a" * 65536

    assert (await server.client.post("/", content=endless())).status_code == 413
    assert read <= MIB + 2 * 65536


async def test_the_limit_is_a_setting(make: Make) -> None:
    server = await make(max_body=2, echo_context=1_000_000)
    answer = await server.client.post("/", content=b'{"prompt": "x", "unknown": "' + b"a" * (MIB + 1) + b'"}')
    assert answer.status_code == 200


async def test_just_within_the_limit(server: Live) -> None:
    fixed = len(b'{"prompt": "x", "unknown": ""}')
    answer = await server.client.post("/", content=b'{"prompt": "x", "unknown": "' + b"a" * (MIB - fixed) + b'"}')
    assert answer.status_code == 200


async def test_a_compressed_body_is_not_unpacked(server: Live) -> None:
    answer = await server.client.post("/", content=b"\x1f\x8b\x08\xff", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 400


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"abc", b"0x10", b"\xb2", b"5, 6", b"9" * 30])
async def test_a_length_that_is_none(server: Live, length: bytes) -> None:
    async with listening(server.app) as port:
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: " + length + b"\r\n\r\nhello"
        answer = await raw(port, head)
    assert answer.split(b" ", 2)[1] in (b"400", b"413")


async def test_an_answer_that_takes_too_long(make: Make) -> None:
    server = await make(echo_delay=0.01, request_timeout=1)
    answer = await server.ask(prompt="[[count 4000]]")
    assert (answer.status_code, answer.json()["error"]["code"]) == (408, "timeout")
    assert "--request-timeout" in answer.json()["error"]["message"]
    await until(lambda: server.echo.active_generations == 0)


def request(body: bytes, length: int | None = None) -> bytes:
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_client_that_leaves_stops_the_engine(make: Make, how: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server = await make(echo_delay=0.005)
    async with listening(server.app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(QUESTION))
        await until(lambda: server.echo.generated_tokens_total > 3)
        if how == "reset":
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()
        await until(lambda: server.echo.active_generations == 0)
        made = server.echo.generated_tokens_total
        await asyncio.sleep(0.05)
        assert server.made == (0, made)
        assert made < 1000, "it ended because the client left, not because it was done"
    assert [line.startswith("499: ") and "count" not in line for line in caplog.messages if "left" in line] == [True]


async def test_a_client_that_leaves_the_queue_never_reaches_the_engine(make: Make) -> None:
    server = await make(echo_delay=0.005, max_concurrent=1)
    async with listening(server.app) as port:
        running = asyncio.create_task(server.ask(prompt="[[count 100]]"))
        await until(lambda: server.echo.active_generations == 1)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(QUESTION))
        await until(lambda: server.runs.waiting == 1)
        writer.close()
        await until(lambda: server.runs.active == 1)
        assert (await running).status_code == 200
    assert server.made == (0, 100)


async def test_a_client_that_leaves_in_the_middle_of_its_request(server: Live, caplog: pytest.LogCaptureFixture) -> None:
    async with listening(server.app) as port:
        with caplog.at_level(logging.INFO):
            for path in (b"/", b"/login"):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(request(b'{"prompt": ', 1000).replace(b"POST /", b"POST " + path))
                await writer.drain()
                await asyncio.sleep(0.05)
                writer.close()
                await writer.wait_closed()
            assert (await raw(port, b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")).startswith(b"HTTP/1.1 200")
    assert "Traceback" not in caplog.text
    assert server.made == (0, 0)


async def test_a_kept_connection_answers_again(server: Live) -> None:
    async with listening(server.app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(3):
            writer.write(request(b'{"prompt": "%d"}' % number))
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            assert b"You said: %d" % number in await reader.readexactly(length)
        writer.close()
        await writer.wait_closed()
