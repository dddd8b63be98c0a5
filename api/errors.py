"""One table: error class -> status and code. A new error is its class in its room and its line here.

Knows no protocol: what it gives is a `Fault`, which each protocol writes in its own shape.
"""

import math
from dataclasses import dataclass

from starlette.requests import ClientDisconnect

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


class UnknownModel(Exception):
    """The request names a model that is not here."""


class NotAdministrator(Exception):
    """The request asks for what administrators only may do."""


class TooManyConnections(Exception):
    """The server holds as many WebSocket connections as it takes."""


class TooManyConnectionsOfOne(Exception):
    """Whoever asks holds as many WebSocket connections as one may."""


class TooManyMessages(Exception):
    """More messages wait on one WebSocket connection than may."""


@dataclass(frozen=True, slots=True)
class Row:
    """HTTP status and code of an error class."""

    status: int
    code: str


ERRORS: dict[type[Exception], Row] = {
    BadRequest: Row(400, "bad_request"),
    UnknownModel: Row(404, "model_not_found"),
    NotAdministrator: Row(403, "not_administrator"),
    TooManyConnections: Row(503, "too_many_connections"),
    TooManyConnectionsOfOne: Row(429, "too_many_connections"),
    TooManyMessages: Row(QUEUE_FULL, "queue_full"),
    ClientDisconnect: Row(499, "client_gone"),  # nobody reads it; without it the log would hold a trace for each
    generation.PromptTooLong: Row(400, "context_length_exceeded"),
    generation.NotSupported: Row(400, "not_supported"),
    generation.ModelNotReady: Row(503, "model_not_ready"),
    generation.GenerationError: Row(500, "engine_failed"),
    runs.TooManyRuns: Row(QUEUE_FULL, "queue_full"),
    runs.TooManyOfOne: Row(429, "too_many_of_yours"),
    runs.AnswerTimeout: Row(408, "timeout"),
    runs.WaitedTooLong: Row(503, "waited_too_long"),
    runs.ModelChanged: Row(503, "model_changed"),
    runs.Stopping: Row(503, "stopping"),
    runs.UnknownRun: Row(404, "unknown_answer"),
    knowledge.UnknownBase: Row(404, "unknown_knowledge_base"),
    knowledge.UnknownDocument: Row(404, "unknown_document"),
    knowledge.UnknownBackup: Row(404, "unknown_backup"),
    knowledge.EmptyBase: Row(409, "empty_knowledge_base"),
    knowledge.EmbedderMismatch: Row(409, "index_outdated"),
    knowledge.EmbedderNotReady: Row(503, "embedder_not_ready"),
    knowledge.RerankerUnusable: Row(503, "reranker_not_ready"),
    knowledge.TextTooLong: Row(400, "context_length_exceeded"),
    knowledge.StorageFull: Row(507, "storage_full"),
    knowledge.StorageFailed: Row(500, "storage_failed"),
    knowledge.StoreInUse: Row(503, "storage_in_use"),
    knowledge.TooLarge: Row(413, "too_large"),
    knowledge.UnsupportedFormat: Row(415, "unsupported_format"),
    knowledge.KnowledgeError: Row(400, "knowledge_error"),
}
INTERNAL = Row(500, "internal")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request is not answered: HTTP status, our code, a sentence, the field it is about ("": none).

    `retry_after`: whole seconds, for the statuses where trying again can help.
    """

    status: int
    code: str
    message: str
    param: str = ""
    retry_after: int = RETRY_AFTER

    @property
    def headers(self) -> dict[str, str]:
        """The headers that go with it in every protocol."""
        return {"Retry-After": str(self.retry_after)} if self.status in (429, QUEUE_FULL, 503) else {}


def fault(error: Exception) -> Fault:
    """Return what `error` is towards a client."""
    line = row(error)
    return Fault(line.status, line.code, sentence(error), getattr(error, "param", ""), _retry_after(error))


def row(error: Exception) -> Row:
    """Return the line of the nearest class of `error`, by the order of its bases."""
    return next((ERRORS[kind] for kind in type(error).__mro__ if kind in ERRORS), INTERNAL)


def sentence(error: Exception) -> str:
    """Return what a person may read of `error`: its own sentence if it is ours, nothing of a foreign one."""
    known = row(error) is not INTERNAL
    return str(error) if known else "Something went wrong in the server; its log says what."


def _retry_after(error: Exception) -> int:
    known: float | None = getattr(error, "retry_after", None)
    return RETRY_AFTER if known is None else min(max(math.ceil(known), 1), LONGEST_RETRY)
