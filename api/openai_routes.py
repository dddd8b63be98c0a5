"""OpenAI's protocol for answers and vectors, all of `/v1` that is here, as one protocol. Knows none of its routes' fields."""

from fastapi import APIRouter

from api import (
    openai_chat_routes,
    openai_completions_routes,
    openai_embeddings_routes,
    openai_models_routes,
    openai_responses_routes,
)
from api.openai_errors import refuse
from api.protocol import Protocol
from api.settings import ServerSettings
from assistant.assistant import Assistant

PARTS = (
    openai_models_routes,
    openai_chat_routes,
    openai_completions_routes,
    openai_embeddings_routes,
    openai_responses_routes,
)


def routes(assistant: Assistant, settings: ServerSettings) -> APIRouter:
    """Return the routes of all parts."""
    router = APIRouter(tags=["openai"])
    for part in PARTS:
        router.include_router(part.routes(assistant, settings))
    return router


PROTOCOL = Protocol("openai", ("/v1",), routes, refuse)
