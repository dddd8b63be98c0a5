"""The guard: which host names, origins and keys may pass, over HTTP and over a WebSocket handshake.

Threats S-40, S-41, S-44, S-45, S-46.
"""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from api.guard import Guard
from api.keys import COOKIE, Keys
from api.settings import ApiSettings
from tests.api.live import HOST, Live, Make, call, listening, raw

KEY = "sesame-4711"
OWN = b"http://localhost:8000"
KINDS = ["http", "websocket"]


async def passed(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 200, or accept the handshake: an application behind the guard."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def guard(**values: Any) -> ASGIApp:
    return Guard(passed, ApiSettings.model_validate(values))


async def status(app: ASGIApp, *headers: tuple[str, str | bytes], **how: str) -> int:
    """Return the status of a call; an accepted handshake counts as 200."""
    plain = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in headers]

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        async def translated(message: Any) -> None:
            if message["type"] == "websocket.accept":
                message = {"type": "http.response.start", "status": 200, "headers": []}
            await send(message)

        await app(scope, receive, translated)

    return (await call(counted, plain, **how))[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("host", "passes"),
    [
        ("localhost", True), ("localhost:8000", True), ("localhost:1", True), ("LocalHost:8000", True), ("localhost.", True),
        ("localhost:", True), ("127.0.0.1", True), ("127.0.0.1:9000", True), ("[::1]", True), ("[::1]:8000", True),
        ("evil.example", False), ("evil.example:8000", False), ("localhost.evil", False), ("evil.localhost", False),
        ("evil.example.", False), ("", False), (" ", False), (":8000", False), (".", False), ("127.0.0.1.evil.example", False),
        ("localhost@evil.example", False), ("evil@localhost", False), ("localhost/evil", False), ("localhost?evil", False),
        ("localhost#evil", False), ("localhost:evil", False), ("localhost:80:80", False), ("localhost, evil", False),
        ("localhost:123456", False), ("[::1", False), ("::1", False), ("[::1]evil", False), ("[evil]", False), ("[", False),
        ("10.0.0.1", False), ("192.168.1.5:8000", False), ("[fe80::1]", False), ("0.0.0.0", False), ("2130706433", False),
        ("127.1", False), ("http://localhost", False), ("local\thost", False), ("localhost\x00", False), ("*", False),
        (b"\xff\xfe", False), ("löcalhost", False), ("℀.example", False),
    ],
)  # fmt: skip
async def test_host(kind: str, host: str | bytes, passes: bool) -> None:
    refused = 403 if kind == "websocket" else 400
    assert await status(guard(), ("host", host), kind=kind) == (200 if passes else refused)


@pytest.mark.parametrize("headers", [[], [("host", HOST), ("host", HOST)], [("host", HOST), ("host", "evil.example")]])
@pytest.mark.parametrize("kind", KINDS)
async def test_one_host_and_no_more(kind: str, headers: list[tuple[str, str | bytes]]) -> None:
    assert await status(guard(), *headers, kind=kind) == (403 if kind == "websocket" else 400)


@pytest.mark.parametrize(
    ("values", "host", "passes"),
    [
        ({"listen": True}, "10.0.0.1:8000", True), ({"listen": True}, "[fe80::1]:8000", True),
        ({"listen": True}, "8.8.8.8", True), ({"listen": True}, "evil.example", False),
        ({"listen": True}, "10.0.0.1.evil", False), ({"listen": True}, "[evil]", False), ({"listen": True}, "", False),
        ({"allowed_host": ["chat.example"]}, "chat.example:443", True),
        ({"allowed_host": ["Chat.Example."]}, "chat.example", True),
        ({"allowed_host": ["chat.example"]}, "CHAT.example.", True), ({"allowed_host": ["chat.example"]}, "localhost", True),
        ({"allowed_host": ["chat.example"]}, "a.chat.example", False), ({"allowed_host": ["chat.example"]}, "10.0.0.1", False),
        ({"allowed_host": ["10.0.0.1"]}, "10.0.0.1", True), ({"allowed_host": ["fe80::1"]}, "[fe80::1]:8000", True),
        ({"allowed_host": ["*"]}, "evil.example", True), ({"allowed_host": ["*"]}, "10.0.0.1", True),
        ({"allowed_host": ["*"]}, "", False), ({"allowed_host": ["*"]}, "a b", False), ({"allowed_host": ["*"]}, "[", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", KINDS)
async def test_hosts_that_settings_allow(kind: str, values: dict[str, Any], host: str, passes: bool) -> None:
    assert (await status(guard(**values), ("host", host), kind=kind) == 200) is passes


@pytest.mark.parametrize(
    ("origin", "passes"),
    [
        (OWN, True), (b"https://localhost:8000", True), (b"HTTP://LOCALHOST:8000", True),
        (b"null", False), (b"", False), (b"http://evil.example", False), (b"http://localhost", False),
        (b"http://localhost:8001", False), (b"http://127.0.0.1:8000", False), (b"ftp://localhost:8000", False),
        (b"file://localhost:8000", False), (b"http://localhost:8000.evil", False), (b"http://evil@localhost:8000", False),
        (b"http://localhost:8000@evil", False), (b"http://localhost:8000/", False), (b"http://[", False),
        (b"localhost:8000", False),
        (b"http://localhost:8000, http://evil", False), (b"\xff", False), (b"chrome-extension://localhost:8000", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", [{"method": "GET"}, {"method": "POST"}, {"method": "DELETE"}, {"kind": "websocket"}])
@pytest.mark.parametrize("path", ["/", "/healthz", "/gradio_api/upload", "/login"])
async def test_origin(how: dict[str, str], path: str, origin: bytes, passes: bool) -> None:
    got = await status(guard(), ("host", HOST), ("origin", origin), path=path, **how)
    assert (got != 403) is passes


async def test_two_origins_are_none() -> None:
    assert await status(guard(), ("host", HOST), ("origin", OWN), ("origin", OWN), method="POST") == 403
    assert await status(guard(), ("host", HOST), ("origin", OWN), ("origin", b"http://evil"), kind="websocket") == 403


@pytest.mark.parametrize(
    ("site", "method", "passes"),
    [
        (None, "POST", True), ("same-origin", "POST", True), ("none", "POST", True), ("same-site", "POST", False),
        ("cross-site", "POST", False), ("cross-site", "PUT", False), ("evil", "POST", False),
        ("cross-site", "GET", True), ("cross-site", "HEAD", True), ("same-site", "GET", True),
    ],
)  # fmt: skip
async def test_a_browser_that_tells_no_origin(site: str | None, method: str, passes: bool) -> None:
    headers = [("host", HOST)] + ([("sec-fetch-site", site)] if site else [])
    assert await status(guard(), *headers, method=method) == (200 if passes else 403)


async def test_a_cross_site_handshake_without_an_origin() -> None:
    assert await status(guard(), ("host", HOST), ("sec-fetch-site", "cross-site"), kind="websocket") == 403


@pytest.mark.parametrize("kind", KINDS)
async def test_origins_that_settings_allow(kind: str) -> None:
    app = guard(allowed_origin=["https://app.example"])
    assert await status(app, ("host", HOST), ("origin", "https://app.example"), kind=kind, method="POST") == 200
    assert await status(app, ("host", HOST), ("origin", "https://APP.example"), kind=kind, method="POST") == 200
    for other in ("http://app.example", "https://app.example:8443", "https://b.app.example", "null"):
        assert await status(app, ("host", HOST), ("origin", other), kind=kind, method="POST") == 403


@pytest.mark.parametrize("kind", KINDS)
async def test_a_key_in_the_header_stands_for_the_origin(kind: str) -> None:
    """A page cannot know it, so whoever sends it was let in; a cookie is sent by the browser whoever asks."""
    app = guard(api_key=[KEY])
    foreign = ("origin", "http://evil.example")
    cookie = ("cookie", f"{COOKIE}={Keys((KEY,)).session(KEY)}")
    assert await status(app, ("host", HOST), foreign, ("authorization", KEY), kind=kind, method="POST", path="/") == 200
    assert await status(app, ("host", HOST), foreign, cookie, kind=kind, method="POST", path="/") == 403
    assert await status(guard(), ("host", HOST), foreign, ("authorization", KEY), kind=kind, method="POST", path="/") == 403


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("authorization", "passes"),
    [
        ([KEY], True), ([f"Bearer {KEY}"], True), ([f"bearer {KEY}"], True), ([f"BEARER   {KEY} "], True), ([f" {KEY} "], True),
        (["second-key"], True), (["Bearer second-key"], True),
        ([], False), ([""], False), (["Bearer"], False), (["Bearer "], False), (["wrong"], False), (["Bearer wrong"], False),
        ([KEY.upper()], False), ([KEY[:-1]], False), ([KEY + "x"], False), ([f"Basic {KEY}"], False), ([f"Token {KEY}"], False),
        ([f"Bearer {KEY} {KEY}"], False), ([f"Bearer Bearer {KEY}"], False), ([f"{KEY},second-key"], False),
        (["Basic " + base64.b64encode(KEY.encode()).decode()], False), ([KEY, KEY], False), ([KEY, "wrong"], False),
        (["sésame"], False), ([b"\xff\xfe"], False), (["\x00"], False), (["x" * 10_000], False), (["钥匙"], False),
    ],
)  # fmt: skip
async def test_keys(kind: str, authorization: list[str | bytes], passes: bool) -> None:
    app = guard(api_key=[KEY, "second-key"])
    refused = 403 if kind == "websocket" else 401
    headers = [("authorization", value) for value in authorization]
    assert await status(app, ("host", HOST), *headers, kind=kind, path="/") == (200 if passes else refused)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("cookie", "passes"),
    [
        (f"{COOKIE}={Keys((KEY,)).session(KEY)}", True),
        (f"a=b; {COOKIE}={Keys((KEY,)).session(KEY)}; c=d", True),
        (f"{COOKIE}={Keys(('removed',)).session('removed')}", False),
        (f"{COOKIE}={KEY}", False),
        (f"{COOKIE}=", False),
        (f"other={Keys((KEY,)).session(KEY)}", False),
        (f'{COOKIE}="\\377é"', False),
        (f"{COOKIE}=x; {COOKIE}=y", False),
        (";;;=;\x00", False),
        (b"\xff" * 100, False),
    ],
)
async def test_cookies(kind: str, cookie: str | bytes, passes: bool) -> None:
    assert (await status(guard(api_key=[KEY]), ("host", HOST), ("cookie", cookie), kind=kind, path="/") == 200) is passes


async def test_a_wrong_key_is_not_mended_by_a_cookie() -> None:
    cookie = f"{COOKIE}={Keys((KEY,)).session(KEY)}"
    assert await status(guard(api_key=[KEY]), ("host", HOST), ("authorization", "wrong"), ("cookie", cookie), path="/") == 401
    two = [("authorization", KEY), ("authorization", KEY)]
    assert await status(guard(api_key=[KEY]), ("host", HOST), *two, ("cookie", cookie), path="/") == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/login"])
async def test_open_paths(path: str) -> None:
    assert await status(guard(api_key=[KEY]), ("host", HOST), path=path) == (401 if path == "/login" else 200)


@pytest.mark.parametrize(
    "path",
    ["/", "", "/healthz/", "//healthz", "/healthz/../", "/HEALTHZ", "/healthz/x", "/readyz\x00", "/login/", "/x/login",
     "/gradio_api/info", "/gradio_api/queue/join", "/assets/x.js", "/v1/models", "/metrics", "/docs", "/openapi.json",
     "/nothing"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "DELETE"])
async def test_everything_else_asks_for_the_key(path: str, method: str) -> None:
    assert await status(guard(api_key=[KEY]), ("host", HOST), path=path, method=method) == 401


async def test_a_key_in_the_address_is_none() -> None:
    assert await status(guard(api_key=[KEY]), ("host", HOST), path=f"/?token={KEY}") == 401


@pytest.mark.parametrize("length", [b"\xb2", "²", "1e9", "-1", "9" * 5000, "+99999999", ""])
async def test_a_length_that_no_server_would_let_through(length: str | bytes) -> None:
    assert await status(guard(), ("host", HOST), ("content-length", length), method="POST") in (200, 413)


# -- the whole application --


@pytest.fixture
async def locked(make: Make) -> AsyncIterator[Live]:
    yield await make(api_key=[KEY, "second-key"])


async def test_a_browser_is_shown_the_login_page(locked: Live) -> None:
    answer = await locked.client.get("/", headers={"Accept": "text/html,*/*"})
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")
    assert 'action="/login"' in answer.text
    assert 'type="password"' in answer.text


async def test_a_program_is_told_in_its_own_shape(locked: Live) -> None:
    answer = await locked.client.post("/", json={"prompt": "x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
    assert locked.made == (0, 0)


async def test_login_and_the_cookie(locked: Live) -> None:
    answer = await locked.client.post("/login", data={"key": f" {KEY} "})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert {part.strip().split("=")[0].lower() for part in cookie.split(";")[1:]} == {"httponly", "path", "samesite"}
    assert "samesite=strict" in cookie.lower()
    assert KEY not in cookie
    assert (await locked.ask(prompt="x")).status_code == 200


async def test_a_cookie_over_tls_stays_on_tls(locked: Live) -> None:
    locked.client.base_url = "https://localhost:8000"
    answer = await locked.client.post("/login", data={"key": KEY})
    assert "; secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize("form", [{"key": "wrong"}, {"key": ""}, {}, {"kye": KEY}, {"key": "x" * 9000}, {"key": "\ud800x"[1:]}])
async def test_a_wrong_login(locked: Live, form: dict[str, str]) -> None:
    answer = await locked.client.post("/login", data=form)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert KEY not in answer.text


async def test_a_login_from_another_page_is_refused(locked: Live) -> None:
    answer = await locked.client.post("/login", data={"key": KEY}, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403


async def test_a_server_without_keys_needs_no_login(server: Live) -> None:
    for method in ("GET", "POST"):
        answer = await server.client.request(method, "/login")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_a_cookie_ends_with_its_key(locked: Live, make: Make, tmp_path: Any) -> None:
    await locked.client.post("/login", data={"key": KEY})
    later = await make(api_key=["second-key"], data_dir=tmp_path / "later")
    answer = await later.client.get("/", headers={"Cookie": f"{COOKIE}={locked.client.cookies[COOKIE]}"})
    assert answer.status_code == 401


async def test_an_allowed_page_may_read_the_answers(make: Make) -> None:
    origin = {"Origin": "https://app.example"}
    server = await make(api_key=[KEY], allowed_origin=["https://app.example"])
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    preflight = await server.client.options("/", headers=origin | asks)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://app.example"
    answer = await server.client.post("/", json={"prompt": "x"}, headers=origin | {"Authorization": KEY})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-credentials" not in answer.headers
    assert (await server.client.post("/", json={"prompt": "x"}, headers=origin)).status_code == 401


async def test_no_other_page_may_read_anything(server: Live) -> None:
    asks = {"Access-Control-Request-Method": "POST"}
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost:8000"}):
        for answer in (
            await server.client.options("/", headers=headers | asks),
            await server.client.get("/healthz", headers=headers),
        ):
            assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "head",
    [
        b"GET http://evil.example/healthz HTTP/1.1\r\nHost: evil.example\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n",
        b"GET /healthz HTTP/1.1\r\nHost:\r\n",
        b"GET /healthz HTTP/1.1\r\n",
        b"GET /healthz HTTP/1.0\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: [::1\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nOrigin: http://[\r\nX: " + b"x" * 100 + b"\r\n",
    ],
)
async def test_raw_sockets(server: Live, head: bytes) -> None:
    async with listening(server.app) as port:
        answer = await raw(port, head + b"Connection: close\r\n\r\n")
    assert answer.split(b" ", 2)[1] in (b"400", b"403")
