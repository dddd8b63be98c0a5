"""The table of protocols: a new one is its routes file and its line here. Whatever is refused, is refused in its shape."""

from fastapi.exceptions import RequestValidationError
from starlette._utils import get_route_path
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api import dashscope_routes, everai_routes, files_routes, mcp_routes, native_routes, openai_routes
from api.errors import BadRequest, Fault, fault
from api.protocol import Protocol

PROTOCOLS: tuple[Protocol, ...] = (
    dashscope_routes.PROTOCOL,
    everai_routes.PROTOCOL,
    files_routes.PROTOCOL,
    mcp_routes.PROTOCOL,
    openai_routes.PROTOCOL,
    native_routes.PROTOCOL,
)
"""In the order in which their paths are looked through; the last one speaks for all other addresses."""

HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def of(path: str) -> Protocol:
    """Return the protocol that `path`, without a gateway's prefix, belongs to."""
    return next((protocol for protocol in PROTOCOLS if protocol.owns(path)), PROTOCOLS[-1])


async def on_error(request: Request, error: Exception) -> Response:
    """Answer an error that a route raised."""
    return of(get_route_path(request.scope)).refuse(fault(error))


async def on_wrong_parameter(request: Request, error: Exception) -> Response:
    """Answer a wrong part of an address or query, which the framework checks."""
    wrong = error.errors()[0] if isinstance(error, RequestValidationError) else {"loc": (), "msg": "Wrong"}
    name = str(wrong["loc"][-1])[:80] if wrong["loc"] else ""
    return await on_error(request, BadRequest(f"{name}: {wrong['msg']}."[:300], name))


async def on_http_error(request: Request, error: Exception) -> Response:
    """Answer what the framework refused: no such path, method or body size."""
    if not isinstance(error, HTTPException):
        return await on_error(request, error)
    code = HTTP_CODES.get(error.status_code, "http_error")
    answer = of(get_route_path(request.scope)).refuse(Fault(error.status_code, code, str(error.detail)))
    answer.headers.update(error.headers or {})
    return answer
