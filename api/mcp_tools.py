"""The knowledge tools of MCP: what they take and give, and what they do. Knows no transport.

Source: Model Context Protocol, "Tools". What a person may read of an error is the tool's result, marked as an error.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mcp_types import CallToolResult, TextContent, Tool, ToolAnnotations
from pydantic import BaseModel, Field
from starlette.requests import Request

from api import base_ids, json_body
from api.answering import text_of, whole
from api.errors import fault
from api.json_body import LONGEST_TEXT
from api.principal import principal
from api.settings import ServerSettings
from api.vector_store_answer import result
from assistant.assistant import Assistant, Question
from assistant.citations import find
from generation.base import Message
from knowledge.base import KnowledgeError, Passage
from knowledge.file_base import Window

MOST_BASES = 100
LONGEST_BASE = 64
LONGEST_QUERY = 4000


class Nothing(BaseModel):
    """No arguments."""


class SearchArguments(BaseModel):
    """What to look for, and where."""

    query: str = Field(min_length=1, max_length=LONGEST_QUERY, description="what to look for")
    knowledge_base: str = Field("default", min_length=1, max_length=LONGEST_BASE, description="id or name")
    max_results: int = Field(5, ge=1, le=50, description="passages at most")


class AskArguments(BaseModel):
    """What to answer, and from which documents."""

    question: str = Field(min_length=1, max_length=LONGEST_TEXT, description="the question")
    knowledge_base: str = Field("default", min_length=1, max_length=LONGEST_BASE, description="id or name")


Work = Callable[[Assistant, ServerSettings, Any, Request], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Entry:
    """A tool: what clients are told of it, and what it does."""

    description: str
    arguments: type[BaseModel]
    work: Work


async def _list(assistant: Assistant, settings: ServerSettings, asked: Nothing, request: Request) -> dict[str, Any]:
    bases = await asyncio.to_thread(assistant.library.cards, Window(limit=MOST_BASES, order="asc"))
    found = [
        {"id": base.id, "name": base.name, "documents": base.counts.completed, "in_progress": base.counts.in_progress}
        for base in bases.items
    ]
    return {"knowledge_bases": found, "more": bases.more}


async def _search(assistant: Assistant, settings: ServerSettings, asked: SearchArguments, request: Request) -> dict[str, Any]:
    library = assistant.library
    base = await asyncio.to_thread(base_ids.resolve, library, asked.knowledge_base)
    passages = await asyncio.to_thread(library.search, base, asked.query, asked.max_results)
    shown = await asyncio.to_thread(_shown, assistant, passages)
    return {"passages": [passage for passage in shown if passage is not None]}


def _shown(assistant: Assistant, passages: Sequence[Passage]) -> list[dict[str, Any] | None]:
    """Return the passages as clients see them; None in place of one whose document is gone meanwhile."""
    entries = assistant.library.files.of_documents({passage.source.document_id for passage in passages})
    shown: list[dict[str, Any] | None] = []
    for passage in passages:
        entry = entries.get(passage.source.document_id)
        found = None if entry is None else result(passage, entry) | {"text": passage.text}
        if found is not None:
            del found["content"]  # the same text again, in the shape of another protocol
        shown.append(found)
    return shown


async def _ask(assistant: Assistant, settings: ServerSettings, asked: AskArguments, request: Request) -> dict[str, Any]:
    if not asked.question.strip():
        raise KnowledgeError("question: must not be blank")
    base = await asyncio.to_thread(base_ids.resolve, assistant.library, asked.knowledge_base)
    who = principal(request, bool(settings.keys))
    question = Question((Message("user", asked.question),), mode="knowledge", base=base, principal=who)
    run = await assistant.ask(question)
    await whole(request, run, settings.request_timeout)
    text = text_of(run)
    used = find(text, len(run.sources)).used
    shown = await asyncio.to_thread(_shown, assistant, run.sources)
    sources = [{"number": number, "cited": number in used} | one for number, one in enumerate(shown, 1) if one is not None]
    return {"answer": text, "sources": sources, "finish_reason": run.finish_reason}


TOOLS: dict[str, Entry] = {
    "kb_list": Entry("List the knowledge bases of this server and how many documents each holds.", Nothing, _list),
    "kb_search": Entry(
        "Find the passages of a knowledge base that are nearest to a query, the best first.", SearchArguments, _search
    ),
    "kb_ask": Entry(
        "Answer a question from the documents of a knowledge base, with the passages that the answer cites.",
        AskArguments,
        _ask,
    ),
}


def described() -> list[Tool]:
    """Return the tools as clients are told of them; none changes anything."""
    return [
        Tool(
            name=name,
            description=tool.description,
            input_schema=tool.arguments.model_json_schema(),
            annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False),
        )
        for name, tool in TOOLS.items()
    ]


async def call(
    assistant: Assistant, settings: ServerSettings, name: str, arguments: dict[str, Any], request: Request
) -> CallToolResult:
    """Return what a tool gives, as JSON in text and as structured content; an error is told in words."""
    tool = TOOLS.get(name)
    if tool is None:
        return _refused(f"There is no such tool. Tools: {', '.join(TOOLS)}.")
    try:
        asked = json_body.validate(tool.arguments, arguments)
        made = await tool.work(assistant, settings, asked, request)
    except Exception as error:
        told = fault(error)
        if told.status == 500 and told.code == "internal":
            raise
        return _refused(told.message)
    text = json.dumps(made, ensure_ascii=False)
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=made)


def _refused(message: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=message)], is_error=True)
