"""The guard in front of everything, the page included: host, origin, key, body size, security headers.

One ASGI layer, so that no route can be reached around it. Knows no route but its own login; refuses in the shape of the
protocol that the path belongs to (a browser that wants a page gets the login page).
Sources: DNS rebinding and cross-site WebSocket hijacking as in the threats S-44 to S-46; the policy of threats 6.4.
"""

import ipaddress
import re
import socket

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import Fault
from api.keys import Keys
from api.login import LOGIN_PATH, login, login_page
from api.protocols import PROTOCOLS, of
from api.settings import ApiSettings

OPEN_PATHS = frozenset({"/healthz", "/readyz", LOGIN_PATH})
"""Paths that answer without a key: health for the gateway, and the login itself."""
UPLOADS = ("/gradio_api/upload", *(path for protocol in PROTOCOLS for path in protocol.uploads))
PAGE_PATH = "/gradio_api/"
PAGE_BODY_MIB = 16
"""The page's own calls carry its conversation, which outgrows the limit of one API request."""
MIB = 1024 * 1024
HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{0,5})?")
"""The header Host: a name or an address, and maybe a port (RFC 9110, 7.2)."""

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self' 'unsafe-inline'",
        "style-src 'self' 'unsafe-inline'",
        "font-src 'self' data:",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "manifest-src 'self'",
        "frame-src 'none'",
        "object-src 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
        "base-uri 'self'",
    ]
)
SECURITY_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Guard:
    """Lets through what may pass, answers the rest itself, and sets the security headers on every response."""

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._settings = settings
        self._keys = Keys(settings.keys)
        self._hosts = _own_hosts(settings)
        self._app = app
        sizes = {settings.max_body, PAGE_BODY_MIB, settings.max_upload}
        self._limited = {size: RequestBodyLimitMiddleware(app, size * MIB) for size in sizes}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request or WebSocket handshake."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        headers, path = Headers(scope=scope), self._path(scope)
        guarded = _with_security_headers(send, path)
        answer = self._refuse(scope, headers, path)
        if answer is None and path == LOGIN_PATH and scope["type"] == "http":
            answer = await login(scope, receive, self._keys, self._settings.root_path)
        if answer is None:
            # A gateway that keeps its prefix and one that strips it look the same from here on: as ASGI says, `path` has it.
            prefix = self._settings.root_path
            inner = {**scope, "path": prefix + path, "root_path": prefix}
            return await self._limited[self._largest(path)](inner, receive, guarded)
        if scope["type"] == "websocket":
            return await guarded({"type": "websocket.close", "code": 1008})
        return await answer(scope, receive, guarded)

    def _path(self, scope: Scope) -> str:
        prefix = self._settings.root_path
        path: str = scope["path"]
        return path.removeprefix(prefix) or "/" if (prefix and path.startswith(prefix + "/")) or path == prefix else path

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
        entitled = self._keys.admit(headers.getlist("authorization"), headers.get("cookie", ""))
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
            if scope["type"] == "http" and scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
                return login_page(self._settings.root_path)
            return of(path).refuse(Fault(401, "unauthorized", "Send one of the server's keys in the header Authorization."))
        return self._too_large(headers, path)

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


def _with_security_headers(send: Send, path: str) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(SECURITY_HEADERS)
            if "/assets/" not in path and "/static/" not in path:
                headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return guarded
