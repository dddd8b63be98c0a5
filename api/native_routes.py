"""The native protocol over HTTP: `POST /` with a string or JSON, answered whole. Encodes a `Run`; decides nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from api.errors import AnswerTimeout, BadRequest
from api.native_request import NativeRequest, parse
from api.principal import principal
from api.settings import ApiSettings
from assistant.assistant import Assistant
from assistant.citations import find, mend
from assistant.prompt import where
from assistant.run import Run
from knowledge.base import Passage


def routes(assistant: Assistant, settings: ApiSettings) -> APIRouter:
    """Return the route of the native protocol."""
    router = APIRouter(tags=["native"])

    @router.post("/")
    async def ask(request: Request) -> Response:
        """Ask a question: the body is the question itself, or JSON with `prompt` and what goes with it."""
        asked = parse(await request.body(), request.headers.get("content-type", ""))
        if asked.stream:
            raise BadRequest("use_stream_chat: this version answers whole; leave the field out.", "use_stream_chat")
        who = principal(request, bool(settings.keys))
        run = await assistant.ask(replace(asked.question, principal=who))
        async with _reader(request, run):
            await run.begun()  # the wait for its turn has a limit of its own
            async with _deadline(settings.request_timeout):
                await run.wait()
        return _encode(asked, run, request.headers.get("accept", ""))

    return router


@asynccontextmanager
async def _reader(request: Request, run: Run) -> AsyncIterator[None]:
    """Stop the model when the client has gone, or when we leave for any other reason."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        run.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    finally:
        watcher.cancel()
        run.cancel()


@asynccontextmanager
async def _deadline(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError:
        if not limit.expired():  # an engine's own
            raise
        raise AnswerTimeout(f"The answer took longer than {seconds:g} s (--request-timeout).") from None


def _encode(asked: NativeRequest, run: Run, accept: str) -> Response:
    text = mend(run.text, len(run.sources)) if run.mode == "knowledge" else run.text
    if asked.bare and "application/json" not in accept:
        if "text/plain" in accept:
            return PlainTextResponse(text)
        return HTMLResponse("<br/>".join(escape(line, quote=False) for line in text.split("\n")))
    return JSONResponse(_whole(asked, run, text))


def _whole(asked: NativeRequest, run: Run, text: str) -> dict[str, Any]:
    body: dict[str, Any] = {"response": text, "history": [*asked.history, [asked.question.text, text]]}
    if run.usage is not None:
        read, written = run.usage.prompt_tokens, run.usage.completion_tokens
        body["usage"] = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    body["finish_reason"] = run.finish_reason
    if run.mode != "chat":
        used = find(text, len(run.sources)).used
        body["sources"] = [_source(number, passage, number in used) for number, passage in enumerate(run.sources, 1)]
    if run.fitted is not None and (run.fitted.left_out_turns or run.fitted.left_out_passages):
        body["left_out"] = {"turns": run.fitted.left_out_turns, "passages": len(run.fitted.left_out_passages)}
    return body


def _source(number: int, passage: Passage, cited: bool) -> dict[str, Any]:
    place = passage.locator
    return {
        "number": number,
        "cited": cited,
        "file": passage.source.name,
        "where": where(place),
        "page": place.page,
        "headings": list(place.headings),
        "lines": None if place.first_line is None else [place.first_line, place.last_line],
        "score": round(passage.score, 4),
        "text": passage.text,
    }
