"""The text generation of DashScope, whole and as server-sent events. Encodes a `Run`; decides nothing.

Source: wire.md section 7; the package `dashscope` speaks it with `DASHSCOPE_HTTP_BASE_URL=http://HOST:PORT/api/v1`.
"""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api import answering, dashscope_answer, json_body
from api.dashscope_answer import Form
from api.dashscope_request import DashScopeRequest
from api.errors import BadRequest
from api.principal import principal
from api.protocol import Protocol
from api.settings import ServerSettings
from assistant.assistant import Assistant

PATH = "/api/v1/services/aigc/text-generation/generation"
EVENTS = "text/event-stream"
IMPOSSIBLE = {"x-dashscope-async": "enable", "x-dashscope-plugin": ""}
"""Headers that ask for what is not possible here, with the value that does ("": any)."""


def routes(assistant: Assistant, settings: ServerSettings) -> APIRouter:
    """Return the route of DashScope's text generation."""
    router = APIRouter(tags=["dashscope"])

    @router.post(PATH, openapi_extra=json_body.described(DashScopeRequest))
    async def generate(request: Request) -> Response:
        """Answer a prompt or messages, from a knowledge base if the model's name or the parameters name one."""
        _check_headers(request)
        asked = await json_body.read(request, DashScopeRequest)
        streamed = _is_streamed(request)
        form = Form(asked.wanted.result_format == "message", streamed and bool(asked.wanted.incremental_output))
        run = await assistant.ask(asked.question(assistant, principal(request, bool(settings.keys))))
        request_id = dashscope_answer.new_id()
        if not streamed:
            await answering.whole(request, run, settings.request_timeout)
            return JSONResponse(dashscope_answer.whole(run, form, request_id))
        await answering.begun(request, run)
        chunks = dashscope_answer.events(run, form, request_id)
        return answering.StreamedAnswer(run, chunks, settings.request_timeout, EVENTS)

    return router


PROTOCOL = Protocol("dashscope", ("/api/v1",), routes, dashscope_answer.refuse)


def _is_streamed(request: Request) -> bool:
    asked = request.headers.get("x-dashscope-sse", "")
    return asked.lower() == "enable" if asked else EVENTS in request.headers.get("accept", "").lower()


def _check_headers(request: Request) -> None:
    for name, value in IMPOSSIBLE.items():
        given = request.headers.get(name, "").lower()
        if given and value in ("", given):
            raise BadRequest(f"The header {name} asks for what this server cannot do: leave it out.")
