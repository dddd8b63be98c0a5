"""`POST /v1/embeddings`: the vectors of the knowledge room's model. Knows no chat model.

Source: https://platform.openai.com/docs/api-reference/embeddings
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.requests import ClientDisconnect

from api import json_body
from api.errors import BadRequest, UnknownModel
from api.json_body import LONGEST_TEXT
from api.openai_fields import ModelName, Unused
from api.settings import ServerSettings
from assistant.assistant import Assistant
from assistant.errors import TooManyRuns
from knowledge.base import Embedded

MOST_TEXTS = 2048
"""As many as OpenAI takes; what they may have together is bounded by the size of a body."""
MOST_WAITING = 16
"""Requests that wait for the one that is being worked on."""

Input = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]


class EmbeddingBody(BaseModel):
    """The fields of the request."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    model: ModelName
    input: Input | Annotated[list[Input], Field(min_length=1, max_length=MOST_TEXTS)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    user: Unused = None

    @field_validator("input", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        if isinstance(value, list) and value and not isinstance(value[0], str):
            raise ValueError("must be text or a list of texts: token ids of another model's tokenizer mean nothing here")
        return value


def embedding_names(assistant: Assistant, settings: ServerSettings) -> tuple[str, ...]:
    """Return the names of the embedding model: its own, and its path as it was given."""
    path = () if settings.embedding_path is None else (settings.embedding_path,)
    return tuple(dict.fromkeys((assistant.library.embedder_name, *path)))


def routes(assistant: Assistant, settings: ServerSettings) -> APIRouter:
    """Return the route."""
    router = APIRouter()
    turn, waiting = asyncio.Semaphore(), 0

    @asynccontextmanager
    async def one_at_a_time() -> AsyncIterator[None]:
        # Each takes a thread for as long as it lasts, and questions need threads for their searches.
        nonlocal waiting
        if waiting >= MOST_WAITING:
            raise TooManyRuns(f"{MOST_WAITING} requests for embeddings are waiting, which is all this server takes.")
        waiting += 1
        try:
            async with turn:
                yield
        finally:
            waiting -= 1

    @router.post("/v1/embeddings", openapi_extra=json_body.described(EmbeddingBody))
    async def embed(request: Request) -> Response:
        """Return the vector of each text, of length 1, so that the inner product of two is their likeness."""
        body = await json_body.read(request, EmbeddingBody)
        known = embedding_names(assistant, settings)
        if body.model not in known:
            raise UnknownModel(f"There is no such embedding model here. Embedding models: {', '.join(known)}.")
        length = assistant.library.embedding_dimension
        if body.dimensions not in (None, length):
            raise BadRequest(f"dimensions: the vectors of this model have {length}, and cannot be shortened.", "dimensions")
        texts = [body.input] if isinstance(body.input, str) else body.input
        async with one_at_a_time():
            made = await _embedded(request, assistant, texts)
        return await asyncio.to_thread(_encode, body, made)

    return router


async def _embedded(request: Request, assistant: Assistant, texts: list[str]) -> Embedded:
    """Return the vectors, unless the client leaves before they are there."""
    gone = False

    def step(done: int) -> None:
        if gone:
            raise ClientDisconnect

    async def watch() -> None:
        nonlocal gone
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone = True

    watcher = asyncio.create_task(watch())
    try:
        return await asyncio.to_thread(assistant.library.embed, texts, step)
    finally:
        watcher.cancel()


def _encode(body: EmbeddingBody, made: Embedded) -> Response:
    rows = made.vectors.astype("<f4", copy=False)
    if body.encoding_format == "base64":
        vectors: list[Any] = [base64.b64encode(row.tobytes()).decode("ascii") for row in rows]
    else:
        vectors = rows.tolist()
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    used = {"prompt_tokens": made.tokens, "total_tokens": made.tokens}
    return JSONResponse({"object": "list", "data": data, "model": body.model, "usage": used})
