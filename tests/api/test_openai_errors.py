"""Refusals in OpenAI's shape, as the official client reads them."""

import json

import pytest

from api.errors import ERRORS, INTERNAL, BadRequest, Fault, fault
from api.openai_errors import body, refuse, status


@pytest.mark.parametrize(
    ("given", "shown", "kind", "code"),
    [
        (400, 400, "invalid_request_error", None),
        (401, 401, "invalid_request_error", "invalid_api_key"),
        (403, 403, "permission_error", "origin_not_allowed"),
        (404, 404, "invalid_request_error", "model_not_found"),
        (413, 413, "invalid_request_error", "too_large"),
        (429, 429, "rate_limit_error", "rate_limit_exceeded"),
        (450, 429, "rate_limit_error", "rate_limit_exceeded"),
        (500, 500, "server_error", "internal"),
        (503, 503, "server_error", "model_not_ready"),
        (507, 507, "server_error", "storage_full"),
    ],
)
def test_each_status_has_its_type(given: int, shown: int, kind: str, code: str | None) -> None:
    codes = {400: "bad_request", 401: "unauthorized", 403: "origin_not_allowed", 404: "model_not_found", 413: "too_large"}
    codes |= {429: "too_many_of_yours", 450: "queue_full", 500: "internal", 503: "model_not_ready", 507: "storage_full"}
    answer = refuse(Fault(given, codes[given], "Why."))
    assert answer.status_code == shown
    assert json.loads(bytes(answer.body)) == {"error": {"message": "Why.", "type": kind, "param": None, "code": code}}
    assert ("retry-after" in answer.headers) == (shown in (429, 503))


def test_the_field_is_named() -> None:
    assert body(fault(BadRequest("n: too large.", "n")))["error"]["param"] == "n"


def test_no_status_of_ours_is_unknown_to_these_clients() -> None:
    shown = {status(Fault(line.status, line.code, "")) for line in (*ERRORS.values(), INTERNAL)}
    assert shown <= {400, 403, 404, 408, 409, 413, 415, 429, 499, 500, 503, 507}


@pytest.mark.parametrize(("given", "said"), [(408, "false"), (409, "false"), (429, None), (503, None)])
def test_what_would_end_the_same_way_is_not_tried_again(given: int, said: str | None) -> None:
    assert refuse(Fault(given, "x", "Why.")).headers.get("x-should-retry") == said
