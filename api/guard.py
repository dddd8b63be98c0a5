"""The guard in front of everything, the page included: host, origin, key, body size, calls a minute, security headers.

One ASGI layer, so that no route can be reached around it. Knows no route but its own login; refuses in the shape of the
protocol that the path belongs to (a browser that wants a page gets the login page).
Sources: DNS rebinding and cross-site WebSocket hijacking as in the threats S-44 to S-46; the policy of threats 6.4.
"""

import functools
import ipaddress
import itertools
import re
import socket

from starlette.datastructures import Headers
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import Fault
from api.gateway import address_of, behind
from api.keys import COOKIE, Keys
from api.login import LOGIN_PATH, login, login_page
from api.principal import principal
from api.protocols import PROTOCOLS, of
from api.security_headers import with_security_headers
from api.settings import ApiSettings
from api.turnstile import PAGE_PATH, Turnstile

HEALTH = frozenset({"/healthz", "/readyz"})
OPEN_PATHS = HEALTH | {LOGIN_PATH}
"""Paths that answer without a key: health for the gateway, and the login itself."""
UPLOADS = ("/gradio_api/upload", *(path for protocol in PROTOCOLS for path in protocol.uploads))
PAGE_BODY_MIB = 16
"""The page's own calls carry its conversation, which outgrows the limit of one API request."""
MIB = 1024 * 1024
MOST_HEADERS = 100
LONGEST_HEADERS = 32 * 1024
"""Bytes of all headers of a request; h11 only limits those that have not come in whole."""
HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{0,5})?")
"""The header Host: a name or an address, and maybe a port (RFC 9110, 7.2)."""


class Guard:
    """Lets through what may pass, answers the rest itself, and sets the security headers on every response."""

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._settings = settings
        self._keys = Keys(settings.keys)
        self._hosts = _own_hosts(settings)
        self._turnstile = Turnstile(settings)
        self._app = app
        sizes = {settings.max_body, PAGE_BODY_MIB, settings.max_upload}
        self._limited = {size: RequestBodyLimitMiddleware(app, size * MIB) for size in sizes}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request or WebSocket handshake."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        scope = behind(scope, self._settings.trusted_proxy)
        headers, path = Headers(scope=scope), inner_path(scope["path"], self._settings.root_path)
        guarded = with_security_headers(send, path)
        answer = self._refuse(scope, headers, path)
        if answer is None and path == LOGIN_PATH and scope["type"] == "http":
            answer = await self._login(scope, receive)
        if answer is None:
            return await self._limited[self._largest(path)](self._inner(scope, path), receive, guarded)
        if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
            return await guarded({"type": "websocket.close", "code": 1008})
        return await answer(scope, receive, guarded)

    def _inner(self, scope: Scope, path: str) -> Scope:
        """Return the scope as the routes see it.

        A gateway that keeps its prefix and one that strips it look the same from here on: as ASGI says, `path` has it. Who
        asks many questions over one WebSocket counts each by `scope["spend"]`, which returns a `Fault` or None.
        """
        prefix = self._settings.root_path
        who = self._who(scope)
        spend = functools.partial(self._turnstile.spend, "generate", who)
        return {**scope, "path": prefix + path, "root_path": prefix, "spend": spend}

    def _who(self, scope: Scope) -> str:
        return principal(HTTPConnection(scope), self._keys.has_keys)

    async def _login(self, scope: Scope, receive: Receive) -> Response:
        answer = await login(scope, receive, self._keys, self._settings.root_path)
        if answer.status_code == 401 and scope["method"] == "POST":
            self._turnstile.wrong_key(address_of(scope))
        return answer

    def _largest(self, path: str) -> int:
        """Return the largest body that `path` takes, in MiB."""
        if path.endswith(UPLOADS):
            return self._settings.max_upload
        return PAGE_BODY_MIB if PAGE_PATH in path else self._settings.max_body

    def _refuse(self, scope: Scope, headers: Headers, path: str) -> Response | None:
        """Return the refusal, or None where the request may pass."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._host_allowed(hosts[0]):
            name = "--allowed-host"
            return of(path).refuse(
                Fault(
                    400,
                    "host_not_allowed",
                    f"This server does not answer under this host name; start it with {name} NAME to allow it.",
                )
            )
        if len(headers) > MOST_HEADERS or sum(map(len, itertools.chain(*headers.raw))) > LONGEST_HEADERS:
            over = f"This request has more than {MOST_HEADERS} headers, or more than {LONGEST_HEADERS // 1024} KiB of them."
            return of(path).refuse(Fault(431, "headers_too_large", over))
        # Health is for everybody, but not to try keys on: with an Origin, a right one would tell.
        asked = path not in HEALTH or "authorization" in headers
        shut = self._turnstile.shut(address_of(scope)) if asked else None
        if shut is not None:
            return of(path).refuse(shut)
        entitled = self._keys.admit(headers.getlist("authorization"), headers.get("cookie", ""))
        if not entitled:
            self._count_wrong_key(scope, headers)
        bearer = self._keys.has_keys and self._keys.admit(headers.getlist("authorization"), "")
        if not bearer and not self._origin_allowed(scope, headers, hosts[0]):
            return of(path).refuse(
                Fault(
                    403,
                    "origin_not_allowed",
                    "Another web page may not call this server; start it with --allowed-origin to allow it.",
                )
            )
        if not entitled and path not in OPEN_PATHS and not _is_preflight(scope, headers):
            return self._unauthorized(scope, headers, path)
        return self._too_large(headers, path) or self._too_often(scope, path)

    def _unauthorized(self, scope: Scope, headers: Headers, path: str) -> Response:
        often = self._turnstile.spend("other", f"address:{address_of(scope)}")
        if often is not None:
            return of(path).refuse(often)
        if scope["type"] == "http" and scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            return login_page(self._settings.root_path)
        return of(path).refuse(Fault(401, "unauthorized", "Send one of the server's keys in the header Authorization."))

    def _count_wrong_key(self, scope: Scope, headers: Headers) -> None:
        if "authorization" in headers:
            self._turnstile.wrong_key(address_of(scope))
        elif COOKIE in headers.get("cookie", ""):
            self._turnstile.wrong_key(address_of(scope), headers["cookie"])

    def _too_often(self, scope: Scope, path: str) -> Response | None:
        often = self._turnstile.pass_through(scope.get("method", "GET"), path, self._who(scope))
        return None if often is None else of(path).refuse(often)

    def _too_large(self, headers: Headers, path: str) -> Response | None:
        # Bodies that do not declare their length are counted as they come in, by the middleware inside.
        declared, largest = headers.get("content-length", ""), self._largest(path)
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > largest * MIB:
            return of(path).refuse(Fault(413, "too_large", f"This request is over the limit of {largest} MiB."))
        return None

    def _host_allowed(self, header: str) -> bool:
        match = HOST.fullmatch(header)
        if match is None:
            return False
        name = match[1].strip("[]").rstrip(".").lower()
        if "*" in self._hosts or name in self._hosts:
            return bool(name)
        # A page that rebinds its DNS name to this machine sends that name; it cannot send a bare address.
        return self._settings.listen and _is_address(name)

    def _origin_allowed(self, scope: Scope, headers: Headers, host: str) -> bool:
        origins = headers.getlist("origin")
        if not origins:
            unsafe = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
            return not unsafe or headers.get("sec-fetch-site", "none") in ("same-origin", "none")
        origin = origins[0].lower()
        own = origin in (f"http://{host}".lower(), f"https://{host}".lower())
        return len(origins) == 1 and (own or origin in self._settings.allowed_origin)


def inner_path(path: str, prefix: str) -> str:
    """Return `path` without the prefix of a gateway."""
    return path.removeprefix(prefix) or "/" if prefix and (path.startswith(prefix + "/") or path == prefix) else path


def _own_hosts(settings: ApiSettings) -> frozenset[str]:
    names = {"localhost", "127.0.0.1", "::1", *(host.lower() for host in settings.allowed_host)}
    return frozenset(names | {socket.gethostname().lower()} if settings.listen else names)


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    """Return whether this is a browser's question before the request itself: it cannot carry a key (Fetch, 4.8)."""
    asks = scope["type"] == "http" and scope["method"] == "OPTIONS"
    return asks and "origin" in headers and "access-control-request-method" in headers


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
