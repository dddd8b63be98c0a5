"""`POST /v1/chat/completions`, whole and streamed. Encodes runs; decides nothing.

Source: https://platform.openai.com/docs/api-reference/chat and .../chat-streaming
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from api import json_body
from api.answering import StreamedAnswer, begun, text_of, whole
from api.openai_answer import extras, reason, usage
from api.openai_chat_request import ChatBody
from api.openai_choices import Choices, ask
from api.openai_events import HOLE, MEDIA_TYPE, Template, event, told
from api.principal import principal
from api.settings import ServerSettings
from assistant.assistant import Assistant


def routes(assistant: Assistant, settings: ServerSettings) -> APIRouter:
    """Return the route."""
    router = APIRouter()

    @router.post("/v1/chat/completions", openapi_extra=json_body.described(ChatBody))
    async def complete(request: Request) -> Response:
        """Answer the last message of a conversation, from the model's own knowledge or from documents."""
        body = await json_body.read(request, ChatBody)
        questions = await asyncio.to_thread(body.questions, assistant, principal(request, bool(settings.keys)))
        choices = await ask(assistant, questions)
        if not body.stream:
            await whole(request, choices, settings.request_timeout)
            return JSONResponse(_whole(body, choices))
        await begun(request, choices)
        return StreamedAnswer(choices, told(_chunks(body, choices)), settings.request_timeout, MEDIA_TYPE)

    return router


def _head(body: ChatBody, choices: Choices, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{choices.runs[0].id}", "object": kind, "created": int(time.time()), "model": body.model}


def _whole(body: ChatBody, choices: Choices) -> dict[str, Any]:
    answers = [
        {
            "index": index,
            "message": {"role": "assistant", "content": text_of(run), "refusal": None},
            "logprobs": None,
            "finish_reason": reason(run),
        }
        for index, run in enumerate(choices.runs)
    ]
    return _head(body, choices, "chat.completion") | {"choices": answers, "usage": usage(choices.usage)} | extras(choices.runs)


async def _chunks(body: ChatBody, choices: Choices) -> AsyncGenerator[bytes, None]:
    """Yield for each answer its role, its text, its reason (there with the sources), and at the very end the usage."""
    wants_usage = bool(body.stream_options and body.stream_options.include_usage)
    head = _head(body, choices, "chat.completion.chunk")
    nothing = {"usage": None} if wants_usage else {}

    def chunk(index: int, delta: dict[str, Any], why: str | None = None) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": why}
        return head | {"choices": [choice]} | nothing

    for index in range(len(choices.runs)):
        yield event(chunk(index, {"role": "assistant", "content": "", "refusal": None}))
    texts = [Template(chunk(index, {"content": HOLE})) for index in range(len(choices.runs))]
    async with aclosing(choices.texts()) as coming:
        async for index, text in coming:
            if text is not None:
                yield texts[index](text)
            else:
                run = choices.runs[index]
                yield event(chunk(index, {}, reason(run)) | extras([run]))
    if wants_usage:
        yield event(head | {"choices": [], "usage": usage(choices.usage)})
