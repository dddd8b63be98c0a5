r"""The stream of version 2 over HTTP: cumulative JSON objects with a byte `\0` behind each."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.api.live import Live, Make, listening
from tests.assistant.conftest import until

LONG = "[[count 100000]]"


@asynccontextmanager
async def streaming(port: int, **fields: Any) -> AsyncIterator[httpx.Response]:
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
        client.stream("POST", "/", json={"use_stream_chat": True} | fields) as answer,
    ):
        yield answer


async def objects(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    rest = b""
    async for data in answer.aiter_raw():
        *whole, rest = (rest + data).split(b"\0")
        for one in whole:
            yield json.loads(one)
    assert rest == b"", "every chunk ends with the byte"


async def chunks(server: Live, **fields: Any) -> list[dict[str, Any]]:
    async with listening(server.app) as port, streaming(port, **fields) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"] == "application/octet-stream"
        return [chunk async for chunk in objects(answer)]


@pytest.mark.parametrize("history", [[], [["a", 'b "quoted"'], ["c \n", "d"]]])
@pytest.mark.parametrize("prompt", ["[[count 20]]", 'say "this" \\ and \u2028 你好 🙂'])
async def test_the_chunks_are_cumulative(make: Make, history: list[list[str]], prompt: str) -> None:
    server = await make(echo_delay=0.002)
    found = await chunks(server, prompt=prompt, history=history, temperature=0)
    for before, after in pairwise(found):
        assert after["response"].startswith(before["response"])
    for chunk in found:
        assert chunk["history"] == [*history, [prompt, chunk["response"]]]
    assert all(chunk.keys() == {"response", "history"} for chunk in found[:-1])
    assert len(found) > 2
    assert found[-1] == (await server.ask(prompt=prompt, history=history, temperature=0)).json()


async def test_the_first_chunk_leaves_before_the_answer_ends(make: Make) -> None:
    server = await make(echo_delay=0.01)
    async with listening(server.app) as port, streaming(port, prompt=LONG, max_new_tokens=4000) as answer:
        first = await anext(objects(answer))
        assert server.echo.active_generations == 1
        assert first["response"].startswith("1")
    await until(lambda: server.echo.active_generations == 0, 60)


@pytest.mark.parametrize("value", [True, "True", "true"])
async def test_the_ways_to_say_yes(server: Live, value: Any) -> None:
    found = await chunks(server, prompt="hi", use_stream_chat=value)
    assert found[-1]["response"] == "You said: hi"
    assert found[-1]["usage"]["total_tokens"] == 10


async def test_sources_come_last(server: Live) -> None:
    server.fill()
    found = await chunks(server, prompt="What does the blue whale weigh?", langchain=True, retrieval_top_k=1)
    assert found[-1]["sources"][0]["file"] == "animals.txt"
    assert found[-1]["sources"][0]["cited"]
    assert all("sources" not in chunk for chunk in found[:-1])


async def test_an_error_in_the_middle_is_the_last_chunk(make: Make) -> None:
    server = await make(echo_delay=0.01, request_timeout=1)
    found = await chunks(server, prompt=LONG, max_new_tokens=4000)
    assert "response" in found[0]
    assert found[-1]["error"]["code"] == "timeout"
    await until(lambda: server.echo.active_generations == 0)


async def test_what_is_refused_has_a_status(server: Live) -> None:
    answer = await server.ask(prompt="x", langchain=True, use_stream_chat=True)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "empty_knowledge_base")
    assert server.made == (0, 0)


async def test_a_slow_reader_gets_what_it_missed_at_once(make: Make) -> None:
    """The whole cumulative text of every token would be 100 MB; what is not read is not written."""
    server = await make()
    body = json.dumps({"prompt": LONG, "max_new_tokens": 4000, "use_stream_chat": True}).encode()
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with listening(server.app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(head + body)
        await until(lambda: server.runs.active == 0 and server.echo.generated_tokens_total >= 4000, 60)
        answer = await asyncio.wait_for(reader.read(-1), 60)
        writer.close()
        await writer.wait_closed()
    assert len(answer) < 50_000_000
    last = answer.rsplit(b"\0", 2)[-2]
    assert b'"finish_reason": "length"' in last


@pytest.mark.parametrize("queued", [False, True], ids=["running", "queued"])
async def test_who_leaves_stops_the_model(make: Make, queued: bool) -> None:
    server = await make(max_concurrent=1, echo_delay=0.01)
    before = asyncio.create_task(server.ask(prompt=LONG, max_new_tokens=4000)) if queued else None
    async with listening(server.app) as port:
        await until(lambda: server.runs.active == int(queued))
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        body = json.dumps({"prompt": LONG, "max_new_tokens": 4000, "use_stream_chat": True}).encode()
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await until(lambda: (server.runs.active, server.runs.waiting) == (1 + queued, int(queued)))
        writer.close()
        await until(lambda: (server.runs.active, server.runs.waiting) == (int(queued), 0))
    if before is not None:
        before.cancel()
        await asyncio.wait([before])
    await until(lambda: server.echo.active_generations == 0)
