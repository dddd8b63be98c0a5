"""What is refused or fails, in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`. Knows no route.

Source: the API reference's error codes and what its official clients make of a status (`openai` 3: 409, 429 and 5xx are
tried again, unless `x-should-retry` says no).
"""

from typing import Any

from starlette.responses import JSONResponse, Response

from api.errors import QUEUE_FULL, Fault

STATUSES = {QUEUE_FULL: 429}
"""Ours that these clients do not know, and what stands for them."""
CODES = {
    "bad_request": None,
    "unauthorized": "invalid_api_key",
    "queue_full": "rate_limit_exceeded",
    "too_many_of_yours": "rate_limit_exceeded",
}
TYPES = {403: "permission_error", 429: "rate_limit_error"}
"""The rest: "server_error" from 500 on, and "invalid_request_error"."""
IN_VAIN = (408, 409)
"""Statuses that the clients try again, where the same request would end the same way."""


def body(fault: Fault) -> dict[str, Any]:
    """Return the JSON of `fault`, which is also what an event of a stream says."""
    usual = "server_error" if status(fault) >= 500 else "invalid_request_error"
    kind = TYPES.get(status(fault), usual)
    code = CODES.get(fault.code, fault.code)
    return {"error": {"message": fault.message, "type": kind, "param": fault.param or None, "code": code}}


def status(fault: Fault) -> int:
    """Return the HTTP status of `fault` in this protocol."""
    return STATUSES.get(fault.status, fault.status)


def refuse(fault: Fault) -> Response:
    """Return the response that says `fault`."""
    headers = fault.headers | ({"x-should-retry": "false"} if fault.status in IN_VAIN else {})
    return JSONResponse(body(fault), status(fault), headers)
