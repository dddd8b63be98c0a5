"""`GET /v1/limits`: the limits in force, for whoever may call the API. Every number comes from the settings or its own room."""

from typing import Any

from fastapi import APIRouter

from api.guard import LONGEST_HEADERS, MOST_HEADERS
from api.server import CONNECTIONS
from api.settings import ServerSettings
from api.turnstile import rates
from assistant.assistant import Assistant

MIB = 1024 * 1024


def routes(assistant: Assistant, settings: ServerSettings) -> APIRouter:
    """Return the route of the limits."""
    router = APIRouter(tags=["limits"])

    @router.get("/v1/limits")
    async def limits() -> dict[str, Any]:
        """The limits in force; null: none."""
        return in_force(assistant, settings)

    return router


def in_force(assistant: Assistant, settings: ServerSettings) -> dict[str, Any]:
    """Return the limits by what they limit; the unit stands in each name."""
    model = assistant.engine.settings
    return {
        "calls_per_minute": {kind: rate or None for kind, rate in rates(settings).items()}
        | {"wrong_keys": (settings.rate_wrong_keys or None) if settings.counts_calls else None},
        "requests": {
            "header_bytes": LONGEST_HEADERS,
            "headers": MOST_HEADERS,
            "body_bytes": settings.max_body * MIB,
            "upload_bytes": settings.max_upload * MIB,
            "connections": CONNECTIONS,
        },
        "seconds": {
            "header": settings.header_seconds,
            "body": settings.body_seconds,
            "keep_alive": settings.keep_alive_seconds,
            "unread": settings.unread_seconds,
            "wait": settings.max_wait_seconds,
            "answer": settings.request_timeout,
        },
        "answers": {
            "running": settings.max_running or model.max_concurrent,
            "waiting": settings.max_waiting,
            "waiting_tokens": settings.max_waiting_tokens,
            "of_one_client": settings.max_runs_each,
            "tokens_if_not_asked": settings.max_new_tokens,
        },
        "documents": {
            "file_bytes": settings.max_file_size * MIB,
            "characters": settings.max_characters,
            "in_one_base": settings.max_documents,
            "read_seconds": settings.parse_seconds,
        },
    }
