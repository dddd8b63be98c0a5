"""The table of protocols: a new one is its routes file and its line here. Whatever is refused, is refused in its shape."""

from starlette._utils import get_route_path
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api import everai_routes, native_routes
from api.errors import Fault, fault
from api.protocol import Protocol

PROTOCOLS: tuple[Protocol, ...] = (everai_routes.PROTOCOL, native_routes.PROTOCOL)
"""In the order in which their paths are looked through; the last one speaks for all other addresses."""

HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def of(path: str) -> Protocol:
    """Return the protocol that `path`, without a gateway's prefix, belongs to."""
    return next((protocol for protocol in PROTOCOLS if protocol.owns(path)), PROTOCOLS[-1])


async def on_error(request: Request, error: Exception) -> Response:
    """Answer an error that a route raised."""
    return of(get_route_path(request.scope)).refuse(fault(error))


async def on_http_error(request: Request, error: Exception) -> Response:
    """Answer what the framework refused: no such path, method or body size."""
    if not isinstance(error, HTTPException):
        return await on_error(request, error)
    code = HTTP_CODES.get(error.status_code, "http_error")
    answer = of(get_route_path(request.scope)).refuse(Fault(error.status_code, code, str(error.detail)))
    answer.headers.update(error.headers or {})
    return answer
