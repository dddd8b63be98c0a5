"""Wrong requests to EverAI's addresses: always a 4xx in its shape, and the engine never hears of it.

Threats S-51, S-70 and S-77.
"""

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from api import json_body
from api.errors import BadRequest
from api.everai_request import EverAIBody
from tests.api.live import Live
from tests.api.test_malformed import BYTES
from tests.api.wrong_requests import BEAMS, CANARY, HUGE, LENGTH, OTHERS, broken, wrong_values

TABLE = {
    "max_length": LENGTH,
    "num_beams": BEAMS,
    "no_repeat_ngram_size": ["NaN", HUGE, "-1", "1.5", "101", '"2"', "true", "null", "[]"],
    "langchain": OTHERS["langchain"],
    "knowledge_base": OTHERS["knowledge_base"],
}
BODIES = [
    *wrong_values("prompt", TABLE),
    *broken("prompt"),
    *("", " ", "{}", "[]", "null", "1", CANARY, f'"{CANARY}"', f"prompt={CANARY}", '{"input_ids": "canary4711"}'),
]
QUERIES = [
    "",
    "prompt=",
    "prompt",
    "prompt=%20%0A",
    "prompt=%E3%80%80",
    "Prompt=canary4711",
    "prompt[]=canary4711",
    "prompt=canary4711&prompt=b",
    "prompt=%FF",
    "prompt=canary4711%ED%A0%80",
    "prompt=canary4711" + "&a=1" * 60,
    *(
        f"prompt=canary4711&{name}={quote(text)}"
        for name, texts in {
            "max_length": ["", "0", "-1", "1.5", "x", "1000001", "NaN", "Infinity", HUGE, "[1]", "9 9"],
            "num_beams": ["", "0", "-1", "1.5", "x", "9", "NaN", HUGE],
            "no_repeat_ngram_size": ["", "-1", "1.5", "x", "101", "NaN", HUGE],
            "langchain": ["", "2", "maybe", "[]", "null", CANARY],
            "knowledge_base": ["", CANARY * 7],
        }.items()
        for text in texts
    ),
]


def test_the_tables_are_long_enough() -> None:
    assert len({*BODIES, *QUERIES}) + len(BYTES) >= 80


def check(answer: Any) -> None:
    assert 400 <= answer.status_code < 500
    assert len(answer.content) < 2048
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()
    assert error.keys() == {"error"}
    assert error["error"].keys() <= {"code", "message", "param"}
    for word in (CANARY, "999999", "Traceback", "pydantic", "/work/", "\\ud800", "\ud800"):
        assert word not in answer.text


@pytest.mark.parametrize("path", ["/chat", "/sse"])
async def test_every_wrong_request(server: Live, path: str) -> None:
    bodies = [*(text.encode() for text in BODIES), *BYTES]
    for body in bodies:
        for label in ("application/json", "application/x-www-form-urlencoded"):
            answer = await server.client.post(path, content=body, headers={"Content-Type": label})
            try:
                check(answer)
            except AssertionError as error:
                raise AssertionError(f"{body[:200]!r}: {answer.status_code} {answer.text[:300]}") from error
    for query in QUERIES:
        answer = await server.client.get(f"{path}?{query}")
        try:
            check(answer)
        except AssertionError as error:
            raise AssertionError(f"{query[:200]!r}: {answer.status_code} {answer.text[:300]}") from error
    assert server.made == (0, 0)
    assert (await server.client.get(path, params={"prompt": "still there?"})).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"), [("DELETE", "/chat", 405), ("PUT", "/sse", 405), ("GET", "/chat/x", 404)]
)
async def test_what_there_is_not(server: Live, method: str, path: str, status: int) -> None:
    answer = await server.client.request(method, path)
    assert answer.status_code == status
    check(answer)


async def test_the_field_is_named(server: Live) -> None:
    for answer in (await server.client.get("/chat"), await server.client.post("/chat", json={})):
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "prompt"


VALUES = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries({"prompt": VALUES}, optional=dict.fromkeys([*EverAIBody.model_fields][1:], VALUES)), st.booleans())
def test_any_fields_are_a_request_or_a_bad_request(fields: dict[str, Any], strict: bool) -> None:
    model: type[BaseModel] = EverAIBody
    try:
        values = json_body.parse(json.dumps(fields)) if strict else {name: str(value) for name, value in fields.items()}
        asked = json_body.validate(model, values, strict=strict)
    except BadRequest as error:
        assert 0 < len(str(error)) < 1000
    else:
        assert isinstance(asked, EverAIBody)
        assert 1 <= asked.num_beams <= 8 and asked.max_length >= 1
