"""One table: error class -> status and code per protocol. A new error is its class in its room and its line here."""

import math
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from assistant import errors as runs
from generation import base as generation
from knowledge import base as knowledge

RETRY_AFTER = 5
"""Seconds after which to try again, where nothing better is known."""
LONGEST_RETRY = 120
QUEUE_FULL = 450
"""PAI-EAS's own status for a full queue, which its clients know."""


class BadRequest(Exception):
    """The request cannot be understood; names the field (or "") and says what is allowed. Never repeats the input."""

    def __init__(self, message: str, param: str = "") -> None:
        self.param = param
        super().__init__(message)


class AnswerTimeout(Exception):
    """The answer took longer than the server's limit."""


@dataclass(frozen=True, slots=True)
class Row:
    """HTTP status and code of an error class."""

    status: int
    code: str


ERRORS: dict[type[Exception], Row] = {
    BadRequest: Row(400, "bad_request"),
    AnswerTimeout: Row(408, "timeout"),
    ClientDisconnect: Row(499, "client_gone"),  # nobody reads it; without it the log would hold a trace for each
    generation.PromptTooLong: Row(400, "context_length_exceeded"),
    generation.ModelNotReady: Row(503, "model_not_ready"),
    generation.GenerationError: Row(500, "engine_failed"),
    runs.TooManyRuns: Row(QUEUE_FULL, "queue_full"),
    runs.TooManyOfOne: Row(429, "too_many_of_yours"),
    runs.WaitedTooLong: Row(503, "waited_too_long"),
    runs.ModelChanged: Row(503, "model_changed"),
    runs.Stopping: Row(503, "stopping"),
    runs.UnknownRun: Row(404, "unknown_answer"),
    knowledge.UnknownBase: Row(404, "unknown_knowledge_base"),
    knowledge.UnknownDocument: Row(404, "unknown_document"),
    knowledge.EmptyBase: Row(409, "empty_knowledge_base"),
    knowledge.EmbedderMismatch: Row(409, "index_outdated"),
    knowledge.EmbedderNotReady: Row(503, "embedder_not_ready"),
    knowledge.StorageFull: Row(507, "storage_full"),
    knowledge.TooLarge: Row(413, "too_large"),
    knowledge.UnsupportedFormat: Row(415, "unsupported_format"),
    knowledge.KnowledgeError: Row(400, "knowledge_error"),
}
INTERNAL = Row(500, "internal")


def row(error: Exception) -> Row:
    """Return the line of the nearest class of `error`, by the order of its bases."""
    return next((ERRORS[kind] for kind in type(error).__mro__ if kind in ERRORS), INTERNAL)


def sentence(error: Exception) -> str:
    """Return what a person may read of `error`: its own sentence if it is ours, nothing of a foreign one."""
    known = row(error) is not INTERNAL
    return str(error) if known else "Something went wrong in the server; its log says what."


def native(error: Exception) -> Response:
    """Return the answer of the native protocol to `error`: `{"error": {"code", "message", "param"}}`."""
    line = row(error)
    return refusal(line.status, line.code, sentence(error), getattr(error, "param", ""), retry_after(error))


def retry_after(error: Exception) -> int:
    """Return the whole seconds after which trying again is worth it."""
    known: float | None = getattr(error, "retry_after", None)
    return RETRY_AFTER if known is None else min(max(math.ceil(known), 1), LONGEST_RETRY)


def refusal(status: int, code: str, message: str, param: str = "", retry: int = RETRY_AFTER) -> Response:
    """Return an error in the native shape; `retry` is sent where trying again can help."""
    body = {"code": code, "message": message} | ({"param": param} if param else {})
    headers = {"Retry-After": str(retry)} if status in (429, QUEUE_FULL, 503) else None
    return JSONResponse({"error": body}, status, headers)


async def on_error(_: Request, error: Exception) -> Response:
    """Answer an error that a route raised."""
    return native(error)


async def on_http_error(_: Request, error: Exception) -> Response:
    """Answer what the framework refused: no such path, method or body size."""
    if not isinstance(error, HTTPException):
        return native(error)
    codes = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
    answer = refusal(error.status_code, codes.get(error.status_code, "http_error"), str(error.detail))
    answer.headers.update(error.headers or {})
    return answer
