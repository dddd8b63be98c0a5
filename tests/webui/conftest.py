"""A real server in the test's own event loop, so that a test can look at the engine's counters, and a real browser."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from api.app import build
from api.settings import ServerSettings
from generation.engine import Engine
from knowledge.library import Library
from webui.mount import page_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
READY_SECONDS = 120.0


@dataclass
class Running:
    """A server that answers at `url`."""

    url: str
    engine: Engine
    library: Library


Serve = Callable[..., Awaitable[Running]]


@pytest.fixture
async def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    """Start servers with the given settings; all end with the test."""
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    async with AsyncExitStack() as stack:

        async def start(**values: object) -> Running:
            settings = ServerSettings.model_validate({"data_dir": tmp_path / "data", "min_free_disk": 0, **values})
            return await stack.enter_async_context(_running(settings))

        yield start


@asynccontextmanager
async def _running(settings: ServerSettings) -> AsyncIterator[Running]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    engine, library = Engine(settings), Library(settings)
    engine.check()
    library.open()
    app = build(settings, engine, library, page_of(settings))
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1, lifespan="on")
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve(sockets=[listener]))
    running = Running(f"http://127.0.0.1:{listener.getsockname()[1]}/", engine, library)
    async with asyncio.timeout(READY_SECONDS):
        while not (library.ready and engine.state.phase in ("ready", "none")):
            assert not task.done(), "the server ended"
            await asyncio.sleep(0.05)
    try:
        yield running
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium; CI must have one, a laptop without is told what is missing."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium on this machine: CI installs one")
        pytest.skip("no chromium on this machine (on Debian: apt-get install chromium)")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        await chromium.close()


async def visit(browser: Browser, url: str, language: str = "en-US") -> tuple[Page, list[str]]:
    """Open the page as a new person would; returns it and the list of addresses it asks for, which goes on growing."""
    context: BrowserContext = await browser.new_context(viewport={"width": 1440, "height": 900}, locale=language)
    page = await context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(url)
    await page.wait_for_selector("#chat-input textarea")
    await page.wait_for_timeout(1000)  # Gradio restores what the browser keeps after it has drawn the page
    return page, asked
