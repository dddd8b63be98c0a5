"""OpenAI's protocol where things go wrong or somebody leaves: shapes of all statuses, errors in streams, counters."""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest

from api.openai_events import DONE
from generation.base import EngineFailed, Message, Piece
from tests.api.live import Live, Make, listening
from tests.assistant.conftest import until
from tests.knowledge.stubs import StubEmbedder

SAID = [{"role": "user", "content": "[[count 4000]]"}]
ENDLESS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": SAID, "max_tokens": 4000},
    "/v1/completions": {"prompt": "[[count 4000]]", "max_tokens": 4000},
    "/v1/responses": {"input": SAID, "max_output_tokens": 4000},
}
every_path = pytest.mark.parametrize("path", ENDLESS)


async def post(server: Live, path: str, **fields: Any) -> Any:
    return await server.client.post(path, json={"model": "echo"} | ENDLESS[path] | fields)


def error(answer: Any) -> tuple[int, str, str | None]:
    body = answer.json()
    assert body.keys() == {"error"} and body["error"].keys() == {"message", "type", "param", "code"}
    return answer.status_code, body["error"]["type"], body["error"]["code"]


async def test_what_the_guard_and_the_framework_refuse(make: Make) -> None:
    server = await make(api_key=["key-of-one"])
    client, key = server.client, {"Authorization": "Bearer key-of-one"}
    wrong = {"Authorization": "Bearer wrong"}
    assert error(await client.get("/v1/models")) == (401, "invalid_request_error", "invalid_api_key")
    assert error(await client.post("/v1/responses", json={}, headers=wrong))[0] == 401
    assert (await client.get("/v1/models", headers=key)).status_code == 200
    assert (await client.get("/v1/models", headers={"Authorization": "key-of-one"})).status_code == 200
    assert error(await client.get("/v1/nothing", headers=key)) == (404, "invalid_request_error", "not_found")
    assert error(await client.get("/v1/embeddings", headers=key)) == (405, "invalid_request_error", "method_not_allowed")
    assert error(await client.post("/v1/completions", content=b"a" * 2_000_000, headers=key))[0] == 413
    assert error(await client.get("/v1/models", headers={"Host": "evil.example"}))[0] == 400
    foreign = await client.post("/v1/responses", json={}, headers={"Origin": "http://evil.example"})
    assert error(foreign)[:2] == (403, "permission_error")


@every_path
async def test_a_full_line_is_429(make: Make, path: str) -> None:
    server = await make(max_concurrent=1, max_waiting=0, echo_delay=0.01)
    first = asyncio.create_task(post(server, path))
    await until(lambda: server.echo.active_generations == 1)
    refused = await post(server, path, stream=True)
    assert error(refused) == (429, "rate_limit_error", "rate_limit_exceeded")
    assert int(refused.headers["retry-after"]) >= 1
    first.cancel()
    await asyncio.wait([first])
    await until(lambda: server.echo.active_generations == 0)


@every_path
async def test_an_answer_that_takes_too_long(make: Make, path: str) -> None:
    server = await make(echo_delay=0.01, request_timeout=1)
    late = await post(server, path)
    assert error(late) == (408, "invalid_request_error", "timeout")
    assert late.headers["x-should-retry"] == "false"
    streamed = await post(server, path, stream=True)
    assert streamed.status_code == 200 and "--request-timeout" in streamed.text
    await until(lambda: server.echo.active_generations == 0)


async def test_no_model_yet(make: Make) -> None:
    server = await make(backend="transformers", model_path="none")
    answer = await post(server, "/v1/chat/completions", model=server.engine.settings.model_name)
    assert error(answer)[0] in (404, 503)
    listed = await server.client.get("/v1/models")
    assert listed.status_code == 200
    assert "max_model_len" not in listed.json()["data"][0]


@every_path
async def test_an_error_in_the_middle_of_a_stream(server: Live, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    async def breaking(*_: Any) -> AsyncGenerator[Piece, None]:
        yield Piece("so far")
        await asyncio.sleep(0.02)  # else it has failed before the status is sent
        raise EngineFailed("The engine ran out of memory.")

    monkeypatch.setattr(server.echo, "stream", breaking)
    answer = await post(server, path, stream=True)
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    if path == "/v1/responses":
        last = json.loads(lines[-1])
        assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
        assert last["response"]["error"] == {"code": "server_error", "message": "The engine ran out of memory."}
    else:
        assert json.loads(lines[-2])["error"]["message"] == "The engine ran out of memory."
        assert answer.content.endswith(DONE)
    assert "so far" in answer.text
    assert error(await post(server, path)) == (500, "server_error", "engine_failed")


@every_path
async def test_a_bug_tells_nothing(server: Live, monkeypatch: pytest.MonkeyPatch, caplog: Any, path: str) -> None:
    async def breaking(*_: Any) -> AsyncGenerator[Piece, None]:
        yield Piece("so far")
        raise RuntimeError("/home/somebody/secret")

    monkeypatch.setattr(server.echo, "stream", breaking)
    with caplog.at_level(logging.CRITICAL):
        for stream in (False, True):
            answer = await post(server, path, stream=stream)
            assert "secret" not in answer.text and "Traceback" not in answer.text


async def leave(server: Live, path: str, read: int, **fields: Any) -> None:
    """Send a request, read so many bytes of the answer, and close the connection."""
    body = json.dumps({"model": "echo"} | ENDLESS[path] | fields).encode()
    async with listening(server.app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        await until(lambda: server.echo.active_generations == fields.get("n", 1))
        if read:
            await reader.readexactly(read)
        writer.close()
        await until(lambda: server.echo.active_generations == 0)
        made = server.echo.generated_tokens_total
        await asyncio.sleep(0.05)
        assert server.echo.generated_tokens_total == made < 4000
        assert server.runs.active == 0


@every_path
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_who_leaves_stops_the_engine(make: Make, path: str, stream: bool) -> None:
    await leave(await make(echo_delay=0.01), path, 600 if stream else 0, stream=stream)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_who_leaves_stops_both_answers(make: Make, stream: bool) -> None:
    await leave(await make(echo_delay=0.01), "/v1/chat/completions", 600 if stream else 0, stream=stream, n=2)


@every_path
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_who_leaves_the_line_never_reaches_the_engine(make: Make, path: str, stream: bool) -> None:
    server = await make(max_concurrent=1, echo_delay=0.01)
    first = asyncio.create_task(post(server, path))
    await until(lambda: server.echo.active_generations == 1)
    body = json.dumps({"model": "echo", "stream": stream} | ENDLESS[path]).encode()
    async with listening(server.app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await until(lambda: server.runs.waiting == 1)
        writer.close()
        await until(lambda: server.runs.waiting == 0)
        assert server.echo.active_generations == 1
    first.cancel()
    await asyncio.wait([first])


async def test_two_answers_or_none(make: Make) -> None:
    server = await make(max_concurrent=1, max_waiting=0, echo_delay=0.01)
    assert error(await post(server, "/v1/chat/completions", n=2))[0] == 429
    await until(lambda: server.runs.active == 0)
    assert server.echo.active_generations == 0


async def test_two_answers_one_after_the_other(make: Make) -> None:
    server = await make(max_concurrent=1)
    said = [{"role": "user", "content": "hello"}]
    for stream in (False, True):
        answer = await post(server, "/v1/chat/completions", messages=said, n=2, stream=stream)
        assert answer.status_code == 200
        assert answer.text.count('"finish_reason":"stop"') == 2


async def test_a_conversation_that_is_too_long_is_refused_and_not_cut(server: Live) -> None:
    turns = [{"role": "user", "content": "word " * 900}, {"role": "assistant", "content": "yes"}] * 5
    turns += [{"role": "user", "content": "hello"}]
    chat = await post(server, "/v1/chat/completions", messages=turns)
    assert error(chat) == (400, "invalid_request_error", "context_length_exceeded")
    assert "4096" in chat.json()["error"]["message"]
    assert error(await post(server, "/v1/responses", input=turns))[2] == "context_length_exceeded"
    assert server.made == (0, 0)
    cut = await post(server, "/v1/responses", input=turns, truncation="auto")
    assert cut.json()["output"][0]["content"][0]["text"] == "You said: hello"


async def test_the_longest_conversation_that_fits(make: Make) -> None:
    server = await make(echo_context=100)
    turns = [Message("user", "a " * 20), Message("assistant", "yes"), Message("user", "hello")]
    length = len(server.echo.render(turns).token_ids)
    sent = [{"role": turn.role, "content": turn.content} for turn in turns]
    for context, status in ((length + 16, 200), (length + 15, 400)):
        server.echo.context_length = context
        answer = await post(server, "/v1/chat/completions", messages=sent)
        assert answer.status_code == status


async def test_each_answer_has_a_seed_of_its_own(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int | None] = []
    stream = server.echo.stream

    def watched(prompt: Any, sampling: Any) -> Any:
        seeds.append(sampling.seed)
        return stream(prompt, sampling)

    monkeypatch.setattr(server.echo, "stream", watched)
    said = [{"role": "user", "content": "hello"}]
    for seed in (5, -1, None):
        await post(server, "/v1/chat/completions", messages=said, n=2, seed=seed)
    assert seeds == [5, 6, 2**63 - 1, 0, None, None]


@pytest.fixture
def gate(server: Live) -> Iterator[threading.Event]:
    """While it is not set, the embedding model works at its pace of ten seconds for four texts."""
    embedder = server.library._embedder
    assert isinstance(embedder, StubEmbedder)
    embedder.gate = gate = threading.Event()
    yield gate
    gate.set()


async def embed(server: Live, texts: int = 8) -> Any:
    return await server.client.post("/v1/embeddings", json={"model": "stub", "input": ["a"] * texts})


async def test_embeddings_wait_in_a_line_with_an_end(server: Live, gate: threading.Event) -> None:
    asking = [asyncio.create_task(embed(server)) for _ in range(17)]
    done, waiting = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    assert [error(task.result()) for task in done] == [(429, "rate_limit_error", "rate_limit_exceeded")]
    gate.set()
    assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200}


async def test_who_leaves_wants_no_embeddings(server: Live, gate: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    entered, ended = threading.Event(), threading.Event()
    original = server.library.embed

    def watched(texts: Any, step: Any) -> Any:
        def counted(done: int) -> None:
            steps.append(done)
            step(done)

        entered.set()
        try:
            return original(texts, counted)
        finally:
            ended.set()

    monkeypatch.setattr(server.library, "embed", watched)
    body = json.dumps({"model": "stub", "input": ["a"] * 400}).encode()
    async with listening(server.app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await until(entered.is_set)
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.5)  # the server learns of it with its next look at the socket
        gate.set()
        assert await asyncio.to_thread(ended.wait, 20)
    assert len(steps) < 100, "it ended because the client left, not because it was done"
    gate.set()
    assert (await embed(server)).status_code == 200
