"""The native protocol over HTTP: `POST /` with a string or JSON, answered whole. Encodes a `Run`; decides nothing."""

from dataclasses import replace
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from api import json_body
from api.answering import text_of, whole
from api.errors import BadRequest, Fault
from api.native_request import NativeBody, NativeRequest, parse
from api.principal import principal
from api.protocol import Protocol
from api.settings import ServerSettings
from assistant.assistant import Assistant
from assistant.citations import find
from assistant.prompt import where
from assistant.run import Run
from knowledge.base import Passage


def routes(assistant: Assistant, settings: ServerSettings) -> APIRouter:
    """Return the route of the native protocol."""
    router = APIRouter(tags=["native"])

    @router.post("/", openapi_extra=json_body.described(NativeBody))
    async def ask(request: Request) -> Response:
        """Ask a question: the body is the question itself, or JSON with `prompt` and what goes with it."""
        asked = parse(await request.body(), request.headers.get("content-type", ""))
        if asked.stream:
            raise BadRequest("use_stream_chat: this version answers whole; leave the field out.", "use_stream_chat")
        who = principal(request, bool(settings.keys))
        run = await assistant.ask(replace(asked.question, principal=who))
        await whole(request, run, settings.request_timeout)
        return _encode(asked, run, request.headers.get("accept", ""))

    return router


def refuse(fault: Fault) -> Response:
    """Return `{"error": {"code", "message", "param"}}`."""
    body = {"code": fault.code, "message": fault.message} | ({"param": fault.param} if fault.param else {})
    return JSONResponse({"error": body}, fault.status, fault.headers)


PROTOCOL = Protocol("native", ("/",), routes, refuse)


def _encode(asked: NativeRequest, run: Run, accept: str) -> Response:
    text = text_of(run)
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
