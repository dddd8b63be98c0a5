"""Wrong requests of version 1, and wrong messages of the WebSocket in both: refused in the native shape, and nothing happens.

Threats S-51, S-70 and S-77.
"""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect

from api.errors import BadRequest
from api.native_request import parse
from api.native_v1_request import V1Body
from tests.api.live import Live, listening
from tests.api.test_malformed import BYTES, WRONG
from tests.api.wrong_requests import BEAMS, CANARY, LENGTH, NUMBERS, OTHERS, broken, literal, wrong_values

V1 = [*wrong_values("input_ids", NUMBERS | OTHERS | {"max_length": LENGTH, "num_beams": BEAMS}), *broken("input_ids")]
# An empty message, and what is too large for one, are looked at apart.
MESSAGES = [text for text in WRONG if len(text) < 200_000]
FEATURES = [literal("input_ids", "num_beams", "2"), literal("input_ids", "langchain", "true")]
"""Well formed, but not possible here: the engine cannot search, the base is empty."""


def test_the_tables_are_long_enough() -> None:
    assert len(set(V1)) >= 80
    assert len(set(MESSAGES)) >= 80


def check_text(text: str) -> None:
    assert len(text.encode()) < 2048
    error = json.loads(text)
    assert error.keys() == {"error"}
    assert error["error"].keys() <= {"code", "message", "param"}
    for word in (CANARY, "999999", "Traceback", "pydantic", "/work/", "\\ud800", "\ud800"):
        assert word not in text


def check(answer: Any) -> None:
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/json"
    check_text(answer.text)


@pytest.mark.parametrize("label", ["application/json", "application/x-www-form-urlencoded", ""])
async def test_every_wrong_body_of_version_1(server: Live, label: str) -> None:
    for text in V1 + FEATURES:
        answer = await server.client.post("/", content=text.encode(), headers={"Content-Type": label})
        try:
            check(answer)
        except AssertionError as error:
            raise AssertionError(f"{text[:200]!r}: {answer.status_code} {answer.text[:300]}") from error
    assert server.made == (0, 0)
    assert (await server.client.post("/", json={"input_ids": "still there?"})).status_code == 200


async def exchange(socket: ClientConnection, message: str | bytes, end: bool) -> str:
    """Return the one frame that answers a wrong message."""
    await socket.send(message)
    frame = await socket.recv()
    assert isinstance(frame, str)
    if end:
        assert await socket.recv() == "<EOS>"
    return frame


async def test_every_wrong_message_of_version_2(server: Live) -> None:
    async with listening(server.app) as port, connect(f"ws://127.0.0.1:{port}/") as socket:
        messages: list[str | bytes] = [*MESSAGES, *BYTES]
        for message in messages:
            if not isinstance(message, str) or "system_prompt" not in message or '"prompt"' in message:
                check_text(await exchange(socket, message, True))
        assert server.made == (0, 0)
        await socket.send("still there?")
        assert await socket.recv() != "<EOS>"


async def test_every_wrong_message_of_version_1(server: Live) -> None:
    async with listening(server.app) as port, connect(f"ws://127.0.0.1:{port}/") as socket:
        check_text(await exchange(socket, literal("input_ids", "seed", "-1"), False))
        messages: list[str | bytes] = [*V1, *FEATURES, *BYTES, CANARY]
        messages += ['{"prompt": "canary4711"}', '{"system_prompt": "canary4711"}']
        for message in messages:
            if len(message) < 200_000:
                check_text(await exchange(socket, message, False))
        assert server.made == (0, 0)
        await socket.send('{"input_ids": "still there?"}')
        assert await socket.recv() == "still there?<br/>You said: still there?"


async def test_what_is_wrong_in_a_message_that_only_sets(server: Live) -> None:
    async with listening(server.app) as port, connect(f"ws://127.0.0.1:{port}/") as socket:
        for text in ("1", "null", "[]", f'["{CANARY}"]', '"\\ud800"', '"a", "system_prompt": "b"', '"a", "temperature": 9'):
            check_text(await exchange(socket, f'{{"system_prompt": {text}}}', True))
        for text in ("1", "null", "{}", f'["{CANARY}"]', f'[["{CANARY}"]]', '[["a", "b", "c"]]', "[[1, 2]]", f'"{CANARY}"'):
            check_text(await exchange(socket, f'{{"history": {text}}}', True))
        assert server.made == (0, 0)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.fixed_dictionaries(
        {"input_ids": st.text(max_size=20) | st.integers()},
        optional={
            name: st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3))
            for name in V1Body.model_fields
            if name != "input_ids"
        },
    )
)
def test_any_fields_are_a_request_or_a_bad_request(fields: dict[str, Any]) -> None:
    try:
        asked = parse(json.dumps(fields).encode(), "application/json")
    except BadRequest as error:
        assert 0 < len(str(error)) < 1000
    else:
        sampling = asked.question.sampling
        assert isinstance(asked.body, V1Body)
        assert 0 <= sampling.temperature <= 2 and 0 < sampling.top_p <= 1 and 1 <= sampling.num_beams <= 8
        assert sampling.max_tokens is not None and sampling.max_tokens >= 1
