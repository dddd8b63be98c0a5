"""Bodies that are wrong: always a 4xx in the native shape, small, without the input in it, and the engine never hears of it.

Threats S-51, S-70 and S-77.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.errors import BadRequest
from api.json_body import LONGEST_TEXT
from api.native_request import parse
from tests.api.live import Live

CANARY = "canary4711"
HUGE = "9" * 5000


def body(**fields: Any) -> str:
    return json.dumps({"prompt": CANARY} | fields)


def literal(name: str, text: str) -> str:
    """Return a body whose field is not what `json.dumps` would write."""
    return f'{{"prompt": "{CANARY}", "{name}": {text}}}'


NUMBERS = {
    "temperature": ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", HUGE, "-0.1", "2.1", '"1"', "true", "null", "[]", "{}"],
    "top_p": ["NaN", "Infinity", "1e999", HUGE, "0", "-1", "1.1", '"1"', "null", "[0.5]"],
    "top_k": ["NaN", "1e999", HUGE, "-2", "1001", "1.5", '"1"', "true", "null", "[1]"],
    "max_new_tokens": ["NaN", "Infinity", HUGE, "0", "-1", "1.5", "1000001", '"9"', "true", "null"],
    "repetition_penalty": ["NaN", "1e999", HUGE, "0", "0.4", "2.1", "1e30", '"1"', "null"],
    "seed": ["NaN", "1e999", HUGE, "-1", "1.5", "9223372036854775808", '"1"', "true"],
    "retrieval_top_k": ["NaN", HUGE, "0", "21", "1.5", '"1"'],
}
WRONG: list[str] = [
    *(literal(name, text) for name, texts in NUMBERS.items() for text in texts),
    # wrong types and over-long values
    body(prompt=1), body(prompt=None), body(prompt=[CANARY]), body(prompt={"a": CANARY}), body(prompt=True),
    body(prompt=""), body(prompt=" \n\t\u3000"), body(prompt="a" * (LONGEST_TEXT + 1)),
    body(system_prompt=1), body(system_prompt=None), body(system_prompt="a" * (LONGEST_TEXT + 1)),
    body(history=CANARY), body(history=None), body(history={}), body(history=[CANARY]), body(history=[[CANARY]]),
    body(history=[[CANARY, CANARY, CANARY]]), body(history=[[CANARY, None]]), body(history=[[1, 2]]),
    body(history=[[CANARY, CANARY]] * 201), body(history=[{"user": CANARY, "bot": CANARY}]),
    body(do_sample="True"), body(do_sample=1), body(do_sample=None), body(use_cache=CANARY), body(langchain="True"),
    body(langchain=1), body(use_stream_chat=CANARY), body(use_stream_chat=1), body(use_stream_chat=None),
    body(mode=CANARY), body(mode=1), body(knowledge_base=""), body(knowledge_base=CANARY * 7), body(knowledge_base=1),
    body(stop=CANARY), body(stop=[""]), body(stop=[1]), body(stop=[None]), body(stop=[CANARY * 7]), body(stop=[CANARY] * 5),
    body(stop_sequences=CANARY), body(stop_sequences=[CANARY] * 5), body(no_template="x"), body(no_template=1),
    body(no_template=True, system_prompt="a"), body(no_template=True, history=[["a", "b"]]),
    # halves of characters
    literal("system_prompt", '"\\ud800"'), literal("history", '[["a", "\\udfff"]]'), '{"prompt": "canary4711 \\ud800"}',
    literal("knowledge_base", '"\\ud800"'),
    # not JSON, though it wants to be
    f'{{"prompt": "{CANARY}"', f'{{"prompt": "{CANARY}",}}', f"{{\"prompt\": '{CANARY}'}}", f'{{"prompt" "{CANARY}"}}',
    literal("do_sample", "True"), literal("seed", "None"), literal("seed", "0x1F"), literal("seed", "01"),
    literal("seed", "+1"), literal("seed", ""),
    f'{{"prompt": "{CANARY}"}} {CANARY}', f'{{"prompt": "{CANARY}"}}{{"prompt": "{CANARY}"}}', f'{{"prompt": "{CANARY}\n"}}',
    '{"prompt": "\\x"}', '{"input_ids": nothing', f'{{"prompt": "{CANARY}", // comment\n"seed": 1}}',
    # an object, but no request
    "{}", '{"system_prompt": "a"}', f'{{"question": "{CANARY}"}}',
    # the same field twice
    f'{{"prompt": "{CANARY}", "prompt": "b"}}', literal("stop", '[], "seed": 1, "seed": 2'), literal("x", '{"a": 1, "a": 2}'),
    # too deep
    literal("history", "[" * 100_000), literal("x", '{"a":' * 100_000), literal("history", "[" * 900 + "]" * 900),
    literal("x", "[" * 100_000 + "]" * 100_000),
    "", " ", "\n\n", "\ufeff",
]  # fmt: skip
LABELLED = ["[1]", '"canary4711"', "canary4711", "null", "1", "prompt=canary4711", "[" * 100_000, "{canary4711", "NaN"]
BYTES = [b"\xff\xfe", b'{"prompt": "\xff"}', b"\xc3", "canary4711".encode("utf-16"), b"\x80canary4711", b"\xed\xa0\x80"]


def ids(text: object) -> str:
    return repr(text)[:60]


def test_the_table_is_long_enough() -> None:
    assert len({*WRONG, *LABELLED}) + len(BYTES) >= 80


@pytest.fixture
async def quiet(server: Live) -> AsyncIterator[Live]:
    """A server whose engine must not have been asked anything in the end."""
    yield server
    assert server.made == (0, 0)
    assert (await server.ask(prompt="still there?")).status_code == 200


def check(answer: Any) -> None:
    assert 400 <= answer.status_code < 500
    assert len(answer.content) < 2048
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()
    assert error.keys() == {"error"}
    assert error["error"].keys() <= {"code", "message", "param"}
    assert error["error"]["message"].endswith((".", "null"))
    for word in (CANARY, "999999", "Traceback", "pydantic", "/work/", "\\ud800", "\ud800"):
        assert word not in answer.text


async def test_every_wrong_body(quiet: Live) -> None:
    for label in ("application/json", "application/x-www-form-urlencoded"):
        for text in WRONG:
            answer = await quiet.client.post("/", content=text.encode(), headers={"Content-Type": label})
            try:
                check(answer)
            except AssertionError as error:
                raise AssertionError(f"{label}: {text[:200]!r}: {answer.status_code} {answer.text[:300]}") from error


@pytest.mark.parametrize("text", LABELLED, ids=ids)
async def test_labelled_json_that_is_none(quiet: Live, text: str) -> None:
    check(await quiet.client.post("/", content=text, headers={"Content-Type": "application/json"}))


@pytest.mark.parametrize("data", BYTES, ids=ids)
async def test_what_is_not_utf_8(quiet: Live, data: bytes) -> None:
    check(await quiet.client.post("/", content=data))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"prompt": "x",\n "seed": True}', ["line 2", "column 10", "True or None"]),
        ('{"prompt": "x"\n "seed": 1}', ["line 2", "column 2", "missing comma"]),
        ('{"prompt": "x",}', ["line 1", "comma after the last field"]),
        ('{"prompt": "x", "seed": NaN}', ["NaN is not a number"]),
        ('{"prompt": "x", "top_p": 3}', ["top_p: ", "less than or equal to 1"]),
        ('{"prompt": "x", "max_new_tokens": 0}', ["max_new_tokens: ", "greater than or equal to 1"]),
        ('{"prompt": "x", "history": [["a"]]}', ["history: ", "[user, assistant]"]),
        ('{"seed": 1}', ["prompt: ", "required"]),
        ('{"prompt": " "}', ["prompt: ", "blank"]),
        ("", ["empty"]),
    ],
)
async def test_the_sentence_helps(quiet: Live, text: str, words: list[str]) -> None:
    answer = await quiet.client.post("/", content=text)
    message = answer.json()["error"]["message"]
    assert [word for word in words if word not in message] == [], message


async def test_the_field_is_named(quiet: Live) -> None:
    answer = await quiet.ask(prompt="x", temperature=9)
    assert answer.json()["error"]["param"] == "temperature"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*NUMBERS, "prompt", "history"]), inner)
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps(value).encode()),
    ),
    st.sampled_from(["", "application/json", "application/x-www-form-urlencoded", "text/plain"]),
)
def test_any_bytes_are_a_request_or_a_bad_request(data: bytes, label: str) -> None:
    try:
        asked = parse(data, label)
    except BadRequest as error:
        assert 0 < len(str(error)) < 1000
    else:
        assert asked.question.text.strip()
