"""Files in vector stores and batches of them: put there, followed, changed, taken out.

Source: the API reference's "Vector store files" and "Vector store file batches", as the official client speaks them.
"""

import asyncio
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from api import base_ids, json_body
from api import vector_store_answer as answer
from api.files_page import PageQuery, page, parameters, read
from api.vector_store_request import NewAttributes, NewBatch, NewFile, SwitchedPassage
from assistant.assistant import Assistant
from knowledge.base import KnowledgeError, Passage, UnknownDocument

POLL = {"openai-poll-after-ms": "200"}
"""Tells clients that wait for an ingest when to ask again; theirs is a second, for a service further away."""


LONGEST_NUMBER = 18
"""Digits of the id of a passage."""


class EntriesQuery(PageQuery):
    """The query of a list of files in a vector store."""

    filter: Literal["", "in_progress", "completed", "failed", "cancelled"] = ""


def routes(assistant: Assistant) -> APIRouter:
    """Return the routes of files in vector stores."""
    router = APIRouter(prefix="/v1/vector_stores/{store}", tags=["vector store files"])
    _add_listing(router, assistant)
    _add_files(router, assistant)
    _add_passages(router, assistant)
    _add_batches(router, assistant)
    return router


def _add_listing(router: APIRouter, assistant: Assistant) -> None:
    files = assistant.library.files

    @router.post("/files", openapi_extra=json_body.described(NewFile))
    async def create(store: str, request: Request) -> Response:
        """Put a file into a vector store; it is found there when its status is completed."""
        asked = await json_body.read(request, NewFile)
        base = await _base(assistant, store)
        entries = await asyncio.to_thread(files.put, base, [asked.wish])
        return JSONResponse(answer.file(entries[0]))

    @router.get("/files", openapi_extra=parameters(EntriesQuery))
    async def listed(store: str, request: Request) -> Response:
        """List the files in a vector store."""
        query = read(request, EntriesQuery)
        base = await _base(assistant, store)
        return JSONResponse(page(await asyncio.to_thread(files.entries, base, query.window, query.filter), answer.file))


def _add_files(router: APIRouter, assistant: Assistant) -> None:
    files = assistant.library.files

    @router.get("/files/{file}")
    async def retrieve(store: str, file: str) -> Response:
        """Return how a file is in a vector store."""
        base = await _base(assistant, store)
        return JSONResponse(answer.file(await asyncio.to_thread(files.entry, base, file)), headers=POLL)

    @router.post("/files/{file}", openapi_extra=json_body.described(NewAttributes))
    async def change(store: str, file: str, request: Request) -> Response:
        """Replace the attributes of a file in a vector store."""
        asked = await json_body.read(request, NewAttributes)
        base = await _base(assistant, store)
        entry = await asyncio.to_thread(files.set_attributes, base, file, asked.attributes or {})
        return JSONResponse(answer.file(entry))

    @router.delete("/files/{file}")
    async def delete(store: str, file: str) -> Response:
        """Take a file out of a vector store; the file itself stays."""
        base = await _base(assistant, store)
        await asyncio.to_thread(files.take, base, file)
        return JSONResponse({"id": file, "object": "vector_store.file.deleted", "deleted": True})


def _add_passages(router: APIRouter, assistant: Assistant) -> None:
    files = assistant.library.files

    @router.get("/files/{file}/content")
    async def content(store: str, file: str) -> Response:
        """Return the text of a file as it was cut into passages, without those that are switched off."""
        passages = await _passages(assistant, await _base(assistant, store), file)
        data = [{"type": "text", "text": passage.text} for passage in passages if not passage.switched_off]
        return JSONResponse({"object": "vector_store.file_content.page", "data": data, "has_more": False, "next_page": None})

    @router.get("/files/{file}/passages")
    async def passages(store: str, file: str) -> Response:
        """List the passages of a file in order, those too that are switched off; not of OpenAI's API."""
        data = await _passages(assistant, await _base(assistant, store), file)
        return JSONResponse({"object": "list", "data": [answer.passage(one) for one in data], "has_more": False})

    @router.post("/files/{file}/passages/{passage}", openapi_extra=json_body.described(SwitchedPassage))
    async def switch(store: str, file: str, passage: str, request: Request) -> Response:
        """Switch a passage off, so that no search finds it, or on again; not of OpenAI's API."""
        asked = await json_body.read(request, SwitchedPassage)
        base = await _base(assistant, store)
        if not passage.isdecimal() or len(passage) > LONGEST_NUMBER:
            raise UnknownDocument("there is no passage of this id: the list of the file's passages tells them")
        found = await asyncio.to_thread(files.switch_passage, base, file, int(passage), asked.switched_off)
        return JSONResponse(answer.passage(found))


def _add_batches(router: APIRouter, assistant: Assistant) -> None:
    files = assistant.library.files

    @router.post("/file_batches", openapi_extra=json_body.described(NewBatch))
    async def create(store: str, request: Request) -> Response:
        """Put files into a vector store together: all, or none when one of them cannot be."""
        asked = await json_body.read(request, NewBatch)
        base = await _base(assistant, store)
        return JSONResponse(answer.batch(await asyncio.to_thread(files.put_together, base, asked.wishes)))

    @router.get("/file_batches/{batch}")
    async def retrieve(store: str, batch: str) -> Response:
        """Return how far a batch is."""
        base = await _base(assistant, store)
        return JSONResponse(answer.batch(await asyncio.to_thread(files.batch, base, batch)), headers=POLL)

    @router.post("/file_batches/{batch}/cancel")
    async def cancel(store: str, batch: str) -> Response:
        """Give up the files of a batch that are not in the vector store yet."""
        base = await _base(assistant, store)
        return JSONResponse(answer.batch(await asyncio.to_thread(files.cancel, base, batch)))

    @router.get("/file_batches/{batch}/files", openapi_extra=parameters(EntriesQuery))
    async def listed(store: str, batch: str, request: Request) -> Response:
        """List the files of a batch."""
        query = read(request, EntriesQuery)
        base = await _base(assistant, store)
        part = await asyncio.to_thread(files.entries, base, query.window, query.filter, batch)
        return JSONResponse(page(part, answer.file))


async def _passages(assistant: Assistant, base: str, file: str) -> list[Passage]:
    entry = await asyncio.to_thread(assistant.library.files.entry, base, file)
    if entry.status != "completed":
        raise KnowledgeError(f"this file has no text in the vector store: its status is {entry.status}")
    return await asyncio.to_thread(assistant.library.files.text, base, file)


async def _base(assistant: Assistant, store: str) -> str:
    return await asyncio.to_thread(base_ids.resolve, assistant.library, store)
