"""The protocol of EverAI's example application: `/chat` and `/sse`. Encodes a `Run`; decides nothing.

Source: EverAI's example application; Server-Sent Events as in the HTML standard, section 9.2.
"""

import hashlib
import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from api import everai_request, json_body
from api.answering import StreamedAnswer, begun, deltas, text_of, whole
from api.errors import QUEUE_FULL, Fault, fault
from api.everai_request import EverAIBody
from api.keys import bearer
from api.native_answer import error_body
from api.principal import principal
from api.protocol import Protocol
from api.settings import ServerSettings
from assistant.assistant import Assistant
from assistant.run import Run

LINE_END = re.compile(r"\r\n|\r|\n")
OWN_SITE = ("same-origin", "none")


def routes(assistant: Assistant, settings: ServerSettings) -> APIRouter:
    """Return the routes of EverAI."""
    router = APIRouter(tags=["everai"])
    described = json_body.described(EverAIBody)

    async def ask(request: Request) -> tuple[EverAIBody, Run]:
        asked = await everai_request.read(request)
        question = asked.question(assistant.engine.generator.features)
        return asked, await assistant.ask(replace(question, principal=principal(request, bool(settings.keys))))

    async def chat(request: Request) -> Response:
        """Answer whole: the prompt, and the answer on the next line."""
        if foreign := _refuse_foreign(request):
            return foreign
        asked, run = await ask(request)
        await whole(request, run, settings.request_timeout)
        return PlainTextResponse(f"{asked.prompt}\n{text_of(run)}", headers=_hash(asked))

    async def sse(request: Request) -> Response:
        """Answer as it comes: an event with the prompt, then events whose texts joined are the answer."""
        if foreign := _refuse_foreign(request):
            return foreign
        asked, run = await ask(request)
        await begun(request, run)
        return StreamedAnswer(run, _events(asked, run), settings.request_timeout, "text/event-stream", _hash(asked))

    parameters = {"parameters": [{"name": "prompt", "in": "query", "required": True, "schema": {"type": "string"}}]}
    for path, endpoint in (("/chat", chat), ("/sse", sse)):
        router.add_api_route(path, endpoint, methods=["GET"], openapi_extra=parameters)
        router.add_api_route(path, endpoint, methods=["POST"], openapi_extra=described)
    return router


def refuse(fault: Fault) -> Response:
    """Return `{"error": {"code", "message", "param"}}`."""
    return JSONResponse(error_body(fault), 429 if fault.status == QUEUE_FULL else fault.status, fault.headers)


PROTOCOL = Protocol("everai", ("/chat", "/sse"), routes, refuse, generates=("/chat", "/sse"))


def _refuse_foreign(request: Request) -> Response | None:
    """Refuse what another web page makes a browser fetch: a GET that costs an answer, unlike those the guard lets pass."""
    site = request.headers.get("sec-fetch-site", "none")
    if request.method != "GET" or site in OWN_SITE or bearer(request.headers.get("authorization", "")):
        return None
    return refuse(Fault(403, "origin_not_allowed", "Another web page may not ask this server by an address alone."))


def _hash(asked: EverAIBody) -> dict[str, str]:
    return {"x-prompt-hash": hashlib.sha256(asked.prompt.encode()).hexdigest()}


async def _events(asked: EverAIBody, run: Run) -> AsyncGenerator[bytes, None]:
    yield _event(asked.prompt + "\n")
    try:
        async with aclosing(deltas(run)) as parts:
            async for part in parts:
                yield _event(part)
    except Exception as error:  # of any engine; the run has logged what is not ours
        yield _event(json.dumps(error_body(fault(error)), ensure_ascii=False), "error")
    yield _event("", "end")


def _event(text: str, kind: str = "") -> bytes:
    """Return an event whose data is `text`; the format has one end of line, so that a carriage return becomes a line feed."""
    head = f"event: {kind}\n" if kind else ""
    return (head + "".join(f"data: {line}\n" for line in LINE_END.split(text)) + "\n").encode()
