"""MCP at `/mcp`: JSON-RPC over streamable HTTP by the official SDK, without sessions, every answer one JSON object.

The body is looked at before the SDK sees it, as strictly as every other body here. What the tools do, `mcp_tools.py` knows.
Source: Model Context Protocol, "Transports".
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from api import json_body, mcp_tools
from api.errors import QUEUE_FULL, BadRequest, Fault
from api.protocol import Protocol
from api.settings import ServerSettings
from assistant.assistant import Assistant

INSTRUCTIONS = "Search and ask the documents of this server. Begin with kb_list to see which knowledge bases there are."
METHODS = frozenset({"initialize", "server/discover", "ping", "tools/list", "tools/call"})
NOTIFICATIONS = frozenset({f"notifications/{name}" for name in ("initialized", "cancelled", "progress", "roots/list_changed")})
INVALID_REQUEST, METHOD_NOT_FOUND, REFUSED = -32600, -32601, -32000
"""Codes of JSON-RPC 2.0, 5.1; the last is the first of those that are left to servers."""


def routes(assistant: Assistant, settings: ServerSettings) -> APIRouter:
    """Return the route of MCP; the life of its router is that of the SDK's manager."""
    endpoint = Endpoint(assistant, settings)
    router = APIRouter(lifespan=endpoint.life)
    router.routes.append(Route("/mcp", endpoint, methods=["POST"], include_in_schema=False))
    return router


def refuse(fault: Fault) -> Response:
    """Return a JSON-RPC error without an id."""
    code = {400: INVALID_REQUEST, 404: METHOD_NOT_FOUND}.get(fault.status, REFUSED)
    status = 429 if fault.status == QUEUE_FULL else fault.status
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": fault.message}}
    return JSONResponse(body, status, fault.headers)


# All its messages are posted to one address, and most of them are small talk or a search.
PROTOCOL = Protocol("mcp", ("/mcp",), routes, refuse, searches=("/mcp",))


class Endpoint:
    """The ASGI application behind `/mcp`."""

    def __init__(self, assistant: Assistant, settings: ServerSettings) -> None:
        self._assistant = assistant
        self._settings = settings
        self._manager: StreamableHTTPSessionManager | None = None

    @asynccontextmanager
    async def life(self, _: object) -> AsyncIterator[None]:
        """Run the manager; one is good for one life."""
        server = Server("chat-llm-webui", instructions=INSTRUCTIONS, on_list_tools=self._tools, on_call_tool=self._call)
        self._manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True)
        async with self._manager.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._manager is None:
            raise RuntimeError("the life of this route has not begun")
        body = await Request(scope, receive).body()
        _check(body)
        async with _inbox(body, receive) as inbox:
            await self._manager.handle_request(scope, inbox, send)

    async def _tools(self, context: ServerRequestContext[Any], params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=mcp_tools.described())

    async def _call(self, context: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        if not isinstance(context.request, Request):
            raise TypeError("tools are called over HTTP here")
        return await mcp_tools.call(self._assistant, self._settings, params.name, params.arguments or {}, context.request)


def _check(body: bytes) -> None:
    """Raise `BadRequest` for what is not one JSON-RPC message to a method that is there; notifications pass.

    The SDK would repeat what was sent in its refusals.
    """
    message = json_body.parse(json_body.decode(body))
    method = message.get("method")
    if message.get("jsonrpc") != "2.0" or not isinstance(method, str):
        raise BadRequest("This is not a JSON-RPC 2.0 request: it has jsonrpc, method, id and params.")
    if method in NOTIFICATIONS and "id" not in message and isinstance(message.get("params", {}), dict):
        return
    if method not in METHODS:
        raise BadRequest(f"method: there is none of this name here. Methods: {', '.join(sorted(METHODS))}.", "method")
    number = message.get("id")
    if not isinstance(number, (str, int)) or isinstance(number, bool):
        raise BadRequest("id: a request has one, a text or a whole number.", "id")
    params = message.get("params", {})
    if not isinstance(params, dict):
        raise BadRequest("params: must be an object.", "params")
    called = method != "tools/call" or (isinstance(params.get("name"), str) and isinstance(params.get("arguments", {}), dict))
    if not called:
        raise BadRequest("params: a call has the name of a tool and an object of arguments.", "params")


@asynccontextmanager
async def _inbox(body: bytes, receive: Receive) -> AsyncIterator[Receive]:
    """Give a `receive` that several may wait at: it gives the body once, and then tells each of them when the client leaves."""
    unread = [body]
    gone = asyncio.Event()

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    async def inbox() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    watcher = asyncio.create_task(watch())
    try:
        yield inbox
    finally:
        watcher.cancel()
