"""The application: routes behind the guard, and the background work of its life. Knows no page but as an ASGI app."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from api import health_routes, limits_routes, metrics, reference_routes
from api.errors import ERRORS
from api.guard import Guard
from api.protocols import PROTOCOLS, on_error, on_http_error, on_wrong_parameter
from api.settings import ServerSettings
from assistant.assistant import Assistant
from generation.engine import Engine
from knowledge.base import KnowledgeError
from knowledge.library import Library

LOG = logging.getLogger(__name__)

ALLOWED_METHODS = ["GET", "POST", "DELETE"]
ALLOWED_HEADERS = ["Authorization", "Content-Type", "OpenAI-Beta", "Mcp-Protocol-Version", "Mcp-Session-Id"]
"""What pages of `--allowed-origin` may send."""

Page = Callable[[Assistant, AsyncExitStack], tuple[ASGIApp, Awaitable[None]]]
"""Given the assistant, returns the app of `GET /` and the work that makes it ready; what it opens goes on the stack."""


class Application(Guard):
    """The guarded application, and the `assistant` that answers in it."""

    def __init__(self, app: ASGIApp, settings: ServerSettings, assistant: Assistant) -> None:
        super().__init__(app, settings)
        self.assistant = assistant


def build(settings: ServerSettings, engine: Engine, library: Library, page: Page | None = None) -> Application:
    """Return the guarded application; its lifespan loads engine, library and page, and ends them."""
    assistant = Assistant(engine, library, settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, library.close)
            stack.push_async_callback(assistant.close)
            work = []
            if page is not None:
                mounted, making = page(assistant, stack)
                app.mount("/", mounted)
                work.append(making)
            task = asyncio.create_task(_load(work, engine, library))
            stack.push_async_callback(_stop, task)
            yield

    app = FastAPI(title="chat-llm-webui", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    for error in (*ERRORS, Exception):
        app.add_exception_handler(error, on_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_wrong_parameter)
    if settings.allowed_origin:
        allowed = list(settings.allowed_origin)
        app.add_middleware(CORSMiddleware, allow_origins=allowed, allow_methods=ALLOWED_METHODS, allow_headers=ALLOWED_HEADERS)
    app.include_router(health_routes.routes(assistant))
    app.include_router(metrics.routes(assistant))
    app.include_router(limits_routes.routes(assistant, settings))
    for protocol in PROTOCOLS:
        app.include_router(protocol.routes(assistant, settings))
    app.include_router(reference_routes.routes(app))
    return Application(app, settings, assistant)


async def _load(page: list[Awaitable[None]], engine: Engine, library: Library) -> None:
    """Make the page first, for people wait for it; then engine and library, one after the other (they share the cores)."""
    for making in page:
        await making
    try:
        await asyncio.to_thread(library.load, lambda *_: None)
    except KnowledgeError as error:
        LOG.error("%s", error)  # the library keeps the reason for the page and /readyz
    await engine.load()


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
