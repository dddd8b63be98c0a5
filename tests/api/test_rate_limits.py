"""Calls a minute, on a clock of the test's own. Threats S-41, S-49, F-32, section 5."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.gateway import subscriber
from api.guard import Guard
from api.native_routes import PROTOCOL
from api.protocol import Protocol
from api.protocols import of
from api.rate_limits import CLIENTS, Bucket, RateLimits, WrongKeys
from api.settings import ApiSettings
from tests.api.live import HOST, Live, Make, call
from tests.api.test_guard import KEY, passed


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize("rate", [1, 7, 30, 120, 1000])
def test_a_minute_at_once_then_as_they_come_in(clock: Clock, rate: int) -> None:
    bucket = Bucket(rate, clock)
    assert [bucket.spend("a") for _ in range(rate)] == [0] * rate
    wait = bucket.spend("a")
    assert wait == pytest.approx(60 / rate)
    clock.now += wait
    assert bucket.spend("a") == 0
    assert bucket.spend("a") > 0
    clock.now += 3600
    assert [bucket.spend("a") > 0 for _ in range(rate + 1)] == [False] * rate + [True]


def test_a_refused_call_does_not_count(clock: Clock) -> None:
    bucket = Bucket(2, clock)
    assert [bucket.spend("a") > 0 for _ in range(100)] == [False, False] + [True] * 98
    clock.now += 60
    assert [bucket.spend("a") for _ in range(2)] == [0, 0]


def test_one_client_does_not_spend_for_another(clock: Clock) -> None:
    limits = RateLimits({"generate": 1, "other": 2}, clock)
    assert limits.spend("generate", "a") == 0 and limits.spend("generate", "a") > 0
    assert limits.spend("generate", "b") == 0 and limits.spend("other", "a") == 0
    assert all(limits.spend("search", "a") == 0 for _ in range(1000)), "no limit is no limit"


def test_memory_is_bounded(clock: Clock) -> None:
    bucket = Bucket(1, clock, most=100)
    for number in range(1000):
        assert bucket.spend(str(number)) == 0
    assert len(bucket) == 100
    assert bucket.spend("999") > 0, "the latest are remembered"


def test_wrong_keys(clock: Clock) -> None:
    wrong = WrongKeys(10, clock)
    for _ in range(9):
        wrong.count("a")
    assert wrong.shut("a") == 0
    wrong.count("a")
    assert wrong.shut("a") == 60 and wrong.shut("b") == 0
    clock.now += 59
    assert wrong.shut("a") == 1
    clock.now += 1.5
    assert wrong.shut("a") == 0
    for number in range(2 * CLIENTS):
        wrong.count(f"address {number}", "a cookie")
    assert len(wrong._cookies) == CLIENTS


def test_an_open_page_whose_key_was_taken_out_shuts_nobody_out(clock: Clock) -> None:
    wrong = WrongKeys(2, clock)
    for _ in range(100):
        wrong.count("a", "the same cookie")
    assert wrong.shut("a") == 0
    for number in range(2):
        wrong.count("a", f"another cookie {number}")
    assert wrong.shut("a") > 0


@pytest.mark.parametrize(
    ("address", "stands"),
    [("10.0.0.1", "10.0.0.1"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
     ("", ""), ("a:b", "a:b")],
)  # fmt: skip
def test_one_subscriber_is_one_client(address: str, stands: str) -> None:
    assert subscriber(address) == stands


def test_what_a_call_costs() -> None:
    some = Protocol("some", ("/some",), PROTOCOL.routes, PROTOCOL.refuse, uploads=("/some/files",))
    told = Protocol("told", ("/chat",), PROTOCOL.routes, PROTOCOL.refuse, generates=("/chat",))
    assert some.kind("POST", "/some/ask") == "generate"
    assert some.kind("GET", "/some/ask") == some.kind("DELETE", "/some/files") == some.kind("GET", "/some/files") == "other"
    assert some.kind("POST", "/some/files") == "upload"
    assert some.kind("POST", "/some/x/search") == "search"
    assert told.kind("GET", "/chat") == told.kind("POST", "/chat") == "generate"
    assert told.kind("POST", "/chat/else") == "other"
    assert of("/").kind("POST", "/") == "generate" and of("/").kind("GET", "/") == "other"


# -- at the guard --

SMALL: dict[str, Any] = {
    "listen": True, "rate_generate": 3, "rate_upload": 2, "rate_search": 2, "rate_other": 5,
    "rate_page": 4, "rate_wrong_keys": 3,
}  # fmt: skip


def guard(**values: Any) -> Guard:
    return Guard(passed, ApiSettings.model_validate(SMALL | values))


async def statuses(app: Any, times: int, *headers: tuple[str, str], **how: str) -> list[int]:
    plain = [(b"host", HOST.encode())] + [(name.encode(), value.encode()) for name, value in headers]
    return [(await call(app, plain, **how))[0] for _ in range(times)]


@pytest.mark.parametrize(
    ("method", "path", "most"),
    [("POST", "/", 3), ("GET", "/", 5), ("GET", "/metrics", 5), ("POST", "/gradio_api/queue/join", 4),
     ("POST", "/gradio_api/upload", 2), ("POST", "/zh/gradio_api/queue/join", 4), ("GET", "/nothing", 5),
     ("POST", "/login", 5)],
)  # fmt: skip
async def test_each_kind_has_its_limit(method: str, path: str, most: int) -> None:
    got = await statuses(guard(), most + 2, method=method, path=path)
    assert got == [got[0]] * most + [429] * 2 and got[0] != 429


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/assets/index.js", "/static/fonts/x.woff2", "/zh/assets/a.css"])
async def test_free_calls(path: str) -> None:
    assert await statuses(guard(), 20, path=path) == [200] * 20


async def test_pieces_of_the_page_are_free_to_read_only() -> None:
    assert 429 in await statuses(guard(), 20, path="/x/assets/y", method="POST")


@pytest.mark.parametrize(
    ("values", "counted"),
    [({}, True), ({"listen": False}, False), ({"listen": False, "api_key": [KEY]}, True), ({"rate_generate": 0}, False),
     ({"listen": False, "trusted_proxy": ["10.0.0.9"]}, True)],
)  # fmt: skip
async def test_where_calls_are_counted(values: dict[str, Any], counted: bool) -> None:
    got = await statuses(guard(**values), 10, ("authorization", KEY), method="POST", path="/")
    assert (429 in got) is counted


async def test_a_handshake_counts() -> None:
    app = guard()

    async def accepted(scope: Any, receive: Any, send: Any) -> None:
        async def translated(message: Any) -> None:
            known = message["type"] == "websocket.accept"
            await send({"type": "http.response.start", "status": 200, "headers": []} if known else message)

        await app(scope, receive, translated)

    assert await statuses(accepted, 7, kind="websocket", path="/") == [200] * 5 + [403] * 2


async def test_a_refused_handshake_is_told_why_where_the_server_can() -> None:
    app, sent = guard(api_key=[KEY]), []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    scope = {
        "type": "websocket", "path": "/", "headers": [(b"host", HOST.encode())], "client": ("127.0.0.1", 1),
        "extensions": {"websocket.http.response": {}},
    }  # fmt: skip
    await app(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert sent[0]["status"] == 401 and b"unauthorized" in sent[1]["body"]
    assert b"content-security-policy" in dict(sent[0]["headers"])


async def test_questions_over_one_socket_can_be_counted() -> None:
    seen: list[Any] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope["spend"]() for _ in range(5))
        await passed(scope, receive, send)

    await statuses(Guard(inner, ApiSettings.model_validate(SMALL)), 1)
    assert [fault and fault.status for fault in seen] == [None] * 3 + [429] * 2


async def test_each_key_has_its_own(clock: Clock) -> None:
    app = guard(api_key=[KEY, "second"])
    assert await statuses(app, 4, ("authorization", KEY), method="POST", path="/") == [200] * 3 + [429]
    assert await statuses(app, 1, ("authorization", "Bearer second"), method="POST", path="/") == [200]


async def test_a_header_that_anybody_can_write_makes_no_new_client() -> None:
    app = guard()
    got = [
        (await statuses(app, 1, ("x-forwarded-for", f"9.9.9.{n}"), ("authorization", f"k{n}"), method="POST", path="/"))[0]
        for n in range(5)
    ]
    assert got == [200] * 3 + [429] * 2


async def test_behind_a_gateway_each_client_is_one() -> None:
    app = guard(trusted_proxy=["127.0.0.1"])
    for n in range(5):
        assert await statuses(app, 1, ("x-forwarded-for", f"spoofed, 9.9.9.{n}"), method="POST", path="/") == [200]
    got = [(await statuses(app, 1, ("x-forwarded-for", f"8.8.8.{n}, 9.9.9.9"), method="POST", path="/"))[0] for n in range(5)]
    assert got == [200] * 3 + [429] * 2


@pytest.mark.parametrize(
    "how", [{"path": "/"}, {"path": "/healthz", "origin": "http://evil.example"}, {"path": "/metrics", "method": "POST"}]
)
async def test_too_many_wrong_keys(how: dict[str, str]) -> None:
    app = guard(api_key=[KEY])
    origin = [("origin", how.pop("origin"))] if "origin" in how else []
    got = await statuses(app, 5, ("authorization", "wrong"), *origin, **how)
    assert got == [got[0]] * 3 + [429] * 2 and got[0] in (401, 403)
    assert await statuses(app, 1, ("authorization", KEY), path="/") == [429], "or a guess that is right would tell"
    assert await statuses(app, 1, path="/healthz") == [200]


async def test_no_key_is_no_wrong_key() -> None:
    assert await statuses(guard(api_key=[KEY]), 5, path="/") == [401] * 5


# -- the whole application --


@pytest.fixture
async def strict(make: Make) -> AsyncIterator[Live]:
    yield await make(**SMALL, api_key=[KEY])


async def test_the_refusal(strict: Live) -> None:
    key = {"Authorization": KEY}
    answers = [await strict.client.post("/", json={"prompt": "x"}, headers=key) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    error = answers[3].json()["error"]
    assert error["code"] == "rate_limited" and "More than 3 questions a minute" in error["message"]
    assert 1 <= int(answers[3].headers["retry-after"]) <= 20
    assert "Content-Security-Policy" in answers[3].headers
    assert (await strict.client.get("/metrics", headers=key)).status_code == 200


async def test_too_many_wrong_logins(strict: Live) -> None:
    got = [(await strict.client.post("/login", data={"key": f"wrong {number}"})).status_code for number in range(5)]
    assert got == [401] * 3 + [429] * 2
