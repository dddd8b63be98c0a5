"""`GET /v1/models` and `/v1/models/{model}`: the model under each of its names, alone and with each knowledge base, and the
embedding model.

Source: https://platform.openai.com/docs/api-reference/models; `max_model_len`, the tokens that a model reads, is vLLM's.
"""

import asyncio
import time
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from api.errors import UnknownModel
from api.model_names import base_of, names
from api.openai_embeddings_routes import embedding_names
from api.settings import ServerSettings
from assistant.assistant import Assistant
from generation.base import ModelNotReady

OWNER = "chat-llm-webui"


def routes(assistant: Assistant, settings: ServerSettings) -> APIRouter:
    """Return the routes."""
    router = APIRouter()
    since = int(time.time())

    def card(name: str, length: int | None) -> dict[str, Any]:
        told = {} if length is None else {"max_model_len": length}
        return {"id": name, "object": "model", "created": since, "owned_by": OWNER} | told

    @router.get("/v1/models")
    async def every() -> Response:
        """List the names by which a request can call a model; those with an `@` answer from a knowledge base."""
        bases = await asyncio.to_thread(assistant.library.bases)
        own, length = names(assistant), _length(assistant)
        grounded = [f"{own[0]}@{base.name}" for base in bases if base.documents]
        cards = [
            *(card(name, length) for name in (*own, *grounded)),
            *(card(name, None) for name in embedding_names(assistant, settings)),
        ]
        return JSONResponse({"object": "list", "data": cards})

    @router.get("/v1/models/{model:path}")
    async def one(model: str) -> Response:
        """Describe one of them; 404 for a name that no request can use."""
        if model in embedding_names(assistant, settings):
            return JSONResponse(card(model, None))
        base = base_of(assistant, model)
        if base and base not in {known.name for known in await asyncio.to_thread(assistant.library.bases)}:
            raise UnknownModel("There is no knowledge base of this name, and so no model that answers from it.")
        return JSONResponse(card(model, _length(assistant)))

    return router


def _length(assistant: Assistant) -> int | None:
    try:
        return assistant.engine.generator.context_length
    except ModelNotReady:
        return None
