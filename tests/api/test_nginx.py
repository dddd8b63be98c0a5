"""Behind a real nginx, under a path, with the prefix kept and stripped: what clients of each protocol see there.

The configuration is the one that users are given; WebSockets are refused, unless a test says otherwise.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from openai import OpenAI
from websockets.sync.client import connect

from tests.nginx import PREFIX, nginx
from tests.server_process import API, Server, serving

SLOW = "--echo-delay=0.05"
"""Slow enough that an answer that is held back until its end would be seen."""


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("behind")
    with serving(folder, API, "--backend=echo", SLOW, f"--root-path={PREFIX}", "--trusted-proxy=127.0.0.1") as server:
        yield server


@pytest.fixture(scope="module", params=["kept", "stripped"])
def gateway(request: pytest.FixtureRequest, behind: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with nginx(tmp_path_factory.mktemp("nginx"), behind, strip=request.param == "stripped", websocket=False) as url:
        yield url


def test_health_and_limits(gateway: str) -> None:
    assert requests.get(f"{gateway}/readyz", timeout=60).json()["status"] == "ready"
    assert requests.get(f"{gateway}/v1/limits", timeout=60).json()["calls_per_minute"]["generate"] == 30


def test_native_whole(gateway: str) -> None:
    answer = requests.post(f"{gateway}/", json={"prompt": "Is anybody there?"}, timeout=60)
    assert answer.json()["response"] == "You said: Is anybody there?"
    assert requests.post(f"{gateway}/", data=b"Is anybody there?", timeout=60).text == "You said: Is anybody there?"


def test_native_streamed(gateway: str) -> None:
    body: dict[str, Any] = {"prompt": "one two three four five six seven eight", "use_stream_chat": True}
    with requests.post(f"{gateway}/", json=body, stream=True, timeout=60) as answer:
        assert answer.status_code == 200, answer.text
        pieces = list(answer.iter_content(None))
    texts = [json.loads(chunk)["response"] for chunk in b"".join(pieces).split(b"\0") if chunk]
    assert len(pieces) > 3, "held back until the end"
    assert texts[-1] == f"You said: {body['prompt']}"


def test_openai_streamed(gateway: str) -> None:
    with OpenAI(base_url=f"{gateway}/v1", api_key="none", max_retries=0) as client:
        model = client.models.list().data[0].id
        asked: Any = [{"role": "user", "content": "one two three four five six"}]
        with client.chat.completions.create(model=model, messages=asked, stream=True) as stream:
            texts = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert "".join(texts) == "You said: one two three four five six"
    assert len([text for text in texts if text]) > 3


def test_sse_is_passed_on_as_it_comes(gateway: str) -> None:
    with httpx.stream("GET", f"{gateway}/sse", params={"prompt": "one two three four five six"}, timeout=60) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert len(list(answer.iter_raw())) > 3


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("PUT", "/", 405), ("POST", "/", 400)])
def test_refusals_come_through(gateway: str, method: str, path: str, status: int) -> None:
    answer = requests.request(method, f"{gateway}{path}", timeout=60)
    assert answer.status_code == status and answer.json()["error"]["message"]


def test_nothing_is_answered_for_another_host(gateway: str) -> None:
    assert requests.get(f"{gateway}/healthz", headers={"Host": "evil.example"}, timeout=60).status_code == 400


def test_a_body_of_a_megabyte(gateway: str) -> None:
    answer = requests.post(f"{gateway}/", data=b"a" * (1024 * 1024 + 1), timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_each_client_behind_it_has_limits_of_its_own(gateway: str, request: pytest.FixtureRequest) -> None:
    """The server believes its gateway; a client on the gateway's own machine could say that it is anybody."""
    client = "2001:db8::1" if "kept" in request.node.name else "2001:db9::1"
    with requests.Session() as session:
        calls = (session.get(f"{gateway}/v1/limits", headers={"X-Forwarded-For": client}, timeout=60) for _ in range(3000))
        refused = next(answer for answer in calls if answer.status_code != 200)
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) >= 1
    assert requests.get(f"{gateway}/v1/limits", timeout=60).status_code == 200


def test_websockets_where_they_are_let_through(behind: Server, tmp_path: Path) -> None:
    with nginx(tmp_path, behind) as url, connect(url.replace("http", "ws", 1) + "/") as socket:
        socket.send(json.dumps({"prompt": "Is anybody there?"}))
        frames = []
        while (frame := socket.recv(60)) != "<EOS>":
            frames.append(frame)
    assert "".join(map(str, frames)) == "You said: Is anybody there?"
