"""OpenAI's files: uploaded, listed, read back, deleted. What becomes of them in a vector store, other routes say.

Source: the API reference's "Files", as the official client speaks it.
"""

import asyncio
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from api import backup_routes, rebuild_routes, source_routes, vector_store_file_routes, vector_store_routes
from api.errors import BadRequest
from api.files_page import PageQuery, page, parameters, read
from api.files_upload import MIB, receive
from api.openai_errors import refuse
from api.protocol import Protocol
from api.settings import ServerSettings
from assistant.assistant import Assistant
from knowledge.base import UnsupportedFormat
from knowledge.file_base import File
from knowledge.loaders import HINTS, LOADERS

PURPOSES = ("assistants", "user_data")
"""What files are for, here: to be asked about."""

FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string", "enum": list(PURPOSES)},
                    },
                }
            }
        },
    }
}


class FilesQuery(PageQuery):
    """The query of the list of files."""

    limit: int = Field(10_000, ge=1, le=10_000)
    purpose: str = Field("", max_length=64)


def routes(assistant: Assistant, settings: ServerSettings) -> APIRouter:
    """Return the routes of files, and those of vector stores."""
    router = APIRouter(prefix="/v1/files", tags=["files"])
    files = assistant.library.files

    @router.post("", openapi_extra=FORM)
    async def create(request: Request) -> Response:
        """Upload a file."""
        async with receive(request, files.largest) as upload:
            purpose = _purpose(upload.fields)
            _refuse_format(upload.name)
            parts = iter(lambda: upload.file.read(MIB), b"")
            kept = await asyncio.to_thread(files.upload, upload.name, parts, purpose)
        return JSONResponse(_file(kept))

    @router.get("", openapi_extra=parameters(FilesQuery))
    async def listed(request: Request) -> Response:
        """List the files."""
        query = read(request, FilesQuery)
        return JSONResponse(page(await asyncio.to_thread(files.part, query.window, query.purpose), _file))

    @router.get("/{file}")
    async def retrieve(file: str) -> Response:
        """Return what is known of a file."""
        return JSONResponse(_file(await asyncio.to_thread(files.get, file)))

    @router.get("/{file}/content")
    async def content(file: str) -> Response:
        """Return the bytes of a file as they were uploaded."""
        name = (await asyncio.to_thread(files.get, file)).name
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
        return Response(await asyncio.to_thread(files.content, file), media_type="application/octet-stream", headers=headers)

    @router.delete("/{file}")
    async def delete(file: str) -> Response:
        """Delete a file everywhere: in the vector stores that it is in, too."""
        await asyncio.to_thread(files.delete, file)
        return JSONResponse({"id": file, "object": "file", "deleted": True})

    whole = APIRouter()
    whole.include_router(router)
    whole.include_router(vector_store_routes.routes(assistant))
    whole.include_router(vector_store_file_routes.routes(assistant))
    whole.include_router(source_routes.routes(assistant))
    whole.include_router(rebuild_routes.routes(assistant, settings))
    whole.include_router(backup_routes.routes(assistant, settings))
    return whole


def _purpose(fields: dict[str, str]) -> str:
    if "purpose" not in fields:
        raise BadRequest("purpose: this field is required.", "purpose")
    if fields["purpose"] not in PURPOSES:
        raise BadRequest(f"purpose: files here are for one of {', '.join(PURPOSES)}.", "purpose")
    if any(name.startswith("expires_after") for name in fields):
        raise BadRequest("expires_after: files here do not expire; delete them.", "expires_after")
    return fields["purpose"]


def _refuse_format(name: str) -> None:
    """Refuse what no loader reads, without the words of the client in the message."""
    suffix = PurePath(name).suffix.lower()
    if suffix not in LOADERS and suffix not in HINTS:
        raise UnsupportedFormat(f"files of this kind cannot be read, only {', '.join(LOADERS)}")


def _file(file: File) -> dict[str, Any]:
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.size,
        "created_at": int(file.added),
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
        "expires_at": None,
    }


PATHS = ("/v1/files", "/v1/vector_stores", "/v1/backups")
PROTOCOL = Protocol("knowledge", PATHS, routes, refuse, uploads=("/v1/files",), generates=())
