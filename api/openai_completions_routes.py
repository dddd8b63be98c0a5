"""`POST /v1/completions`: a prompt without a chat template, and how the model goes on. Knows no documents.

Source: https://platform.openai.com/docs/api-reference/completions
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field, field_validator, model_validator

from api import json_body
from api.answering import StreamedAnswer, begun, text_of, whole
from api.json_body import LONGEST_TEXT
from api.openai_answer import reason, usage
from api.openai_choices import Choices, ask
from api.openai_events import HOLE, MEDIA_TYPE, Template, event, told
from api.openai_fields import MOST_CHOICES, Asked, Streamed, only, target
from api.principal import principal
from api.settings import ServerSettings
from assistant.assistant import Assistant, Question
from generation.base import Message

USUAL_TOKENS = 16
"""The protocol's own default, which continuations of a text keep short."""

Raw = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]


class CompletionBody(Streamed, Asked):
    """The fields of the request."""

    prompt: Raw | Annotated[list[Raw], Field(min_length=1, max_length=MOST_CHOICES)]
    best_of: Annotated[int, Field(ge=1, le=MOST_CHOICES)] | None = None
    echo: Annotated[Any, only(False)] = None
    logprobs: Annotated[Any, only()] = None
    suffix: Annotated[Any, only("")] = None

    @field_validator("prompt", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        if isinstance(value, list) and value and not isinstance(value[0], str):
            raise ValueError("must be text: token ids of another model's tokenizer mean nothing here")
        return value

    @field_validator("prompt")
    @classmethod
    def _not_blank(cls, value: str | list[str]) -> str | list[str]:
        if any(not text.strip() for text in ([value] if isinstance(value, str) else value)):
            raise ValueError("must not be blank")
        return value

    @model_validator(mode="after")
    def _few(self) -> "CompletionBody":
        if self.best_of not in (None, self.n or 1):
            raise ValueError("best_of above n is not possible with this server")
        if len(self.prompts) * (self.n or 1) > MOST_CHOICES:
            raise ValueError(f"at most {MOST_CHOICES} answers to one request (prompts times n)")
        return self

    @property
    def prompts(self) -> list[str]:
        """The prompts, in order."""
        return [self.prompt] if isinstance(self.prompt, str) else self.prompt

    def questions(self, assistant: Assistant, who: str) -> list[Question]:
        """Return a question for each answer that is wanted, prompt by prompt; raises as `openai_fields.target`."""
        mode, base = target(assistant, self.model, None, None)
        most = self.max_tokens or USUAL_TOKENS
        return [
            Question((Message("user", prompt),), mode, base, None, self.sampling(most, index), who, raw=True)
            for prompt in self.prompts
            for index in range(self.n or 1)
        ]


def routes(assistant: Assistant, settings: ServerSettings) -> APIRouter:
    """Return the route."""
    router = APIRouter()

    @router.post("/v1/completions", openapi_extra=json_body.described(CompletionBody))
    async def complete(request: Request) -> Response:
        """Go on with a text, as it stands."""
        body = await json_body.read(request, CompletionBody)
        questions = await asyncio.to_thread(body.questions, assistant, principal(request, bool(settings.keys)))
        choices = await ask(assistant, questions)
        if not body.stream:
            await whole(request, choices, settings.request_timeout)
            answers = [_choice(index, text_of(run), reason(run)) for index, run in enumerate(choices.runs)]
            return JSONResponse(_head(body, choices) | {"choices": answers, "usage": usage(choices.usage)})
        await begun(request, choices)
        return StreamedAnswer(choices, told(_chunks(body, choices)), settings.request_timeout, MEDIA_TYPE)

    return router


def _head(body: CompletionBody, choices: Choices) -> dict[str, Any]:
    return {"id": f"cmpl-{choices.runs[0].id}", "object": "text_completion", "created": int(time.time()), "model": body.model}


def _choice(index: int, text: str, why: str | None = None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": why}


async def _chunks(body: CompletionBody, choices: Choices) -> AsyncGenerator[bytes, None]:
    """Yield the texts as they come, the reason of each behind it, and at the very end the usage."""
    wants_usage = bool(body.stream_options and body.stream_options.include_usage)
    head, nothing = _head(body, choices), {"usage": None} if wants_usage else {}
    texts = [Template(head | {"choices": [_choice(index, HOLE)]} | nothing) for index in range(len(choices.runs))]
    async with aclosing(choices.texts()) as coming:
        async for index, text in coming:
            if text is not None:
                yield texts[index](text)
            else:
                yield event(head | {"choices": [_choice(index, "", reason(choices.runs[index]))]} | nothing)
    if wants_usage:
        yield event(head | {"choices": [], "usage": usage(choices.usage)})
