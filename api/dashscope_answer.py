"""A `Run` in DashScope's words: one JSON object, or server-sent events; and its errors. Knows no request fields.

Source: the package `dashscope` 2.0 (`common/utils.py`, `api_entities/`), Model Studio's reference, wire.md section 7.
"""

import json
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response

from api.answering import deltas, text_of
from api.errors import QUEUE_FULL, Fault, fault
from assistant.citations import find
from assistant.prompt import where
from assistant.run import Run

CODES = {
    "model_not_found": "ModelNotFound",
    "not_found": "InvalidURL",
    "unknown_knowledge_base": "NotFound",
    "unauthorized": "InvalidApiKey",
}
"""Our code -> DashScope's, where the status alone does not tell."""
CODES_OF_STATUS = {
    400: "InvalidParameter",
    401: "InvalidApiKey",
    403: "AccessDenied",
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "RequestTimeOut",
    409: "Conflict",
    413: "BadRequest.TooLarge",
    429: "Throttling.RateQuota",
    500: "InternalError",
    503: "ModelUnavailable",
}
GOING = "null"
"""The finish reason of an answer that goes on: a text, not JSON's null."""


@dataclass(frozen=True, slots=True)
class Form:
    """How an answer is wanted: `message` (else text), `incremental` (else each event holds all so far)."""

    message: bool
    incremental: bool = False


def new_id() -> str:
    """Return the id of a request."""
    return str(uuid.uuid4())


def refuse(fault: Fault) -> Response:
    """Return `{"code", "message", "request_id"}`."""
    return JSONResponse(_error(fault, new_id()), _status(fault), fault.headers)


def whole(run: Run, form: Form, request_id: str) -> dict[str, Any]:
    """Return the answer of a run that has ended."""
    return _last(run, text_of(run), form, request_id)


async def events(run: Run, form: Form, request_id: str) -> AsyncGenerator[bytes, None]:
    """Yield the answer as it comes, the usage and the sources with the last event; an error of the run is an event."""
    number, text = 0, ""
    try:
        async with aclosing(deltas(run)) as parts:
            async for part in parts:
                number, text = number + 1, text + part
                output = _output(part if form.incremental else text, GOING, form)
                yield _event(number, "result", 200, {"output": output, "request_id": request_id})
        yield _event(number + 1, "result", 200, _last(run, "" if form.incremental else text, form, request_id))
    except Exception as error:  # whatever the run ended with: the status is sent, so the stream itself must tell
        failed = fault(error)
        yield _event(number + 1, "error", _status(failed), _error(failed, request_id))


def _last(run: Run, text: str, form: Form, request_id: str) -> dict[str, Any]:
    output = _output(text, run.finish_reason if run.finish_reason in ("stop", "length") else GOING, form)
    if run.mode == "knowledge":
        output["doc_references"] = _references(run)
    body: dict[str, Any] = {"output": output}
    if run.usage is not None:
        read, written = run.usage.prompt_tokens, run.usage.completion_tokens
        body["usage"] = {
            "input_tokens": read,
            "output_tokens": written,
            "total_tokens": read + written,
            "prompt_tokens_details": {"cached_tokens": run.usage.cached_tokens},
        }
    return body | {"request_id": request_id}


def _output(text: str, reason: str | None, form: Form) -> dict[str, Any]:
    if form.message:
        return {"choices": [{"finish_reason": reason, "message": {"role": "assistant", "content": text}}]}
    return {"text": text, "finish_reason": reason}


def _references(run: Run) -> list[dict[str, Any]]:
    """Return the passages as DashScope's applications give them; `where`, `score` and `cited` are ours."""
    used = find(text_of(run), len(run.sources)).used
    return [
        {
            "index_id": str(number),
            "title": passage.source.name,
            "doc_id": str(passage.source.document_id),
            "doc_name": passage.source.name,
            "page_number": [] if passage.locator.page is None else [passage.locator.page],
            "where": where(passage.locator),
            "score": round(passage.score, 4),
            "cited": number in used,
            "text": passage.text,
        }
        for number, passage in enumerate(run.sources, 1)
    ]


def _event(number: int, kind: str, status: int, data: dict[str, Any]) -> bytes:
    # The line with a colon is DashScope's; the package itself reads `status:`, which others skip.
    told = f":HTTP_STATUS/{status}\n" + (f"status:{status}\n" if kind == "error" else "")
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"id:{number}\nevent:{kind}\n{told}data:{text}\n\n".encode()


def _error(fault: Fault, request_id: str) -> dict[str, str]:
    code = CODES.get(fault.code) or CODES_OF_STATUS.get(_status(fault))
    return {
        "code": code or ("InvalidParameter" if fault.status < 500 else "InternalError"),
        "message": fault.message,
        "request_id": request_id,
    }


def _status(fault: Fault) -> int:
    return 429 if fault.status == QUEUE_FULL else fault.status
