"""`POST /v1/responses`, whole and streamed. Answers are not kept: there is nothing to retrieve. Decides nothing.

Source: https://platform.openai.com/docs/api-reference/responses
"""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from api import json_body
from api.answering import StreamedAnswer, begun, whole
from api.openai_events import MEDIA_TYPE
from api.openai_responses_answer import ResponseAnswer
from api.openai_responses_events import ResponseEvents
from api.openai_responses_request import ResponseBody
from api.principal import principal
from api.settings import ServerSettings
from assistant.assistant import Assistant


def routes(assistant: Assistant, settings: ServerSettings) -> APIRouter:
    """Return the route."""
    router = APIRouter()

    @router.post("/v1/responses", openapi_extra=json_body.described(ResponseBody))
    async def respond(request: Request) -> Response:
        """Answer, from a knowledge base where the tool `file_search` names one."""
        body = await json_body.read(request, ResponseBody)
        question = await asyncio.to_thread(body.question, assistant, principal(request, bool(settings.keys)))
        run = await assistant.ask(question)
        answer = ResponseAnswer(body, run, question.text)
        if not body.stream:
            await whole(request, run, settings.request_timeout)
            return JSONResponse(answer.whole())
        await begun(request, run)
        return StreamedAnswer(run, ResponseEvents(answer).chunks(), settings.request_timeout, MEDIA_TYPE)

    return router
