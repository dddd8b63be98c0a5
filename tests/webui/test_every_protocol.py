"""Both programs answer for every route of every protocol. (That the API alone imports no Gradio: `tests/test_launch.py`.)"""

import re
from collections.abc import Iterator

import httpx
import pytest

from api.protocols import PROTOCOLS
from api.settings import ServerSettings
from assistant.assistant import Assistant
from generation.engine import Engine
from knowledge.library import Library
from tests.server_process import API, PATIENCE, Server, serving

WEBUI = "webui/webui_server.py"


@pytest.fixture(scope="module", params=[API, WEBUI])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("program"), request.param, "--backend=echo") as server:
        if request.param == WEBUI:
            server.until(lambda: "gradio" in server.get("/")[1])
        yield server


def routes() -> list[tuple[str, str, str]]:
    """Return protocol, method and path of every HTTP route in the table of protocols."""
    settings = ServerSettings(backend="echo")
    assistant = Assistant(Engine(settings), Library(settings), settings)
    return [
        (protocol.name, method, re.sub(r"\{[^}]*\}", "x", str(getattr(route, "path", "/"))))
        for protocol in PROTOCOLS
        for route in protocol.routes(assistant, settings).routes
        for method in sorted(getattr(route, "methods", None) or ())
        if method not in ("HEAD", "OPTIONS")
    ]


def call(client: httpx.Client, method: str, path: str) -> tuple[int, str, str]:
    """Return status, kind and text of an answer, the text only where it has an end."""
    with client.stream(method, path) as answer:
        ends = "content-length" in answer.headers
        return answer.status_code, answer.headers.get("content-type", ""), answer.read().decode() if ends else ""


def test_every_route_is_there(program: Server) -> None:
    """Each is called with nothing: what is refused, is refused by the protocol, and the page does not answer for it."""
    found = routes()
    assert {name for name, _, _ in found} == {protocol.name for protocol in PROTOCOLS}
    with httpx.Client(base_url=program.url, timeout=PATIENCE) as client:
        for name, method, path in found:
            status, kind, text = call(client, method, path)
            place = f"{name}: {method} {path}: {status} {kind} {text[:300]}"
            assert status not in (405, 500, 503), place
            assert "gradio" not in text and "<html" not in text, place
            assert "Not Found" not in text, place  # the framework's words: an object that is missing has the protocol's


def test_an_address_that_nobody_has(program: Server) -> None:
    """So that the test above can fail."""
    with httpx.Client(base_url=program.url, timeout=PATIENCE) as client:
        status, _, text = call(client, "GET", "/v1/nothing/x")
    assert status == 404 and "Not Found" in text
