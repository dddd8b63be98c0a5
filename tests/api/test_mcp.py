"""MCP, judged by the official SDK's own client against live servers: with the handshake of old and without."""

import asyncio
import json
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.client import Client
from mcp_types import CallToolResult, TextContent
from openai import OpenAI

from tests.api.live import Live
from tests.assistant.conftest import until
from tests.server_process import API, Server, serving

both = pytest.mark.parametrize("mode", ["auto", "legacy"])
HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


def text(result: CallToolResult) -> str:
    (part,) = result.content
    assert isinstance(part, TextContent)
    return part.text


def given(result: CallToolResult) -> Any:
    assert not result.is_error, text(result)
    assert json.loads(text(result)) == result.structured_content
    return result.structured_content


def filled(server: Server) -> str:
    """Return the id of a new knowledge base with one document."""
    with OpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
        store = client.vector_stores.create(name=f"mcp {secrets.token_hex(4)}")
        file = ("tiger.md", b"# Tigers\n\nA tiger is the largest living cat.")
        assert client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=file).status == "completed"
        return store.id


@both
async def test_the_tools(echo_server: Server, mode: str) -> None:
    base = filled(echo_server)
    async with Client(f"{echo_server.url}/mcp", mode=mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"kb_list", "kb_search", "kb_ask"}
        assert tools["kb_search"].input_schema["required"] == ["query"] and tools["kb_ask"].description
        bases = {one["id"]: one for one in given(await client.call_tool("kb_list", {}))["knowledge_bases"]}
        assert bases[base]["documents"] == 1 and bases[base]["name"].startswith("mcp ")
        asked = {"query": "the largest cat", "knowledge_base": base, "max_results": 3}
        (passage,) = given(await client.call_tool("kb_search", asked))["passages"]
        assert (passage["filename"], passage["text"]) == ("tiger.md", "A tiger is the largest living cat.")
        assert passage["file_id"].startswith("file-") and passage["locator"]["headings"] == ["Tigers"]
        answer = given(await client.call_tool("kb_ask", {"question": "Which cat?", "knowledge_base": bases[base]["name"]}))
        assert answer["answer"] and answer["finish_reason"] == "stop"
        assert [(one["number"], one["filename"]) for one in answer["sources"]] == [(1, "tiger.md")]


@both
async def test_what_is_wrong_is_told_in_words(echo_server: Server, mode: str) -> None:
    async with Client(f"{echo_server.url}/mcp", mode=mode) as client:
        await client.list_tools()
        wrong: list[tuple[str, dict[str, Any], str]] = [
            ("kb_search", {"query": "x", "knowledge_base": "canary"}, "there is no knowledge base"),
            ("kb_search", {"query": "x", "max_results": 0}, "max_results"),
            ("kb_search", {"query": "x", "max_results": "3"}, "max_results"),
            ("kb_search", {}, "query"),
            ("kb_search", {"query": "canary" * 2000}, "query"),
            ("kb_ask", {"question": " "}, "blank"),
            ("kb_ask", {"question": 5}, "question"),
            ("kb_ask", {"question": "x", "knowledge_base": "vs_unknown"}, "there is no knowledge base"),
            ("canary", {}, "no such tool"),
        ]
        for name, arguments, words in wrong:
            result = await client.call_tool(name, arguments)
            assert result.is_error and words in text(result) and "canary" not in text(result), (name, arguments)


async def test_the_guard_stands_in_front(tmp_path: Path) -> None:
    with serving(tmp_path, API, "--backend=echo", "--api-key=secret", "--root-path=/api/predict/me") as server:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        refused = httpx.post(f"{server.url}/mcp", json=body, headers=HEADERS)
        assert refused.status_code == 401 and refused.json()["error"]["code"] == -32000
        key = {"Authorization": "Bearer secret"}
        foreign = httpx.post(f"{server.url}/mcp", json=body, headers=HEADERS | {"Origin": "https://other.example"})
        assert foreign.status_code == 403
        for path in ("/mcp", "/api/predict/me/mcp"):
            answer = httpx.post(server.url + path, json=body, headers=HEADERS | key)
            assert answer.status_code == 200 and len(answer.json()["result"]["tools"]) == 3


WRONG: list[bytes] = [
    b"", b" ", b"[]", b"null", b"1", b'"canary"', b"{", b"{}", b"canary", b"\xff\xfe", b'{"jsonrpc": "2.0"}',
    b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]', b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "canary"}', b'{"jsonrpc": "2.0", "id": 1, "method": 5}',
    b'{"jsonrpc": "2.0", "id": 1, "id": 2, "method": "ping"}', b'{"jsonrpc": "2.0", "id": NaN, "method": "ping"}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": Infinity}',
    b'{"jsonrpc": "2.0", "id": ' + b"9" * 5000 + b', "method": "ping"}',
    b'{"jsonrpc": "2.0", "id": "\\ud800", "method": "ping"}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": ' + b"[" * 100_000,
    b'{"jsonrpc": "2.0", "id": [1], "method": "tools/list"}', b'{"jsonrpc": "2.0", "id": {}, "method": "tools/list"}',
    b'{"jsonrpc": "2.0", "method": "tools/list"}', b'{"jsonrpc": "2.0", "id": null, "method": "tools/list"}',
    b'{"jsonrpc": "2.0", "id": true, "method": "tools/list"}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "resources/list"}', b'{"jsonrpc": "2.0", "id": 1, "method": "prompts/list"}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "notifications/initialized"}',
    b'{"jsonrpc": "2.0", "method": "notifications/canary"}',
    b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": "canary"}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call"}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": "canary"}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": 5}}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "kb_list", "arguments": "canary"}}',
]  # fmt: skip


@pytest.mark.parametrize("version", ["", "2025-06-18", "2026-07-28"])
async def test_bodies_that_are_wrong(server: Live, version: str) -> None:
    headers = HEADERS | ({"MCP-Protocol-Version": version} if version else {})
    for body in WRONG:
        answer = await server.client.post("/mcp", content=body, headers=headers)
        told = f"{body[:80]!r}: {answer.status_code} {answer.text[:300]}"
        assert 400 <= answer.status_code < 500, told
        assert len(answer.content) < 2048, told
        error = answer.json()["error"]
        assert isinstance(error["code"], int) and error["message"], told
        assert "canary" not in answer.text and "99999" not in answer.text and "pydantic" not in answer.text, told
    assert server.made == (0, 0)


@pytest.mark.parametrize("version", ["", "2025-06-18", "2026-07-28", "1999-01-01"])
async def test_whatever_the_parameters_are_nothing_breaks_or_is_repeated(server: Live, version: str) -> None:
    headers = HEADERS | ({"MCP-Protocol-Version": version} if version else {})
    prefix = "io.modelcontextprotocol/"
    for method in ("initialize", "ping", "tools/list", "tools/call", "server/discover", "notifications/cancelled"):
        for value in ("canary", 5, None, [], {}, ["canary"], {"canary": "canary"}, True, 1e300):
            for params in (
                {"_meta": value},
                {"name": "kb_list", "arguments": {}, "_meta": value},
                {"name": "kb_search", "arguments": {"query": value}},
                {"name": "kb_search", "arguments": {"query": "x", "knowledge_base": "default", "canary": value}},
                {"protocolVersion": value, "capabilities": value, "clientInfo": value},
                {"cursor": value},
                {"_meta": {prefix + "protocolVersion": value, prefix + "clientInfo": value}},
            ):
                body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
                if method.startswith("notifications"):
                    del body["id"]
                answer = await server.client.post("/mcp", content=json.dumps(body), headers=headers)
                told = f"{body} {answer.status_code} {answer.text[:300]}"
                assert answer.status_code < 500 and len(answer.content) < 8192, told
                assert "canary" not in answer.text and "validation error" not in answer.text.lower(), told
    assert server.made == (0, 0)


async def test_other_methods_and_labels(server: Live) -> None:
    for method in ("GET", "DELETE", "PUT"):
        answer = await server.client.request(method, "/mcp", headers=HEADERS)
        assert answer.status_code == 405 and answer.json()["error"]["code"] == -32000
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    for headers in (HEADERS | {"Content-Type": "text/plain"}, HEADERS | {"Accept": "text/html"}):
        assert 400 <= (await server.client.post("/mcp", content=body, headers=headers)).status_code < 500


@pytest.mark.parametrize("version", ["2025-06-18", "2026-07-28"])
async def test_a_client_that_leaves_ends_the_answer(make: Callable[..., Any], version: str) -> None:
    server: Live = await make(echo_delay=0.05, min_evidence=0)
    server.fill()
    name = "io.modelcontextprotocol/"
    meta = {
        f"{name}protocolVersion": version,
        f"{name}clientInfo": {"name": "t", "version": "1"},
        f"{name}clientCapabilities": {},
    }
    params = {"name": "kb_ask", "arguments": {"question": "word " * 400}, "_meta": meta}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    headers = HEADERS | {
        "MCP-Protocol-Version": version,
        "Mcp-Method": "tools/call",
        "Mcp-Name": "kb_ask",
        "Host": "localhost:8000",
    }
    asks, gone = [{"type": "http.request", "body": body, "more_body": False}], asyncio.Event()

    async def receive() -> Any:
        if asks:
            return asks.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http", "path": "/mcp",
        "raw_path": b"/mcp", "root_path": "", "query_string": b"", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000),
        "headers": [(key.lower().encode(), value.encode()) for key, value in headers.items()],
    }  # fmt: skip
    task = asyncio.create_task(server.app(scope, receive, send))
    await until(lambda: server.echo.active_generations == 1)
    gone.set()
    await until(lambda: server.echo.active_generations == 0)
    await task


def test_help_does_not_import_it() -> None:
    code = (
        "import sys; sys.argv = ['x', '--help']; import runpy\ntry: runpy.run_path('api/api_server.py', run_name='__main__')\n"
    )
    code += "except SystemExit: pass\nprint('mcp' in sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip().endswith("False")
