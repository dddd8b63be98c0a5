"""A server that misbehaves on purpose: raw bytes on loopback, one answer of the script for each question, the last for ever."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

MODEL = "rude"
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class RudeServer:
    """`questions` holds the bodies that came; `left` is set when a client has closed a connection that was kept waiting."""

    def __init__(self, script: Sequence[Answer]) -> None:
        self.script = list(script)
        self.questions: list[dict[str, Any]] = []
        self.headers: list[str] = []
        self.left = asyncio.Event()
        self.models: Answer = answer(200, {"data": [{"id": MODEL, "max_model_len": 1000}]})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.headers.append(head)
            if head.startswith("GET"):
                await self.models(writer)
            else:
                length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
                self.questions.append(json.loads(await reader.readexactly(length)))
                await (self.script.pop(0) if len(self.script) > 1 else self.script[0])(writer)
                if writer.transport.is_closing():
                    return
                if not await reader.read(1):
                    self.left.set()
        except (OSError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def rude(*script: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[RudeServer, str]]:
    """Serve the script; yields the server and its base URL."""
    served = RudeServer(script)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield served, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


def answer(status: int, body: Any, *headers: str, kind: str = "application/json") -> Answer:
    """Answer whole, and close."""
    content = body if isinstance(body, str) else json.dumps(body)
    head = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(content.encode())}", "Connection: close"]

    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(("\r\n".join([*head, *headers]) + "\r\n\r\n" + content).encode())
        await writer.drain()
        writer.close()

    return play


def stream(*parts: str | bytes | float, then: str = "close") -> Answer:
    """Begin a stream of events and send its parts, pausing for numbers; then `close` or `wait` until the client leaves."""

    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n")
        for part in parts:
            if isinstance(part, float):
                await asyncio.sleep(part)
            else:
                writer.write(part.encode() if isinstance(part, str) else part)
                await writer.drain()
        if then == "close":
            writer.close()

    return play


def text(content: str, finish: str | None = None) -> str:
    """Return an event with new text."""
    return event({"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}]})


def event(value: Any) -> str:
    """Return an event."""
    return f"data: {json.dumps(value)}\n\n"


async def silent(_: asyncio.StreamWriter) -> None:
    """Answer nothing, and keep the connection."""


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close the connection without a word."""
    writer.close()


DONE = "data: [DONE]\n\n"
WHOLE = stream(text("fine"), text("", "stop"), DONE)
