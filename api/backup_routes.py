"""Backups of all vector stores and files: begun, followed, listed, fetched as one archive, deleted. For administrators.

Ours, in the style of OpenAI's files.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response, StreamingResponse

from api.administration import required
from api.settings import ServerSettings
from api.vector_store_file_routes import POLL
from assistant.assistant import Assistant
from knowledge.backups import BackupState


def routes(assistant: Assistant, settings: ServerSettings) -> APIRouter:
    """Return the routes of backups."""
    router = APIRouter(prefix="/v1/backups", tags=["backups"], dependencies=[Depends(required(settings))])
    backups = assistant.library.backups

    @router.post("")
    async def begin() -> Response:
        """Begin to copy all that is kept, as of this moment, while it is used."""
        return JSONResponse(_backup(await asyncio.to_thread(backups.begin)), headers=POLL)

    @router.get("")
    async def listed() -> Response:
        """List the backups, the latest first."""
        found = await asyncio.to_thread(backups.all)
        return JSONResponse({"object": "list", "data": [_backup(one) for one in found], "has_more": False})

    @router.get("/{backup}")
    async def retrieve(backup: str) -> Response:
        """Return how far a backup is."""
        return JSONResponse(_backup(await asyncio.to_thread(backups.get, backup)), headers=POLL)

    @router.get("/{backup}/content")
    async def content(backup: str) -> Response:
        """Return a backup as a tar archive; unpacked, it is what `knowledge restore` reads."""
        length, parts = await asyncio.to_thread(backups.archive, backup)
        headers = {"Content-Disposition": f'attachment; filename="{backup}.tar"', "Content-Length": str(length)}
        return StreamingResponse(_sent(parts), media_type="application/x-tar", headers=headers)

    @router.delete("/{backup}")
    async def delete(backup: str) -> Response:
        """Delete a backup."""
        await asyncio.to_thread(backups.remove, backup)
        return JSONResponse({"id": backup, "object": "backup", "deleted": True})

    return router


async def _sent(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (part := await asyncio.to_thread(next, parts, None)) is not None:
        yield part


def _backup(one: BackupState) -> dict[str, Any]:
    return {
        "id": one.name,
        "object": "backup",
        "status": one.status,
        "created_at": int(one.begun),
        "bytes": one.size,
        "last_error": {"code": "server_error", "message": one.error} if one.error else None,
    }
