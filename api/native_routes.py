"""The native protocol over HTTP: `POST /` with a string, JSON or a form, in version 2 or 1. Encodes a `Run`; decides nothing.

Its WebSocket is at the same address: `api.native_socket`.
"""

from dataclasses import replace
from html import escape

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import WebSocketRoute

from api import json_body, native_v1_answer
from api.answering import StreamedAnswer, begun, text_of, whole
from api.errors import Fault
from api.native_answer import Turn, error_body, zero_ended
from api.native_request import NativeBody, NativeRequest, parse
from api.native_socket import NativeSocket
from api.native_v1_request import V1Body
from api.principal import principal
from api.protocol import Protocol
from api.settings import ServerSettings
from assistant.assistant import Assistant
from assistant.run import Run

STREAM = "application/octet-stream"
"""JSON objects with zero bytes between them are neither JSON nor text."""


def routes(assistant: Assistant, settings: ServerSettings) -> APIRouter:
    """Return the route of the native protocol."""
    router = APIRouter(tags=["native"])

    @router.post("/", openapi_extra=json_body.described(NativeBody))
    async def ask(request: Request) -> Response:
        """Ask a question: the body is the question itself, or JSON with `prompt` and what goes with it."""
        asked = parse(await request.body(), request.headers.get("content-type", ""))
        who = principal(request, bool(settings.keys))
        run = await assistant.ask(replace(asked.question, principal=who))
        if isinstance(asked.body, NativeBody) and asked.body.stream:
            await begun(request, run)
            chunks = zero_ended(_turn(asked.body, run))
            return StreamedAnswer(run, chunks, settings.request_timeout, STREAM)
        await whole(request, run, settings.request_timeout)
        return _encode(asked, run, request.headers.get("accept", ""))

    router.routes.append(WebSocketRoute("/", NativeSocket(assistant, settings, refuse)))
    return router


def refuse(fault: Fault) -> Response:
    """Return `{"error": {"code", "message", "param"}}`."""
    return JSONResponse(error_body(fault), fault.status, fault.headers)


PROTOCOL = Protocol("native", ("/",), routes, refuse)


def _turn(body: NativeBody, run: Run) -> Turn:
    return Turn(body.history, body.prompt, run)


def _encode(asked: NativeRequest, run: Run, accept: str) -> Response:
    if isinstance(asked.body, V1Body):
        return HTMLResponse(native_v1_answer.html(asked.body.input_ids, text_of(run)))
    if not asked.bare or "application/json" in accept:
        return JSONResponse(_turn(asked.body, run).whole())
    if "text/plain" in accept:
        return PlainTextResponse(text_of(run))
    return HTMLResponse("<br/>".join(escape(line, quote=False) for line in text_of(run).split("\n")))
