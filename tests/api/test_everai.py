"""EverAI's application: `/chat` and `/sse`, by GET and POST."""

import asyncio
import hashlib
import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from api.everai_request import EverAIBody
from api.everai_routes import _event
from generation.base import Sampling
from tests.api.live import Live, Make, listening
from tests.assistant.conftest import until

LONG = "[[count 100000]]"
PROMPT = "Tell <me> & \n你好?"


def events(text: str) -> list[tuple[str, str]]:
    """Return (type, data) as the HTML standard reads an event stream."""
    found = []
    for block in text.removesuffix("\n\n").split("\n\n"):
        fields = [line.partition(": ")[::2] for line in block.split("\n")]
        data = "\n".join(value for name, value in fields if name == "data")
        found.append((next((value for name, value in fields if name == "event"), "message"), data))
    return found


async def request(server: Live, method: str, path: str, prompt: str, **fields: Any) -> Any:
    if method == "GET":
        return await server.client.get(path, params={"prompt": prompt} | fields)
    return await server.client.post(path, json={"prompt": prompt} | fields)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_answer_whole(server: Live, method: str) -> None:
    answer = await request(server, method, "/chat", PROMPT)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-prompt-hash"] == hashlib.sha256(PROMPT.encode()).hexdigest()
    assert answer.text == f"{PROMPT}\nYou said: {PROMPT}"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_answer_streamed(server: Live, method: str) -> None:
    answer = await request(server, method, "/sse", PROMPT)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-prompt-hash"] == hashlib.sha256(PROMPT.encode()).hexdigest()
    found = events(answer.text)
    assert found[0] == ("message", PROMPT + "\n")
    assert found[-1] == ("end", "")
    assert {kind for kind, _ in found[:-1]} == {"message"}
    assert "".join(data for _, data in found) == (await request(server, method, "/chat", PROMPT)).text


@pytest.mark.parametrize("text", ["a", "", "\n", " a", "a\nb\n\nc", "data: x", ": no comment", "\n\n"])
def test_an_event_keeps_its_text(text: str) -> None:
    lines = [line.removeprefix("data: ") for line in _event(text).decode().removesuffix("\n\n").split("\n")]
    assert "\n".join(lines) == text


def test_a_carriage_return_ends_a_line() -> None:
    assert _event("a\r\nb\rc") == b"data: a\ndata: b\ndata: c\n\n"


def test_the_parameters() -> None:
    beams: Any = frozenset({"beams"})
    asked = EverAIBody(prompt="x")
    assert asked.question(beams).sampling == Sampling(256, 0.0, num_beams=4, no_repeat_ngram_size=2)
    assert asked.question(frozenset()).sampling == Sampling(256, 0.0), "an engine that cannot search answers greedily"
    assert EverAIBody(prompt="x", num_beams=1).question(beams).sampling == Sampling(256, 0.0)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/chat", "/sse"])
async def test_from_documents(server: Live, method: str, path: str) -> None:
    question = "What does the blue whale weigh?"
    empty = await request(server, method, path, question, langchain=True)
    assert (empty.status_code, empty.json()["error"]["code"]) == (409, "empty_knowledge_base")
    server.fill()
    answer = await request(server, method, path, question, langchain=True)
    text = answer.text if path == "/chat" else "".join(data for _, data in events(answer.text))
    assert text == f"{question}\nAccording to [1], The blue whale weighs 150 tons."


async def test_the_length(server: Live) -> None:
    assert (await request(server, "GET", "/chat", "[[count 1000]]")).text.endswith(" 256")
    assert (await request(server, "GET", "/chat", "[[count 1000]]", max_length=3)).text == "[[count 1000]]\n1 2 3"


@pytest.mark.parametrize("path", ["/chat", "/sse"])
@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200), (None, 200)]
)
async def test_another_page_cannot_ask_by_an_address(server: Live, path: str, site: str | None, status: int) -> None:
    headers = {} if site is None else {"Sec-Fetch-Site": site}
    answer = await server.client.get(path, params={"prompt": "x"}, headers=headers)
    assert answer.status_code == status
    assert (server.made == (0, 0)) == (status == 403)


async def test_keys(make: Make) -> None:
    server = await make(api_key=["sesame"])
    assert (await server.client.get("/chat?prompt=x")).status_code == 401
    assert (await server.client.get("/chat?prompt=x")).json()["error"]["code"] == "unauthorized"
    for key in ("sesame", "Bearer sesame"):
        assert (await server.client.get("/chat?prompt=x", headers={"Authorization": key})).status_code == 200


async def test_a_full_queue(make: Make) -> None:
    server = await make(max_waiting=0, echo_delay=0.01, max_concurrent=1)
    first = asyncio.create_task(server.ask(prompt=LONG, max_new_tokens=4000))
    await until(lambda: server.runs.active == 1)
    for path in ("/chat", "/sse"):
        full = await server.client.get(path, params={"prompt": "x"})
        assert (full.status_code, full.json()["error"]["code"]) == (429, "queue_full")
        assert int(full.headers["retry-after"]) >= 1
    first.cancel()
    await asyncio.wait([first])


async def test_the_first_event_comes_before_the_end(make: Make) -> None:
    server = await make(echo_delay=0.01)
    async with (
        listening(server.app) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
        client.stream("POST", "/sse", json={"prompt": LONG, "max_length": 4000}) as answer,
    ):
        seen = ""
        async for text in answer.aiter_text():
            seen += text
            if "data: 1" in seen:
                break
        assert server.echo.active_generations == 1
    await until(lambda: server.echo.active_generations == 0)


async def test_an_error_in_the_middle(make: Make) -> None:
    server = await make(echo_delay=0.01, request_timeout=1)
    answer = await request(server, "POST", "/sse", LONG, max_length=4000)
    kinds = dict(events(answer.text))
    assert json.loads(kinds["error"])["error"]["code"] == "timeout"
    assert (await request(server, "POST", "/chat", LONG, max_length=4000)).status_code == 408


@pytest.mark.parametrize("queued", [False, True], ids=["running", "queued"])
@pytest.mark.parametrize("path", ["/chat", "/sse"])
async def test_who_leaves_stops_the_model(make: Make, path: str, queued: bool) -> None:
    server = await make(max_concurrent=1, echo_delay=0.01)
    before = asyncio.create_task(server.ask(prompt=LONG, max_new_tokens=4000)) if queued else None
    async with listening(server.app) as port:
        await until(lambda: server.runs.active == int(queued))
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        address = f"{path}?prompt={quote(LONG)}&max_length=4000"
        writer.write(f"GET {address} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await until(lambda: (server.runs.active, server.runs.waiting) == (1 + queued, int(queued)))
        writer.close()
        await until(lambda: (server.runs.active, server.runs.waiting) == (int(queued), 0))
    if before is not None:
        before.cancel()
        await asyncio.wait([before])
    await until(lambda: server.echo.active_generations == 0)
