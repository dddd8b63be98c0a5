"""The source of a citation: where in a document a passage stands, and the pages of a PDF as pictures. Ours, for the page.

Base and document are looked up together, so who may not have the one cannot have the other by its id; the guard is in front
of these addresses as of all.
"""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from api import json_body
from assistant.assistant import Assistant
from knowledge.base import Locator
from knowledge.sources import Opened

AT_ONCE = 2
"""Documents read for viewers at a time: each is a process that may take a core and much memory."""
Heading = Annotated[str, Field(max_length=1000)]


class Quoted(BaseModel):
    """A passage as it was cited: its text, and where it stood, as far as that is known."""

    text: Annotated[str, Field(min_length=1, max_length=json_body.LONGEST_TEXT)]
    page: Annotated[int | None, Field(ge=1, le=100_000)] = None
    line: Annotated[int | None, Field(ge=1, le=100_000_000)] = None
    headings: Annotated[list[Heading], Field(max_length=32)] = []

    @property
    def at(self) -> Locator:
        """Where it stood."""
        return Locator(self.page, tuple(self.headings), self.line)


def routes(assistant: Assistant) -> APIRouter:
    """Return the routes of sources."""
    router = APIRouter(prefix="/v1/vector_stores/{store}/files/{file}", tags=["sources"])
    sources, room = assistant.library.sources, asyncio.Semaphore(AT_ONCE)

    @router.post("/source", openapi_extra=json_body.described(Quoted))
    async def opened(store: str, file: str, request: Request) -> Response:
        """Open a document of a vector store at a passage: boxes on the pages of a PDF, else the text around it, marked."""
        quoted = await json_body.read(request, Quoted)
        async with room:
            return JSONResponse(_source(await asyncio.to_thread(sources.open, store, file, quoted.text, quoted.at)))

    @router.get("/pages/{page}")
    async def picture(store: str, file: str, page: int) -> Response:
        """Return a page of a PDF, from 1, as a PNG."""
        async with room:
            return Response(await asyncio.to_thread(sources.picture, store, file, page), media_type="image/png")

    return router


def _source(opened: Opened) -> dict[str, Any]:
    places = [{"page": page, "boxes": boxes} for page, boxes in opened.places]
    return {"object": "source", **asdict(opened), "places": places}
