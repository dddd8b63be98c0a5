"""Making the vectors of a vector store again by the server's embedding model: begun, followed, given up. For administrators.

Ours, in the style of OpenAI's vector store file batches; until a rebuild is done the store answers by its old vectors.
"""

import asyncio
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response

from api import base_ids
from api.administration import required
from api.settings import ServerSettings
from api.vector_store_file_routes import POLL
from assistant.assistant import Assistant
from knowledge.library import Library


def routes(assistant: Assistant, settings: ServerSettings) -> APIRouter:
    """Return the routes of rebuilds."""
    admitted = [Depends(required(settings))]
    router = APIRouter(prefix="/v1/vector_stores/{store}/rebuild", tags=["vector stores"], dependencies=admitted)
    library = assistant.library

    @router.post("")
    async def begin(store: str) -> Response:
        """Begin to make the vectors of a vector store again, or go on after an error."""
        return JSONResponse(await asyncio.to_thread(_begun, library, store), headers=POLL)

    @router.get("")
    async def state(store: str) -> Response:
        """Return whether a vector store needs a rebuild, how far it is, how long it takes."""
        return JSONResponse(await asyncio.to_thread(_state, library, store), headers=POLL)

    @router.post("/cancel")
    async def cancel(store: str) -> Response:
        """Give the rebuild up; the vector store keeps the vectors it has."""
        return JSONResponse(await asyncio.to_thread(_cancelled, library, store))

    return router


def _begun(library: Library, store: str) -> dict[str, Any]:
    library.rebuild(base_ids.resolve(library, store))
    return _state(library, store)


def _cancelled(library: Library, store: str) -> dict[str, Any]:
    library.cancel_rebuild(base_ids.resolve(library, store))
    return _state(library, store)


def _state(library: Library, store: str) -> dict[str, Any]:
    """Return the state; "completed": the vectors are those of the present model, whether or not they were ever others."""
    name = base_ids.resolve(library, store)
    said: dict[str, Any] = {"id": library.card(name).id, "object": "vector_store.rebuild"}
    one = next((one for one in library.rebuilds() if one.base == name), None)
    if one is None:
        return said | {"status": "completed", "last_error": None}
    return said | {
        "status": "in_progress" if one.running else "failed" if one.error else "needed",
        "made_by": one.made_by,
        "wanted": one.wanted,
        "passage_counts": {"completed": one.done, "total": one.passages},
        "seconds_left": round(one.seconds, 1),
        "by_words": one.by_words,
        "last_error": {"code": "server_error", "message": one.error} if one.error else None,
    }
