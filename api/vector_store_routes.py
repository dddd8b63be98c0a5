"""OpenAI's vector stores: a knowledge base is one. Made, listed, changed, deleted, searched.

Source: the API reference's "Vector stores", as the official client speaks it.
"""

import asyncio
import secrets
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from api import base_ids, json_body
from api import vector_store_answer as answer
from api.files_page import PageQuery, page, parameters, read
from api.vector_store_request import ChangedStore, NewStore, Searched
from assistant.assistant import Assistant
from knowledge.base import EmptyBase, KnowledgeError, Passage
from knowledge.file_base import BaseCard
from knowledge.library import Library
from knowledge.search import Found


def routes(assistant: Assistant) -> APIRouter:
    """Return the routes of vector stores themselves."""
    router = APIRouter(prefix="/v1/vector_stores", tags=["vector stores"])
    library = assistant.library

    @router.post("", openapi_extra=json_body.described(NewStore, required=False))
    async def create(request: Request) -> Response:
        """Make a vector store, with files in it if they are named."""
        asked = await json_body.read(request, NewStore) if await request.body() else NewStore()
        return JSONResponse(answer.store(await asyncio.to_thread(_create, library, asked)))

    @router.get("", openapi_extra=parameters(PageQuery))
    async def listed(request: Request) -> Response:
        """List the vector stores."""
        query = read(request, PageQuery)
        return JSONResponse(page(await asyncio.to_thread(library.cards, query.window), answer.store))

    @router.get("/{store}")
    async def retrieve(store: str) -> Response:
        """Return a vector store by its id or name."""
        return JSONResponse(answer.store(await asyncio.to_thread(_card, library, store)))

    @router.post("/{store}", openapi_extra=json_body.described(ChangedStore))
    async def change(store: str, request: Request) -> Response:
        """Give a vector store another name or other metadata; its id stays."""
        asked = await json_body.read(request, ChangedStore)
        name = await asyncio.to_thread(base_ids.resolve, library, store)
        card = await asyncio.to_thread(library.change, name, asked.name, asked.new_metadata)
        return JSONResponse(answer.store(card))

    @router.delete("/{store}")
    async def delete(store: str) -> Response:
        """Delete a vector store with its documents; files that were uploaded by themselves stay."""
        card = await asyncio.to_thread(_card, library, store)
        await asyncio.to_thread(library.delete, card.name)
        return JSONResponse({"id": card.id, "object": "vector_store.deleted", "deleted": True})

    @router.post("/{store}/search", openapi_extra=json_body.described(Searched))
    async def search(store: str, request: Request) -> Response:
        """Find the passages that are nearest to a query."""
        asked = await json_body.read(request, Searched)
        name = await asyncio.to_thread(base_ids.resolve, library, store)
        used, results = await asyncio.to_thread(_search, library, name, asked)
        return JSONResponse(
            {
                "object": "vector_store.search_results.page",
                "search_query": used,
                "data": results,
                "has_more": False,
                "next_page": None,
            }
        )

    return router


def _create(library: Library, asked: NewStore) -> BaseCard:
    name = asked.name or f"vector store {secrets.token_hex(4)}"
    for wish in asked.wishes:  # before the store is there: an unknown file leaves nothing behind
        library.files.get(wish.file)
        library.files.check_cut(wish.cut)
    made = library.create(name, asked.metadata).name
    if asked.wishes:
        try:
            library.files.put(made, asked.wishes)
        except KnowledgeError:
            library.delete(made)
            raise
    return library.card(made)


def _card(library: Library, given: str) -> BaseCard:
    return library.card(base_ids.resolve(library, given))


def _search(library: Library, base: str, asked: Searched) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the queries that were really used, and the results of all together: the best first, each passage once."""
    wanted = asked.condition
    documents = None if wanted is None else library.files.matching(base, wanted)
    all_found = [_find(library, base, query, asked, documents) for query in asked.queries]
    best: dict[int, Passage] = {}
    for passage in (passage for found in all_found for passage in found.passages):
        known = best.get(passage.chunk_id)
        best[passage.chunk_id] = passage if known is None or passage.score > known.score else known
    ordered = list(best.values()) if len(all_found) == 1 else sorted(best.values(), key=lambda passage: -passage.score)
    entries = library.files.of_documents({passage.source.document_id for passage in ordered})
    results = [
        answer.result(passage, entries[passage.source.document_id])
        for passage in ordered[: asked.max_num_results]
        if passage.source.document_id in entries and passage.score >= asked.ranking_options.score_threshold
    ]
    return [found.query for found in all_found], results


def _find(library: Library, base: str, query: str, asked: Searched, documents: frozenset[int] | None) -> Found:
    try:
        return library.find(base, query, asked.max_num_results, documents, asked.earlier)
    except EmptyBase:  # towards these clients nothing is found in a store that holds nothing
        return Found([], query)
