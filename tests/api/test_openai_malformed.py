"""Requests of OpenAI's protocol that are wrong: always a 4xx in its shape, small, without the input, and no engine hears of it.

Threats S-51, S-70, S-76 and S-77.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from api import json_body
from api.errors import BadRequest
from api.json_body import LONGEST_TEXT
from api.openai_chat_request import ChatBody
from api.openai_completions_routes import CompletionBody
from api.openai_embeddings_routes import EmbeddingBody
from api.openai_responses_request import ResponseBody
from tests.api.live import Live

CANARY = "canary4711"
HUGE = "9" * 5000
LONG = "a" * (LONGEST_TEXT + 1)
CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"
USER = {"role": "user", "content": CANARY}
FULL: dict[str, dict[str, Any]] = {
    CHAT: {"model": "echo", "messages": [USER]},
    COMPLETIONS: {"model": "echo", "prompt": CANARY},
    EMBEDDINGS: {"model": "stub", "input": CANARY},
    RESPONSES: {"model": "echo", "input": CANARY},
}
BODIES: dict[str, type[BaseModel]] = {
    CHAT: ChatBody, COMPLETIONS: CompletionBody, EMBEDDINGS: EmbeddingBody, RESPONSES: ResponseBody,
}  # fmt: skip


def literal(path: str, name: str, text: str) -> str:
    """Return a body with a field that is not what `json.dumps` would write."""
    others = {field: value for field, value in FULL[path].items() if field != name}
    return json.dumps(others)[:-1] + f', "{name}": {text}}}'


GENERATING = {
    "temperature": ["NaN", "Infinity", "-Infinity", "1e999", HUGE, "-0.1", "2.1", '"1"', "true", "[]"],
    "top_p": ["NaN", "1e999", HUGE, "0", "-1", "1.1", '"1"', "[0.5]"],
    "top_k": ["NaN", HUGE, "-2", "1001", "1.5", '"1"', "true"],
    "repetition_penalty": ["NaN", "1e999", "0", "0.4", "2.1", '"1"'],
    "presence_penalty": ["NaN", "1e999", HUGE, "-2.1", "2.1", '"0"', "true"],
    "frequency_penalty": ["Infinity", HUGE, "-2.1", "2.1", '"0"', "{}"],
    "seed": ["NaN", HUGE, "1.5", "9223372036854775808", "-9223372036854775809", '"1"', "true"],
    "stop": ["1", '""', '[""]', "[1]", "[null]", json.dumps(CANARY * 7), json.dumps([CANARY] * 5), "{}", '"\\ud800"'],
    "stream": ['"true"', "1", "[]"],
    "model": ["1", "null", '""', json.dumps(CANARY), json.dumps(CANARY * 50), '"\\udfff"', '["echo"]', '"echo@nowhere"'],
    "unheard_of": ["1", "null"],
}
LIMITED = {
    "n": ["0", "3", "16384", "-1", "1.5", '"2"', "true", HUGE],
    "max_tokens": ["NaN", HUGE, "0", "-1", "1.5", "1000001", '"9"', "true"],
    "stream_options": ["1", "[]", '"usage"', '{"include_usage": "yes"}'],
    "logit_bias": ['{"5": 100}', "1"],
}
TABLE: dict[str, dict[str, list[str]]] = {
    CHAT: GENERATING | LIMITED | {
        "messages": [
            "null", "[]", "{}", json.dumps(CANARY), "[1]", "[null]", "[{}]", json.dumps([USER] * 401), "[" * 100_000,
            json.dumps([{"role": "user"}]), json.dumps([{"content": CANARY}]), json.dumps([USER | {"role": CANARY}]),
            json.dumps([USER | {"role": "tool"}]), json.dumps([USER | {"role": "function"}]), json.dumps([USER | {"role": 1}]),
            json.dumps([USER | {"content": 1}]), json.dumps([USER | {"content": {}}]), json.dumps([USER | {"content": []}]),
            json.dumps([USER | {"content": " \n"}]), json.dumps([USER | {"content": LONG}]), json.dumps([USER | {"name": "x"}]),
            json.dumps([USER | {"content": [{"type": "image_url", "image_url": {"url": CANARY}}]}]),
            json.dumps([USER | {"content": [{"type": "input_audio"}]}]), json.dumps([USER | {"content": [{"text": "x"}]}]),
            json.dumps([USER | {"content": [{"type": "text"}]}]), json.dumps([USER | {"content": ["x"]}]),
            json.dumps([USER, {"role": "assistant", "content": CANARY}]), json.dumps([{"role": "system", "content": CANARY}]),
            json.dumps([USER | {"tool_calls": [{"id": CANARY}]}]), '[{"role": "user", "content": "\\ud800"}]',
            '[{"role": "user", "role": "user", "content": "x"}]',
        ],
        "max_completion_tokens": ["NaN", "0", "-1", '"9"', HUGE], "logprobs": ["true", "1"],
        "top_logprobs": ["1", "20", "true"],
        "response_format": ['{"type": "json_object"}', '{"type": "json_schema", "json_schema": {}}', '"text"', "1"],
        "tools": ['[{"type": "function"}]', "1", "{}"], "tool_choice": ['"required"', '{"type": "function"}', "1"],
        "functions": ["[{}]"], "function_call": ['{"name": "f"}'], "modalities": ['["audio"]', '["text", "audio"]'],
        "audio": ["{}"], "reasoning_effort": ['"high"'], "web_search_options": ["{}"], "verbosity": ['"low"'],
        "knowledge_base": ['""', "1", json.dumps(CANARY), json.dumps(CANARY * 7)], "mode": ['"rag"', "1"],
        "retrieval_top_k": ["0", "51", '"4"', "NaN"], "strict": ['"yes"', "1"], "rewrite_query": ['"no"', "[]"],
    },
    COMPLETIONS: GENERATING | LIMITED | {
        "prompt": ["null", "1", "{}", '""', '" "', "[]", "[1, 2]", "[[1, 2]]", '[""]', '["a", "b", "c"]', "[null]",
                   json.dumps(LONG), '"\\udfff"', '["a", 1]'],
        "best_of": ["2", "0", "20", '"1"'], "echo": ["true", "1"], "logprobs": ["0", "1", "5", "true"], "suffix": ['"x"', "1"],
    },
    EMBEDDINGS: {
        "input": ["null", "1", "{}", '""', "[]", "[1, 2]", "[[1, 2]]", '[""]', "[null]", "[{}]", json.dumps(["a"] * 2049),
                  json.dumps(LONG), '"\\ud800"', '["a", 1]', json.dumps("word " * 9), json.dumps(["a", "word " * 9])],
        "model": ["1", "null", '""', json.dumps(CANARY), '"echo"'],
        "encoding_format": ['"hex"', "1", "[]"],
        "dimensions": ["0", "-1", "255", "257", "1.5", '"256"', "NaN", HUGE, "true"],
        "unheard_of": ["1"],
    },
    RESPONSES: GENERATING | {
        "input": [
            "null", "1", "{}", '""', '" "', "[]", "[1]", "[null]", "[{}]", json.dumps([USER] * 401), json.dumps(LONG),
            '"\\ud800"', json.dumps([{"role": "user"}]), json.dumps([USER | {"role": "tool"}]),
            json.dumps([USER | {"type": CANARY}]),
            json.dumps([{"type": "item_reference", "id": CANARY}]), json.dumps([{"type": "function_call_output"}]),
            json.dumps([{"type": "reasoning"}]), json.dumps([USER | {"content": [{"type": "input_image"}]}]),
            json.dumps([USER | {"content": [{"type": "input_file"}]}]), json.dumps([USER | {"content": ["x"]}]),
            json.dumps([USER | {"content": [{"type": "input_text"}]}]), json.dumps([USER, {"type": "file_search_call"}]),
            json.dumps([USER, {"role": "assistant", "content": CANARY}]), "[" * 100_000,
        ],
        "instructions": ["1", "[]", json.dumps(LONG)], "max_output_tokens": ["NaN", "0", "-1", '"9"', "1.5", HUGE],
        "tools": [
            "1", "{}", "[1]", "[{}]", '[{"type": "web_search"}]', '[{"type": "function", "name": "f"}]',
            '[{"type": "file_search"}]', '[{"type": "file_search", "vector_store_ids": []}]',
            '[{"type": "file_search", "vector_store_ids": [1]}]', '[{"type": "file_search", "vector_store_ids": ["a", "b"]}]',
            '[{"type": "file_search", "vector_store_ids": ["canary4711"]}]',
            '[{"type": "file_search", "vector_store_ids": ["default"], "filters": {"type": "eq"}}]',
            '[{"type": "file_search", "vector_store_ids": ["default"], "max_num_results": 51}]',
            '[{"type": "file_search", "vector_store_ids": ["default"], "ranking_options": {"score_threshold": 0.9}}]',
            json.dumps([{"type": "file_search", "vector_store_ids": ["default"]}] * 2),
        ],
        "tool_choice": ['"required"', '"always"', "1", '{"type": "function"}', '{"type": "file_search"}'],
        "include": ["1", '["reasoning.encrypted_content"]', "[1]"], "truncation": ['"middle"', "1"],
        "metadata": ["1", '{"a": 1}', "[]"], "previous_response_id": ['"resp_1"', "1"], "conversation": ['"conv_1"', "{}"],
        "background": ["true", "1"], "prompt": ['{"id": "pmpt_1"}'], "reasoning": ['{"effort": "high"}', "1"],
        "text": ['{"format": {"type": "json_object"}}', '"x"'], "top_logprobs": ["1", "true"],
    },
}  # fmt: skip
BROKEN = [
    "", " ", "[]", "1", "null", '"x"', "{", '{"model": "echo"', '{"model": "echo",}', "{'model': 'echo'}", '{"model" "echo"}',
    '{"model": True}', '{"a": 01}', '{"a": 0x1F}', '{"a": 1} x', '{"a": 1}{"a": 1}', '{"a": "\\x"}', '{"a": 1, "a": 2}',
    '{"a": {"b": 1, "b": 2}}', '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000, '{"a": "\\ud800"}', '{"a": NaN}', "{}",
    f'{{"a": {HUGE}}}', "model=echo&prompt=canary4711", "\ufeff",
]  # fmt: skip
BYTES = [b"\xff\xfe", b'{"model": "\xff"}', b"\xc3", "canary4711".encode("utf-16"), b"\xed\xa0\x80"]


def wrong(path: str) -> list[bytes]:
    """Return all wrong bodies for `path`."""
    fields = [literal(path, name, text) for name, texts in TABLE[path].items() for text in texts]
    missing = [json.dumps({k: v for k, v in FULL[path].items() if k != name}) for name in FULL[path]]
    return [*(text.encode() for text in (*fields, *missing, *BROKEN)), *BYTES]


every_path = pytest.mark.parametrize("path", FULL)


@every_path
def test_the_table_is_long_enough(path: str) -> None:
    assert len(set(wrong(path))) >= (60 if path == EMBEDDINGS else 80)


@pytest.fixture
async def quiet(server: Live) -> AsyncIterator[Live]:
    """A server whose engine must not have been asked anything in the end."""
    yield server
    assert server.made == (0, 0)
    assert server.runs.active == 0
    for path, body in FULL.items():
        assert (await server.client.post(path, json=body)).status_code == 200


def check(answer: Any) -> None:
    assert 400 <= answer.status_code < 500
    assert len(answer.content) < 2048
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"message", "type", "param", "code"}
    assert body["error"]["type"] == "invalid_request_error"
    assert len(body["error"]["message"]) > 10
    for word in (CANARY, "999999", "Traceback", "pydantic", "/work/", "\\ud800", "aaaaaaaa"):
        assert word not in answer.text


@every_path
async def test_every_wrong_body(quiet: Live, path: str) -> None:
    for label in ("application/json", "application/x-www-form-urlencoded"):
        for content in wrong(path):
            answer = await quiet.client.post(path, content=content, headers={"Content-Type": label})
            try:
                check(answer)
            except AssertionError as error:
                said = f"{label}: {content[:300]!r}: {answer.status_code} {answer.text[:300]}"
                raise AssertionError(said) from error


@pytest.mark.parametrize(
    ("path", "fields", "param", "words"),
    [
        (CHAT, {"temperature": 3}, "temperature", "less than or equal to 2"),
        (CHAT, {"logprobs": True}, "logprobs", "not possible"),
        (CHAT, {"n": 3}, "n", "less than or equal to 2"),
        (CHAT, {"max_tokens": 1, "max_completion_tokens": 1}, None, "mean the same"),
        (CHAT, {"tools": [{}]}, "tools", "calls no functions"),
        (CHAT, {"messages": []}, "messages", "at least 1"),
        (COMPLETIONS, {"prompt": [1]}, "prompt", "token ids"),
        (COMPLETIONS, {"prompt": ["a", "b"], "n": 2}, None, "at most 2 answers"),
        (EMBEDDINGS, {"dimensions": 5}, "dimensions", "256"),
        (EMBEDDINGS, {"input": ["a", "a b c d e f g h i"]}, None, "text 1 has 9 tokens"),
        (RESPONSES, {"previous_response_id": "x"}, "previous_response_id", "not kept"),
        (RESPONSES, {"tools": [{"type": "web_search"}]}, "tools.0", "file_search"),
    ],
)
async def test_the_sentence_helps(quiet: Live, path: str, fields: dict[str, Any], param: str | None, words: str) -> None:
    error = (await quiet.client.post(path, json=FULL[path] | fields)).json()["error"]
    assert words in error["message"]
    assert error["param"] == param


@every_path
@pytest.mark.parametrize("stream", [None, False])
async def test_null_is_as_good_as_nothing(server: Live, path: str, stream: bool | None) -> None:
    """Some clients send every field of the protocol, whether anybody has said it or not."""
    nothing = {name: None for name in BODIES[path].model_fields if name not in FULL[path]}
    answer = await server.client.post(path, json=FULL[path] | nothing)
    assert answer.status_code == 200, answer.text


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["role", "content", "type", "text"]), inner),
    max_leaves=8,
)


@every_path
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_value_of_any_field_is_a_request_or_a_bad_request(path: str, data: st.DataObject) -> None:
    names = st.sampled_from(sorted(BODIES[path].model_fields))
    fields = FULL[path] | data.draw(st.dictionaries(names, JSON, max_size=3))
    try:
        json_body.validate(BODIES[path], json_body.parse(json.dumps(fields)))
    except BadRequest as error:
        assert 0 < len(str(error)) < 1000
        assert len(error.param) <= json_body.LONGEST_NAME
