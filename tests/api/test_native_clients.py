"""Clients that nobody here wrote, unmodified, against a server process: they say whether the old protocols are kept.

`websocket-client`, `requests`, `httpx`, `curl`, and LangChain's clients of the old service.
"""

import json
import struct
import subprocess
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import websocket

from tests.server_process import API, Server, serving

with warnings.catch_warnings():  # the package says at import that it is being given up
    warnings.simplefilter("ignore")
    from langchain_community.chat_models.pai_eas_endpoint import PaiEasChatEndpoint
    from langchain_community.llms.pai_eas_endpoint import PaiEasEndpoint
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

EOS = "<EOS>"
SECONDS = 60
QUESTION = "What is a port?"


@pytest.fixture(scope="module")
def slow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose answers take seconds."""
    with serving(tmp_path_factory.mktemp("slow"), API, "--backend=echo", "--echo-delay=0.02") as server:
        yield server


def address(server: Server) -> str:
    return server.url.replace("http", "ws") + "/"


@pytest.fixture
def socket(echo_server: Server) -> Iterator[websocket.WebSocket]:
    connection = websocket.create_connection(address(echo_server), timeout=SECONDS)
    yield connection
    connection.close()


def answer(connection: websocket.WebSocket) -> str:
    """Return the text of the frames before the end."""
    text = ""
    while (frame := connection.recv()) != EOS:
        text += str(frame)
    return text


# websocket-client


def test_single(socket: websocket.WebSocket) -> None:
    for message in ("hello", json.dumps({"prompt": "hello"}), json.dumps({"prompt": "hello", "history": [], "top_k": 0})):
        socket.send(message)
        assert answer(socket) == "You said: hello"


def test_five_pipelined_messages(echo_server: Server) -> None:
    """With callbacks, as the old service's articles have it; the first message holds only a system prompt."""
    messages = [{"system_prompt": "Answer briefly."}, *({"prompt": f"question {number}"} for number in range(4))]
    frames: list[str] = []

    def on_open(app: websocket.WebSocketApp) -> None:
        for message in messages:
            app.send(json.dumps(message))

    def on_message(app: websocket.WebSocketApp, frame: str) -> None:
        frames.append(frame)
        if frames.count(EOS) == len(messages):
            app.close()

    websocket.WebSocketApp(address(echo_server), on_open=on_open, on_message=on_message).run_forever()
    assert "".join(frames).split(EOS) == ["", *(f"You said: question {number}" for number in range(4)), ""]


def test_version_1_that_closes_right_after_the_request(slow_server: Server) -> None:
    frames: list[str] = []
    errors: list[Any] = []
    sockets: list[Any] = []

    def on_open(app: websocket.WebSocketApp) -> None:
        assert app.sock is not None
        sockets.append(app.sock.sock)
        app.send(
            json.dumps({"input_ids": "[[count 30]]", "temperature": 0.95, "top_p": 0.01, "max_length": 2048, "num_beams": 1})
        )
        app.send(struct.pack("!H", websocket.STATUS_NORMAL), websocket.ABNF.OPCODE_CLOSE)

    app = websocket.WebSocketApp(
        address(slow_server),
        on_open=on_open,
        on_message=lambda _, frame: frames.append(frame),
        on_error=lambda _, error: errors.append(error),
    )
    app.run_forever()
    sockets[0].close()  # it forgets to, when the other side closes
    numbers = " ".join(map(str, range(1, 31)))
    assert frames == [f"[[count 30]]<br/>{numbers}"]
    assert [str(error) for error in errors] == ["Connection closed normally (code 1000)"], "what it calls every end"


def test_a_ping_every_two_seconds(slow_server: Server) -> None:
    frames: list[str] = []
    pongs: list[bytes] = []
    errors: list[Any] = []

    def on_message(app: websocket.WebSocketApp, frame: str) -> None:
        frames.append(frame)
        if frame == EOS:
            app.close()

    app = websocket.WebSocketApp(
        address(slow_server),
        on_open=lambda app: app.send(json.dumps({"prompt": "[[count 300]]"})),  # six seconds and more
        on_message=on_message,
        on_pong=lambda _, data: pongs.append(data),
        on_error=lambda _, error: errors.append(error),
    )
    app.run_forever(ping_interval=2, ping_timeout=1)
    assert "".join(frames).endswith(" 300" + EOS)
    assert len(pongs) >= 2
    assert errors == []


def test_a_key_in_the_handshake(tmp_path: Path) -> None:
    with serving(tmp_path, API, "--backend=echo", "--api-key=sesame") as server:
        for header in ("Authorization: sesame", "Authorization: Bearer sesame"):
            connection = websocket.create_connection(address(server), header=[header], timeout=SECONDS)
            connection.send("hello")
            assert answer(connection) == "You said: hello"
            connection.close()
        with pytest.raises(websocket.WebSocketBadStatusException):
            websocket.create_connection(address(server), header=["Authorization: wrong"], timeout=SECONDS)


def test_many_threads(echo_server: Server) -> None:
    found: dict[int, str] = {}

    def ask(number: int) -> None:
        connection = websocket.create_connection(address(echo_server), timeout=SECONDS)
        connection.send(f"number {number}")
        found[number] = answer(connection)
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: f"You said: number {number}" for number in range(8)}


# requests, httpx, curl


def test_requests(echo_server: Server) -> None:
    url = echo_server.url + "/"
    assert requests.post(url, data="hello", timeout=SECONDS).text == "You said: hello"
    assert requests.post(url, json={"prompt": "hello"}, timeout=SECONDS).json()["response"] == "You said: hello"
    assert requests.post(url, data={"prompt": "hello", "top_k": 0}, timeout=SECONDS).json()["response"] == "You said: hello"
    with requests.post(url, json={"prompt": "hello", "use_stream_chat": True}, stream=True, timeout=SECONDS) as streamed:
        chunks = [json.loads(chunk) for chunk in streamed.iter_lines(chunk_size=8192, delimiter=b"\0") if chunk]
    assert chunks[-1]["response"] == "You said: hello"
    assert "usage" in chunks[-1]
    assert requests.post(url, json={"input_ids": "hello"}, timeout=SECONDS).text == "hello<br/>You said: hello"
    assert requests.get(url + "chat", {"prompt": "hello"}, timeout=SECONDS).text == "hello\nYou said: hello"
    assert requests.post(url + "chat", json={"prompt": "hello"}, timeout=SECONDS).text == "hello\nYou said: hello"


def test_httpx(echo_server: Server) -> None:
    with httpx.Client(base_url=echo_server.url, timeout=SECONDS) as client:
        assert client.post("/", json={"prompt": "hello"}).json()["response"] == "You said: hello"
        with client.stream("POST", "/", json={"prompt": "hello", "use_stream_chat": True}) as streamed:
            chunks = b"".join(streamed.iter_bytes()).split(b"\0")
        assert chunks.pop() == b""
        assert json.loads(chunks[-1])["response"] == "You said: hello"
        with client.stream("POST", "/sse", json={"prompt": "hello"}) as streamed:
            lines = list(streamed.iter_lines())
        assert "".join(line[6:] for line in lines if line.startswith("data: ")) == "helloYou said: hello"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-d", "hello", "/"], "You said: hello"),
        (["-d", '{"prompt": "hello"}', "/"], '"response":"You said: hello"'),
        (["-N", "-d", '{"prompt": "hello", "use_stream_chat": "True"}', "/"], '"finish_reason": "stop"}\0'),
        (["-d", '{"input_ids": "hello"}', "/"], "hello<br/>You said: hello"),
        (["--get", "--data-urlencode", "prompt=hello you", "/chat"], "hello you\nYou said: hello you"),
        (["-N", "-H", "Authorization: Bearer any", "-d", '{"prompt": "hello"}', "/sse"], "data: You"),
    ],
)
def test_curl(echo_server: Server, arguments: list[str], expected: str) -> None:
    line = ["curl", "--silent", "--show-error", "--fail", *arguments[:-1], echo_server.url + arguments[-1]]
    done = subprocess.run(line, capture_output=True, timeout=SECONDS, check=True)
    assert expected in done.stdout.decode()


# LangChain's clients of the old service


def plain(server: Server, version: str, **more: Any) -> PaiEasEndpoint:
    return PaiEasEndpoint(eas_service_url=server.url, eas_service_token="none", version=version, **more)


def chat(server: Server, **more: Any) -> PaiEasChatEndpoint:
    return PaiEasChatEndpoint(eas_service_url=server.url, eas_service_token="none", **more)


def test_langchain_version_2(echo_server: Server) -> None:
    client = plain(echo_server, "2.0")
    assert client.invoke("hello") == "You said: hello"
    assert client.invoke("[[count 9]]", stop=[" 4"]) == "1 2 3"
    assert plain(echo_server, "2.0", max_new_tokens=2).invoke("[[count 9]]") == "1 2"
    # Without `stop` this client breaks over its own None; each chunk is the whole text so far.
    *_, last = client.stream("hello", stop=["never"])
    assert last == "You said: hello"


def test_langchain_version_1(echo_server: Server) -> None:
    client = plain(echo_server, "1.0")
    assert client.invoke("hello") == "hello<br/>You said: hello"
    assert list(client.stream("hello")) == ["hello<br/>You said: hello"]


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_langchain_chat(echo_server: Server, version: str) -> None:
    """The chat client sends version 2 whatever its version says."""
    client = chat(echo_server, version=version)
    conversation = [SystemMessage("Be brief."), HumanMessage("one"), AIMessage("two"), HumanMessage("three")]
    assert client.invoke(conversation).content == "You said: three"
    assert client.invoke("[[count 9]]", stop=[" 4"]).content == "1 2 3"
    assert "".join(str(chunk.content) for chunk in client.stream("hello")) == "You said: hello"


def test_langchain_chat_streamed(echo_server: Server) -> None:
    """Its `_astream` yields nothing whatever comes (it never sets the text it tests); the request and the chunks are fine."""
    client = chat(echo_server)
    payload = client.format_request_payload([HumanMessage("hello")], **client._invocation_params(["never"]))
    streamed = client._call_eas_stream(payload | {"use_stream_chat": True})
    chunks = [chunk for chunk in streamed.iter_lines(chunk_size=8192, delimiter=b"\0") if chunk]
    assert client._convert_chunk_to_message_message(chunks[-1].decode()).content == "You said: hello"


# The built-in model


def test_every_way_gives_the_same_answer(starter_server: Server) -> None:
    """At temperature 0, whole or streamed, over HTTP or a WebSocket, in version 2 or 1, and by LangChain's clients."""
    fields: dict[str, Any] = {"temperature": 0, "max_new_tokens": 40, "repetition_penalty": 1.0}
    body: dict[str, Any] = {"prompt": QUESTION, **fields}
    whole = requests.post(starter_server.url, json=body, timeout=SECONDS).json()["response"]
    assert len(whole) > 10
    streamed = requests.post(starter_server.url, json={**body, "use_stream_chat": True}, timeout=SECONDS)
    assert json.loads(streamed.content.split(b"\0")[-2])["response"] == whole
    connection = websocket.create_connection(address(starter_server), timeout=SECONDS)
    connection.send(json.dumps(body))
    assert answer(connection) == whole
    connection.close()
    connection = websocket.create_connection(address(starter_server), timeout=SECONDS)
    connection.send(json.dumps({"input_ids": QUESTION, **fields}))
    first = connection.recv()
    connection.close()
    assert first == requests.post(starter_server.url, json={"input_ids": QUESTION, **fields}, timeout=SECONDS).text
    assert str(first).removeprefix(QUESTION + "<br/>").replace("<br/>", "\n") == whole.replace("<", "&lt;").replace(">", "&gt;")
    more: dict[str, Any] = {"temperature": 0, "max_new_tokens": 40}
    assert plain(starter_server, "2.0", **more).invoke(QUESTION) == whole
    assert plain(starter_server, "1.0", **more).invoke(QUESTION) == first
    assert chat(starter_server, **more).invoke(QUESTION).content == whole
    greedy: dict[str, Any] = {"prompt": QUESTION, "num_beams": 1, "max_length": 40}
    assert requests.post(starter_server.url + "/chat", json=greedy, timeout=SECONDS).text == f"{QUESTION}\n{whole}"


def test_beams(starter_server: Server) -> None:
    body: dict[str, Any] = {"input_ids": QUESTION, "num_beams": 3, "max_length": 20}
    searched = requests.post(starter_server.url, json=body, timeout=SECONDS)
    assert searched.status_code == 200
    assert searched.text.startswith(QUESTION + "<br/>")
    short: dict[str, Any] = {"prompt": QUESTION, "max_length": 20}
    everai = requests.get(starter_server.url + "/chat", short, timeout=SECONDS)
    assert everai.status_code == 200
    assert everai.text.startswith(QUESTION + "\n")
    streamed = requests.get(starter_server.url + "/sse", short, timeout=SECONDS)
    text = [line.removeprefix("data: ") for line in streamed.text.split("\n") if line.startswith("data: ")]
    assert text[0] == QUESTION
    assert "".join(text[1:]).replace("\n", "") == everai.text.removeprefix(QUESTION + "\n").replace("\n", "")
