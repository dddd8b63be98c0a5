"""What every response has: security headers, the native shape of errors, nothing of the server's inside; health; prefixes."""

import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from api.errors import ERRORS, fault, row, sentence
from api.security_headers import SECURITY_HEADERS
from generation.base import EngineFailed, GenerationError, ModelUnusable, Piece, PromptTooLong
from knowledge.base import (
    KnowledgeError,
    StorageFailed,
    StorageFull,
    StoreInUse,
    TooLarge,
    UnreadableFile,
    UnsupportedFormat,
)
from tests.api.live import Live, Make

KEY = "sesame-4711"


async def every_answer(server: Live) -> list[Any]:
    client, page = server.client, {"Accept": "text/html"}
    return [
        await client.get("/healthz"),
        await client.get("/readyz"),
        await client.get("/healthz/"),
        await client.get("/nothing"),
        await client.get("/"),
        await client.get("/", headers=page),
        await client.delete("/"),
        await client.get("/login"),
        await client.post("/login", data={"key": "wrong"}),
        await client.post("/login", data={"key": KEY}),
        await client.post("/", content="hello"),
        await client.post("/", json={"prompt": "hello"}),
        await client.post("/", json={"prompt": 1}),
        await client.post("/", json={"prompt": "x", "langchain": True}),
        await client.post("/", content=b"a" * 2_000_000),
        await client.get("/healthz", headers={"Host": "evil.example"}),
        await client.post("/", json={"prompt": "x"}, headers={"Origin": "http://evil.example"}),
        await client.request("BREW", "/"),
    ]


@pytest.mark.parametrize("values", [{}, {"api_key": [KEY]}, {"root_path": "/api/x"}])
async def test_security_headers_are_everywhere(make: Make, values: dict[str, Any]) -> None:
    for answer in await every_answer(await make(**values)):
        missing = {name for name, value in SECURITY_HEADERS.items() if answer.headers.get(name) != value}
        assert missing == set(), f"{answer.request.method} {answer.request.url}"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers


def test_the_policy_lets_nothing_out() -> None:
    policy = dict(part.split(" ", 1) for part in SECURITY_HEADERS["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["object-src"] == policy["frame-src"] == "'none'"
    assert {word for value in policy.values() for word in value.split()} <= {
        "'none'",
        "'self'",
        "'unsafe-inline'",
        "data:",
        "blob:",
    }


async def test_what_there_is_not(server: Live) -> None:
    for method, path, status in [
        ("GET", "/nothing", 404),
        ("POST", "/healthz", 405),
    ]:
        answer = await server.client.request(method, path)
        assert answer.status_code == status
        assert answer.json()["error"]["code"] in ("not_found", "method_not_allowed")
    assert (await server.client.delete("/")).headers["allow"] == "POST"


async def test_health(server: Live) -> None:
    assert (await server.client.get("/healthz")).json() == {"status": "ok"}
    ready = await server.client.get("/readyz")
    assert (ready.status_code, ready.json()["status"], ready.json()["reason"]) == (200, "ready", "")
    assert ready.json()["model"]["state"] == "ready"


async def test_not_ready_says_why(server: Live) -> None:
    server.library.state = "the embedding model is loading"
    answer = await server.client.get("/readyz")
    server.library.state = "ready"
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["reason"] == "knowledge: the embedding model is loading"
    assert (await server.client.get("/healthz")).status_code == 200


async def test_without_a_model_the_server_is_ready_for_retrieval(make: Make) -> None:
    answer = await (await make(backend="transformers", model_path="none")).client.get("/readyz")
    assert (answer.status_code, answer.json()["model"]["state"]) == (200, "none")


@pytest.mark.parametrize("prefix", ["", "/api/predict/chat"])
async def test_a_gateway_may_keep_its_prefix_or_strip_it(make: Make, prefix: str) -> None:
    server = await make(root_path="/api/predict/chat", api_key=[KEY])
    client, key = server.client, {"Authorization": KEY}
    assert (await client.get(prefix + "/healthz")).status_code == 200
    assert (await client.get(prefix + "/readyz")).status_code == 200
    assert (await client.post(prefix + "/", json={"prompt": "x"})).status_code == 401
    assert (await client.post(prefix + "/", json={"prompt": "x"}, headers=key)).json()["response"] == "You said: x"
    assert (await client.post(prefix or "/", json={"prompt": "x"}, headers=key)).status_code == 200
    assert (await client.post(prefix + "/", content=b"a" * 2_000_000, headers=key)).status_code == 413
    shown = await client.get(prefix + "/", headers={"Accept": "text/html"})
    assert 'action="/api/predict/chat/login"' in shown.text
    answer = await client.post(prefix + "/login", data={"key": KEY})
    assert (answer.status_code, answer.headers["location"]) == (303, "/api/predict/chat/")
    assert "Path=/api/predict/chat" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "path", ["/api/predict/chatter/healthz", "/api/predict/healthz", "/other/healthz", "/api/predict/chat/x/healthz"]
)
async def test_what_only_resembles_the_prefix(make: Make, path: str) -> None:
    assert (await (await make(root_path="/api/predict/chat")).client.get(path)).status_code == 404


async def test_the_page_sees_the_same_path_either_way(make: Make) -> None:
    seen: list[tuple[str, str]] = []

    def page(*_: Any) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen.append((scope["path"], scope["root_path"]))
            await PlainTextResponse("page")(scope, receive, send)

        async def making() -> None:
            """Nothing to make."""

        return app, making()

    server = await make(page=page, root_path="/api/x")
    for path in ("/", "/api/x/", "/api/x", "/zh/", "/api/x/zh/"):
        assert (await server.client.get(path)).text == "page"
    assert seen == [("/api/x/", "/api/x")] * 3 + [("/api/x/zh/", "/api/x")] * 2
    assert (await server.client.get("/api/x/healthz")).json() == {"status": "ok"}


def breaking(error: Exception) -> Callable[..., AsyncGenerator[Piece, None]]:
    """Return a stream that raises `error` in its middle."""

    async def stream(*_: Any) -> AsyncGenerator[Piece, None]:
        yield Piece("so far")
        raise error

    return stream


SECRET = "/home/somebody/secret.txt line 42"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(SECRET),
        ValueError(SECRET),
        KeyError(SECRET),
        TimeoutError(SECRET),
        ExceptionGroup(SECRET, [ValueError(SECRET)]),
    ],
)
async def test_a_bug_tells_nothing(server: Live, monkeypatch: pytest.MonkeyPatch, error: Exception, caplog: Any) -> None:
    monkeypatch.setattr(server.echo, "stream", breaking(error))
    with caplog.at_level(logging.CRITICAL):
        answer = await server.ask(prompt="canary4711")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    for word in (SECRET, "Traceback", "canary4711", type(error).__name__):
        assert word not in answer.text
    monkeypatch.undo()
    assert (await server.ask(prompt="x")).status_code == 200


async def test_a_bug_before_the_run_tells_nothing(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(server.library, "find", broken)
    answer = await server.ask(prompt="canary4711", langchain=True)
    assert answer.status_code == 500
    assert SECRET not in answer.text
    assert "canary4711" not in answer.text


async def test_an_engine_that_fails_says_its_sentence(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = breaking(EngineFailed("The engine ran out of memory."))

    monkeypatch.setattr(server.echo, "stream", broken)
    answer = await server.ask(prompt="x")
    assert answer.status_code == 500
    assert answer.json() == {"error": {"code": "engine_failed", "message": "The engine ran out of memory."}}


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (PromptTooLong(1, 2), 400, "context_length_exceeded"),
        (ModelUnusable("x"), 500, "engine_failed"),
        (GenerationError("x"), 500, "engine_failed"),
        (StorageFull("x"), 507, "storage_full"),
        (StorageFailed("x"), 500, "storage_failed"),
        (StoreInUse("x"), 503, "storage_in_use"),
        (TooLarge("x"), 413, "too_large"),
        (UnsupportedFormat("x"), 415, "unsupported_format"),
        (UnreadableFile("empty", "x"), 400, "knowledge_error"),
        (KnowledgeError("x"), 400, "knowledge_error"),
        (OSError("x"), 500, "internal"),
    ],
)
def test_the_table_answers_by_the_nearest_class(error: Exception, status: int, code: str) -> None:
    assert (row(error).status, row(error).code) == (status, code)
    assert fault(error).status == status


def test_no_line_of_the_table_is_hidden_by_another() -> None:
    for kind, line in ERRORS.items():
        assert row(kind.__new__(kind)) is line


def test_only_our_own_sentences_are_shown() -> None:
    assert sentence(KnowledgeError("ours")) == "ours"
    assert "theirs" not in sentence(OSError("theirs"))
