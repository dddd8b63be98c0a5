"""The whole application with the echo engine and a fast library: in memory, or behind a real socket on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp, Message

from api.app import Application, Page, build
from api.guard import LONGEST_HEADERS
from api.http_protocol import Deadlines, protocol
from api.refusals import refusals
from api.settings import ServerSettings
from api.websocket_protocol import options
from assistant.runs import RunRegistry
from generation.echo_backend import EchoGenerator
from generation.engine import Engine
from knowledge.library import Library
from tests.assistant.conftest import DOCUMENT, until
from tests.knowledge.conftest import finish
from tests.knowledge.stubs import StubEmbedder, read_text

HOST = "localhost:8000"


@dataclass
class Live:
    """A server that answers `client`."""

    app: Application
    engine: Engine
    library: Library
    client: httpx.AsyncClient

    @property
    def echo(self) -> EchoGenerator:
        generator = self.engine.generator
        assert isinstance(generator, EchoGenerator)
        return generator

    @property
    def runs(self) -> RunRegistry:
        return self.app.assistant.runs

    @property
    def made(self) -> tuple[int, int]:
        """What the engine is doing, and what it ever did."""
        return self.echo.active_generations, self.echo.generated_tokens_total

    def fill(self, data: bytes = DOCUMENT, base: str = "default", name: str = "animals.txt") -> None:
        self.library.add(base, name, data)
        finish(self.library, base)

    async def ask(self, **fields: Any) -> httpx.Response:
        return await self.client.post("/", json=fields)


@asynccontextmanager
async def live(settings: ServerSettings, page: Page | None = None, loaded: bool = True) -> AsyncIterator[Live]:
    """Start the application and wait until engine and library are loaded."""
    engine = Engine(settings)
    library = Library(settings, read=read_text, embedder=StubEmbedder(max_tokens=8))
    engine.check()
    library.open()
    app = build(settings, engine, library, page)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}")
    async with lifespan(app), client:
        await until(lambda: library.ready and (not loaded or engine.state.phase in ("ready", "none")))
        yield Live(app, engine, library, client)


@asynccontextmanager
async def lifespan(app: ASGIApp) -> AsyncIterator[None]:
    """Run the life of an application, as a server does."""
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    outbox: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    task = asyncio.create_task(_call(app, scope, inbox.get, outbox.put))
    await inbox.put({"type": "lifespan.startup"})
    assert await outbox.get() == {"type": "lifespan.startup.complete"}
    try:
        yield
    finally:
        await inbox.put({"type": "lifespan.shutdown"})
        assert await outbox.get() == {"type": "lifespan.shutdown.complete"}
        await task


async def _call(app: ASGIApp, scope: Any, receive: Any, send: Any) -> None:
    await app(scope, receive, send)


@asynccontextmanager
async def listening(
    app: ASGIApp,
    deadlines: Deadlines | None = None,
    most: int | None = None,
    max_message: int = 256,
    patience: float = 600.0,
) -> AsyncIterator[int]:
    """Serve an application whose life runs elsewhere on a loopback port, for `most` connections, as the product does."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    http = protocol(deadlines or Deadlines(), refusals(""))
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        http=http,
        h11_max_incomplete_event_size=LONGEST_HEADERS,
        limit_concurrency=most,
        **options(max_message, patience),
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve([listener]))  # without taking the test run's signals
    await until(lambda: server.started)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving
        listener.close()


async def raw(port: int, request: bytes) -> bytes:
    """Send bytes as they are and return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    await writer.wait_closed()
    return answer


async def call(
    app: ASGIApp, headers: list[tuple[bytes, bytes]], kind: str = "http", method: str = "GET", path: str = "/healthz"
) -> tuple[int, dict[str, str]]:
    """Call the application with headers that no client library would send; returns status and headers.

    A WebSocket handshake that is refused before it is accepted is what a server answers with 403.
    """
    sent: list[Message] = []
    waiting = [{"type": "websocket.connect"} if kind == "websocket" else {"type": "http.request", "body": b"hello"}]

    async def receive() -> Message:
        return waiting.pop() if waiting else {"type": f"{kind}.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http" if kind == "http" else "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    if kind == "http":
        scope["method"] = method
    await app(scope, receive, send)
    first = sent[0]
    if first["type"] == "websocket.close":
        return 403, {}
    return first["status"], {name.decode(): value.decode("latin-1") for name, value in first["headers"]}


Make = Callable[..., Any]
