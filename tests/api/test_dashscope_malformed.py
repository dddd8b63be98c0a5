"""DashScope requests that are wrong: always a 4xx in DashScope's shape, small, without the input in it, no engine asked.

Threats S-51, S-70 and S-77.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import json_body
from api.dashscope_request import MOST_MESSAGES, DashScopeRequest
from api.dashscope_routes import PATH
from api.errors import BadRequest
from api.json_body import LONGEST_TEXT
from tests.api.live import Live

CANARY = "canary4711"
HUGE = "9" * 5000
USER = {"role": "user", "content": CANARY}


def body(**fields: Any) -> str:
    return json.dumps({"model": "echo", "input": {"prompt": CANARY}} | fields)


def parameters(name: str, text: str) -> str:
    """Return a body whose parameter is not what `json.dumps` would write."""
    return f'{{"model": "echo", "input": {{"prompt": "{CANARY}"}}, "parameters": {{"{name}": {text}}}}}'


def messages(*turns: Any, **fields: Any) -> str:
    return body(input={"messages": list(turns)} | fields)


WRONG_PARAMETERS = {
    "temperature": ["NaN", "Infinity", "-Infinity", "1e999", HUGE, "-0.1", "2", "2.1", '"1"', "true", "[]", "{}"],
    "top_p": ["NaN", "1e999", HUGE, "0", "-1", "1.1", '"1"', "[0.5]", "false"],
    "top_k": ["NaN", "1e999", HUGE, "-1", "1001", "1.5", '"1"', "true"],
    "max_tokens": ["NaN", "Infinity", HUGE, "0", "-1", "1.5", "1000001", '"9"', "true"],
    "repetition_penalty": ["NaN", "1e999", HUGE, "0", "0.4", "2.1", "1e30", '"1"'],
    "presence_penalty": ["NaN", "2.1", "-2.1", "3", "-1e999", '"0"', "true"],
    "frequency_penalty": ["2.1", "NaN", '"0"'],
    "seed": ["NaN", "1e999", HUGE, "-1", "1.5", "9223372036854775808", '"1"', "true"],
    "n": ["0", "2", "5", "-1", "1.5", '"1"', "true", HUGE],
    "stop": ['""', "[\"\"]", "[1]", "[[1, 2]]", "1", "{}", json.dumps([CANARY] * 5), json.dumps(CANARY * 7), "[null]", "true"],
    "result_format": ['"json"', f'"{CANARY}"', "1", "[]", '"TEXT"', "true"],
    "incremental_output": ['"true"', "1", "[]", '"canary4711"'],
    "knowledge_base": ['""', "1", json.dumps(CANARY * 7), "[]", '"\\ud800"'],
    "rag_options": [
        f'"{CANARY}"', "[]", '{"pipeline_ids": []}', '{"pipeline_ids": "a"}', '{"pipeline_ids": ["a", "b"]}',
        '{"pipeline_ids": [1]}', '{"pipeline_ids": [""]}', '{"file_ids": ["a"]}', '{"pipeline_ids": ["a"], "tags": ["b"]}',
    ],
    "response_format": ['{"type": "json_object"}', '"text"', f'{{"canary4711": "{CANARY}"}}', "[]", "1"],
    "tools": [f'[{{"type": "{CANARY}"}}]', f'"{CANARY}"', "1", "true", '{"a": 1}'],
    "tool_choice": ['"required"', '{"type": "function"}', "true"],
    "enable_search": ["true", '"true"', "1"],
    "enable_thinking": ["true", "1"],
    "thinking_budget": ["100", f'"{CANARY}"'],
    "logprobs": ["true", '"yes"'],
    "top_logprobs": ["1", HUGE, "2.5"],
    "search_options": [f'{{"a": "{CANARY}"}}'],
    "logit_bias": ['{"1": 100}'],
    "x": ['{"a": 1, "a": 2}', '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000, HUGE, '"\\udfff"', "NaN"],
}  # fmt: skip
WRONG: list[str] = [
    *(parameters(name, text) for name, texts in WRONG_PARAMETERS.items() for text in texts),
    # the fields around them
    "{}", body(model=None), body(model=""), body(model=1), body(model=[CANARY]), body(model=CANARY), body(model="a" * 513),
    body(model="echo@"), body(model="@echo"), body(model=f"{CANARY}@default"), json.dumps({"model": "echo"}),
    json.dumps({"input": {"prompt": CANARY}}), body(parameters=1), body(parameters=[]), body(parameters=CANARY),
    body(input=None), body(input=CANARY), body(input=[]), body(input={}), body(input={"text": CANARY}), body(input=1),
    # what is asked
    body(input={"prompt": 1}), body(input={"prompt": None}), body(input={"prompt": ""}), body(input={"prompt": " \n\u3000"}),
    body(input={"prompt": [CANARY]}), body(input={"prompt": {"a": CANARY}}), body(input={"prompt": True}),
    body(input={"prompt": "a" * (LONGEST_TEXT + 1)}), messages(USER, prompt=CANARY),
    messages(USER, history=[{"user": CANARY, "bot": "b"}]),
    body(input={"prompt": CANARY, "history": CANARY}), body(input={"prompt": CANARY, "history": [CANARY]}),
    body(input={"prompt": CANARY, "history": [[CANARY, "b"]]}), body(input={"prompt": CANARY, "history": [{"user": CANARY}]}),
    body(input={"prompt": CANARY, "history": [{"user": CANARY, "bot": None}]}), body(input={"history": []}),
    body(input={"prompt": CANARY, "history": [{"user": "a", "bot": "b"}] * (MOST_MESSAGES + 1)}),
    messages(), messages(*[USER] * (MOST_MESSAGES + 1)), messages(CANARY), messages([CANARY]), messages(None), messages({}),
    body(input={"messages": USER}), body(input={"messages": CANARY}), messages({"role": "user"}), messages({"content": CANARY}),
    messages({"role": CANARY, "content": "a"}), messages({"role": "tool", "content": CANARY}),
    messages(USER | {"role": "User"}),
    messages({"role": 1, "content": CANARY}), messages(USER | {"content": None}), messages(USER | {"content": 1}),
    messages(USER | {"content": []}), messages(USER | {"content": ""}), messages(USER | {"content": [CANARY]}),
    messages(USER | {"content": [{"image": CANARY}]}), messages(USER | {"content": [{"text": CANARY, "image": CANARY}]}),
    messages(USER | {"content": [{"type": "image_url", "text": CANARY}]}), messages(USER | {"content": [{"text": " "}]}),
    messages(USER | {"content": [{"text": "a" * 150_000}] * 2}), messages({"role": "system", "content": CANARY}),
    messages(USER, {"role": "assistant", "content": CANARY}), messages({"role": "assistant", "content": "a", "partial": True}),
    messages({"role": "assistant", "content": "a", "tool_calls": [{"id": CANARY}]}, USER),
    # not JSON, or not one object
    "", " ", "\ufeff", "null", "[]", "1", f'"{CANARY}"', CANARY, f"prompt={CANARY}", "NaN", body()[:-1], body() + "}",
    body() + body(), body().replace('"echo"', "'echo'"), body().replace("}}", "},}"), body().replace(":", " "),
    body(parameters="X").replace('"X"', '{"enable_search": True}'), "[" * 100_000, '{"a":' * 100_000,
    body().replace(CANARY, "\\ud800"), body().replace(CANARY, "a\nb"), body().replace(CANARY, "\\x"),
    body().replace('{"model": "echo"', '{"model": "echo", "model": "echo"'),
    body().replace('{"prompt"', '{"prompt": "a", "prompt"'),
]  # fmt: skip
BYTES = [b"\xff\xfe", b'{"model": "\xff"}', b"\xc3", body().encode("utf-16"), b"\x1f\x8b\x08canary4711", b"\xed\xa0\x80"]


def test_the_table_is_long_enough() -> None:
    assert len(set(WRONG)) + len(BYTES) >= 80


@pytest.fixture
async def quiet(server: Live) -> AsyncIterator[Live]:
    """A server whose engine must not have been asked anything in the end."""
    yield server
    assert server.made == (0, 0)
    assert (await server.client.post(PATH, content=body())).json()["output"]["text"] == f"You said: {CANARY}"


def check(answer: Any) -> None:
    assert 400 <= answer.status_code < 500
    assert len(answer.content) < 2048
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert told.keys() == {"code", "message", "request_id"}
    assert told["code"] in ("InvalidParameter", "ModelNotFound")
    assert len(told["message"]) > 10
    for word in (CANARY, "999999", "Traceback", "pydantic", "/work/", "\\ud800", "\ud800"):
        assert word not in answer.text


@pytest.mark.parametrize("headers", [{}, {"X-DashScope-SSE": "enable"}], ids=["whole", "stream"])
async def test_every_wrong_body(quiet: Live, headers: dict[str, str]) -> None:
    for data in (*(text.encode() for text in WRONG), *BYTES):
        answer = await quiet.client.post(PATH, content=data, headers={"Content-Type": "application/json"} | headers)
        try:
            check(answer)
        except AssertionError as error:
            raise AssertionError(f"{data[:200]!r}: {answer.status_code} {answer.text[:300]}") from error


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from([0, 1, 0.5, "text", "user"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "text", "user", "bot", "pipeline_ids", "type"]), inner)
    ),
    max_leaves=8,
)
BODIES = st.fixed_dictionaries(
    {"model": st.just("echo") | VALUES},
    optional={
        "input": st.dictionaries(st.sampled_from(["prompt", "messages", "history"]), VALUES, max_size=3) | VALUES,
        "parameters": st.dictionaries(st.sampled_from(sorted(WRONG_PARAMETERS)), VALUES, max_size=3) | VALUES,
    },
).map(lambda value: json.dumps(value).encode())


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.binary(max_size=200), BODIES))
def test_any_bytes_are_a_request_or_a_bad_request(data: bytes) -> None:
    try:
        asked = json_body.validate(DashScopeRequest, json_body.parse(json_body.decode(data)))
    except BadRequest as error:
        assert 0 < len(str(error)) < 1000
    else:
        assert asked.input.turns[-1].content.strip()
        sampling = asked.wanted.sampling
        assert 0 <= sampling.temperature < 2
        assert 0 < sampling.top_p <= 1
        assert len(sampling.stop) <= 4
