"""The page as an ASGI application: a word of waiting at once, the real page when Gradio has been imported.

Importing Gradio takes seconds, and the page must answer before that. Knows the languages; nothing of the layout.
"""

import asyncio
import os
import secrets
import shutil
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.app import Page
from api.settings import ServerSettings
from assistant.assistant import Assistant
from assistant.switch import ModelSwitch
from webui.texts import LANGUAGES

if TYPE_CHECKING:
    from fastapi import FastAPI

LANGUAGE_COOKIE = "chat_llm_webui_language"
WAITING = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="1"><title>chat-llm-webui</title><style>:root{color-scheme:light dark}
body{font:15px/1.55 system-ui,sans-serif;display:grid;place-items:center;min-height:90vh;
background:light-dark(#f7f7f5,#17181a);color:light-dark(#1d1f23,#ececea)}p{color:light-dark(#5d626a,#a5a9b0)}</style>
<main><h1>chat-llm-webui</h1><p>Starting: the page is being prepared. 正在启动…</p></main></html>"""


def page_of(settings: ServerSettings) -> Page:
    """Return the maker of the page for these settings."""

    def page(assistant: Assistant, stack: AsyncExitStack) -> tuple[ASGIApp, Awaitable[None]]:
        door = Door(settings.root_path)
        stack.push_async_callback(door.close)
        switch = ModelSwitch(assistant, settings.drain_seconds)
        stack.push_async_callback(switch.close)
        return door, door.open(lambda: _make(assistant, switch, settings))

    return page


class Door:
    """Answers with the waiting page until `open` has made the real one, and chooses the language of a first visit."""

    def __init__(self, root_path: str) -> None:
        self._root_path = root_path
        self._page: ASGIApp | None = None
        self._closing = asyncio.Event()
        self._life: asyncio.Task[None] | None = None

    async def open(self, make: "Callable[[], FastAPI]") -> None:
        """Make the page in a thread and start its life; returns when it answers."""
        made = await asyncio.to_thread(make)
        opened = asyncio.Event()

        async def live() -> None:
            # One task enters and leaves: Gradio's lifespan may hold cancel scopes, which belong to a task.
            async with made.router.lifespan_context(made):
                self._page = made
                opened.set()
                await self._closing.wait()

        self._life = asyncio.create_task(live())
        waiting = asyncio.create_task(opened.wait())
        await asyncio.wait({self._life, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._life.done():
            self._life.result()

    async def close(self) -> None:
        """End the life of the page."""
        self._closing.set()
        if self._life is not None:
            await asyncio.wait([self._life])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = self._before(scope)
        await (answer or self._page or HTMLResponse(WAITING))(scope, receive, send)

    def _before(self, scope: Scope) -> Response | None:
        """Return what comes before the page: the waiting page, or the way to the visitor's language."""
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        if self._page is None:
            return HTMLResponse(WAITING, 200 if path == "/" else 503, {"Retry-After": "1"})
        if scope["type"] != "http" or path != "/" or scope["method"] != "GET":
            return None
        headers = Headers(scope=scope)
        if scope["query_string"] == b"lang=en":
            answer = RedirectResponse(self._root_path + "/", 303)
            answer.set_cookie(LANGUAGE_COOKIE, "en", samesite="lax", max_age=31_536_000, path=self._root_path or "/")
            return answer
        wanted = headers.get("accept-language", "").lower().split(",")[0][:2]
        chosen = f"{LANGUAGE_COOKIE}=en" in headers.get("cookie", "")
        if wanted in LANGUAGES and wanted != "en" and not chosen:
            return RedirectResponse(f"{self._root_path}/{wanted}/", 303)
        return None


def _make(assistant: Assistant, switch: ModelSwitch, settings: ServerSettings) -> "FastAPI":
    """Import Gradio and build the page in every language; blocks for seconds, so it runs in a thread."""
    # What an upload that was broken off has left is nobody's: the library has its own copy of what was handed in.
    shutil.rmtree(settings.data / "uploads", ignore_errors=True)
    # Where no loop is running, Gradio makes one for each of its locks and leaves it unclosed.
    return asyncio.run(_mounted(assistant, switch, settings))


async def _mounted(assistant: Assistant, switch: ModelSwitch, settings: ServerSettings) -> "FastAPI":
    import gradio as gr
    from fastapi import FastAPI
    from fastapi.middleware.cors import CORSMiddleware

    from webui.page import HERE, build, head
    from webui.theme import theme

    made = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    # With a CORS policy on the parent, Gradio leaves its own off, which would reflect foreign origins.
    made.add_middleware(CORSMiddleware, allow_origins=list(settings.allowed_origin))
    secret = _secret(settings.data / "browser.secret")
    for code, texts in reversed(LANGUAGES.items()):  # English is at "/", which would swallow the other paths
        page = build(assistant, switch, settings, texts, secret)
        path = "" if code == "en" else f"/{code}"
        page.queue(max_size=256, default_concurrency_limit=None, api_open=False)
        gr.mount_gradio_app(
            made,
            page,
            path or "/",
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            show_error=False,
            max_file_size=settings.max_file_size * 1024 * 1024,
            blocked_paths=[str(settings.data / "originals"), str(settings.data / "backups")],
            theme=theme(),
            css_paths=HERE / "page.css",
            head=head(texts, settings.root_path),
            root_path=settings.root_path + path if settings.root_path else None,
        )
    return made


def _secret(path: Path) -> str:
    """Return the secret of this installation, made at its first start."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii")
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32))
    return path.read_text(encoding="ascii")
