"""The WebSocket of the native protocol, version 2 and 1, over a real connection with a foreign client (websockets)."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.api.live import Live, Make, listening
from tests.assistant.conftest import until

LONG = "[[count 100000]]"
EOS = "<EOS>"


@asynccontextmanager
async def connected(server: Live, query: str = "", **more: Any) -> AsyncIterator[ClientConnection]:
    async with listening(server.app, **more) as port, connect(f"ws://127.0.0.1:{port}/{query}", max_size=None) as socket:
        yield socket


async def answer(socket: ClientConnection) -> list[str]:
    """Return the frames until the end of an answer."""
    frames: list[str] = []
    while (frame := await asyncio.wait_for(socket.recv(), 60)) != EOS:
        assert isinstance(frame, str)
        frames.append(frame)
    return frames


async def say(socket: ClientConnection, **fields: Any) -> None:
    await socket.send(json.dumps(fields))


async def ask(socket: ClientConnection, **fields: Any) -> str:
    await say(socket, **fields)
    return "".join(await answer(socket))


def code(frames: list[str]) -> str:
    error = json.loads(frames[-1])
    assert error.keys() == {"error"}
    return str(error["error"]["code"])


async def test_the_frames_joined_are_the_answer(make: Make) -> None:
    server = await make(echo_delay=0.002)
    async with connected(server) as socket:
        await say(socket, prompt="[[count 9]]")
        frames = await answer(socket)
        assert "".join(frames) == "1 2 3 4 5 6 7 8 9"
        assert len(frames) > 2


async def test_the_first_frame_comes_before_the_end(make: Make) -> None:
    server = await make(echo_delay=0.01)
    async with connected(server) as socket:
        await say(socket, prompt=LONG, max_new_tokens=4000)
        assert await socket.recv() == "1"
        assert server.echo.active_generations == 1


@pytest.mark.parametrize(
    "message", ["a bare question", b'{"prompt": "a bare question"}', '\ufeff {"prompt": "a bare question"}']
)
async def test_ways_to_ask(server: Live, message: str | bytes) -> None:
    async with connected(server) as socket:
        await socket.send(message)
        assert "".join(await answer(socket)) == "You said: a bare question"


async def test_five_at_once_are_answered_in_order(make: Make) -> None:
    server = await make(echo_delay=0.002)
    async with connected(server) as socket:
        await say(socket, system_prompt="Be brief.")
        for number in range(4):
            await say(socket, prompt=f"number {number}")
        assert await answer(socket) == []
        for number in range(4):
            assert "".join(await answer(socket)) == f"You said: number {number}"


async def test_no_more_than_four_wait(make: Make) -> None:
    server = await make(echo_delay=0.01)
    async with connected(server) as socket:
        await say(socket, prompt="[[count 20]]")
        await until(lambda: server.echo.active_generations == 1)
        for number in range(6):
            await say(socket, prompt=f"number {number}")
        assert "".join(await answer(socket)).endswith("20")
        for number in range(4):
            assert "".join(await answer(socket)) == f"You said: number {number}"
        for _ in range(2):
            assert code(await answer(socket)) == "queue_full"
        assert await ask(socket, prompt="again") == "You said: again"


async def test_who_sends_without_end_is_closed(make: Make) -> None:
    server = await make(echo_delay=0.01)
    async with connected(server) as socket:
        await say(socket, prompt=LONG, max_new_tokens=4000)
        with pytest.raises(ConnectionClosed):
            for _ in range(1000):
                await socket.send("more")
                await asyncio.sleep(0)
            await asyncio.wait_for(socket.wait_closed(), 30)
            await socket.send("closed?")
        assert socket.close_code == 1008
        await until(lambda: server.runs.active == 0)


async def test_the_conversation_stays_with_the_connection(server: Live) -> None:
    async with connected(server, "?format=json") as socket:

        async def whole(**fields: Any) -> Any:
            await say(socket, **fields)
            return json.loads((await answer(socket))[-1])

        first = await whole(prompt="one")
        assert first["history"] == [["one", "You said: one"]]
        second = await whole(prompt="two", system_prompt="Be brief.")
        assert second["history"] == [["one", "You said: one"], ["two", "You said: two"]]
        plain = await server.client.post("/", json={"prompt": "two", "system_prompt": "Be brief.", "history": first["history"]})
        assert second == plain.json(), "the same as with history and system prompt given"
        third = await whole(prompt="three")
        assert third["usage"]["prompt_tokens"] > second["usage"]["prompt_tokens"]
        fresh = await whole(prompt="four", history=[], system_prompt="")
        assert fresh["history"] == [["four", "You said: four"]]
        assert fresh["usage"]["prompt_tokens"] == first["usage"]["prompt_tokens"]
        await say(socket, history=[["a", "b"]])
        assert await answer(socket) == []
        assert (await whole(prompt="five"))["history"] == [["a", "b"], ["five", "You said: five"]]
        raw = await whole(prompt="six", no_template=True)
        assert raw["history"] == [["six", "You said: six"]], "a raw prompt has no conversation"
        assert len((await whole(prompt="seven"))["history"]) == 3


async def test_json_frames_are_cumulative(make: Make) -> None:
    server = await make(echo_delay=0.002)
    async with connected(server, "?format=json") as socket:
        await say(socket, prompt="[[count 5]]")
        frames = [json.loads(frame) for frame in await answer(socket)]
        assert all(after["response"].startswith(before["response"]) for before, after in itertools.pairwise(frames))
        assert frames[-1]["response"] == "1 2 3 4 5"
        assert frames[-1]["finish_reason"] == "stop"
        assert [frame["history"] for frame in frames] == [[["[[count 5]]", frame["response"]]] for frame in frames]


@pytest.mark.parametrize("no", [False, "False"])
async def test_one_frame(make: Make, no: Any) -> None:
    server = await make(echo_delay=0.002)
    async with connected(server) as socket:
        await say(socket, prompt="[[count 5]]", use_stream_chat=no)
        assert await answer(socket) == ["1 2 3 4 5"]
    async with connected(server, "?format=json") as socket:
        await say(socket, prompt="[[count 5]]", use_stream_chat=no)
        (frame,) = await answer(socket)
        assert json.loads(frame)["response"] == "1 2 3 4 5"


async def test_the_end_is_never_a_part_of_the_answer(server: Live) -> None:
    async with connected(server) as socket:
        for prompt in ("say <EOS> now", "<EOS>"):
            assert await ask(socket, prompt=prompt) == f"You said: {prompt}"


async def test_an_error_and_on(server: Live) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"prompt": ""}, "bad_request"),
        ({"prompt": "x", "temperature": 9}, "bad_request"),
        ({"prompt": "x", "langchain": True}, "empty_knowledge_base"),
        ({"prompt": "x", "langchain": True, "knowledge_base": "nowhere"}, "unknown_knowledge_base"),
        ({"prompt": "word " * 5000}, "context_length_exceeded"),
        ({"input_ids": "x"}, "bad_request"),
        ({}, "bad_request"),
    ]
    async with connected(server) as socket:
        for fields, expected in wrong:
            await say(socket, **fields)
            frames = await answer(socket)
            assert len(frames) == 1
            assert code(frames) == expected
        assert server.made == (0, 0)
        assert await ask(socket, prompt="hi") == "You said: hi"


async def test_an_error_in_the_middle(make: Make) -> None:
    server = await make(echo_delay=0.01, request_timeout=1)
    async with connected(server) as socket:
        await say(socket, prompt=LONG, max_new_tokens=4000)
        frames = await answer(socket)
        assert frames[0] == "1"
        assert code(frames) == "timeout"
        assert await ask(socket, prompt="hi") == "You said: hi"
    assert server.echo.active_generations == 0


async def test_an_answer_from_documents(server: Live) -> None:
    server.fill()
    async with connected(server, "?format=json") as socket:
        await say(socket, prompt="What does the blue whale weigh?", langchain=True)
        last = json.loads((await answer(socket))[-1])
    assert last["response"] == "According to [1], The blue whale weighs 150 tons."
    assert last["sources"][0]["file"] == "animals.txt"


async def test_pings_are_answered_while_generating(make: Make) -> None:
    server = await make(echo_delay=0.01)
    async with connected(server) as socket:
        await say(socket, prompt=LONG, max_new_tokens=4000)
        await until(lambda: server.echo.active_generations == 1)
        for _ in range(3):
            await asyncio.wait_for(await socket.ping(), 1)
        assert server.echo.active_generations == 1


@pytest.mark.parametrize("how", ["close", "abort"])
@pytest.mark.parametrize("when", ["running", "in line", "on the connection"])
async def test_who_leaves_stops_the_model(make: Make, how: str, when: str) -> None:
    server = await make(max_concurrent=1, echo_delay=0.01)
    before = [asyncio.create_task(server.ask(prompt=LONG, max_new_tokens=4000))] if when == "in line" else []
    async with connected(server) as socket:
        await until(lambda: server.runs.active == len(before))
        await say(socket, prompt=LONG, max_new_tokens=4000)
        await until(lambda: server.runs.active == len(before) + 1)
        if when == "on the connection":
            await say(socket, prompt="never asked")
        if how == "abort":
            socket.transport.abort()
        else:
            await socket.close()
        await until(lambda: (server.runs.active, server.runs.waiting) == (len(before), 0))
        cancelled = (await server.client.get("/metrics")).text
        place = "waiting" if before else "running"
        assert f'chat_cancellations_total{{when="{place}"}} 1.0' in cancelled
    for task in before:
        task.cancel()
        await asyncio.wait([task])
    await until(lambda: server.echo.active_generations == 0)


async def test_a_slow_reader_does_not_hold_the_engine(make: Make) -> None:
    """The cumulative text of every token would be 40 MB; what is not read is not written."""
    server = await make()
    async with (
        listening(server.app) as port,
        connect(f"ws://127.0.0.1:{port}/?format=json", max_size=None, max_queue=1) as socket,
    ):
        await say(socket, prompt=LONG, max_new_tokens=4000)
        await until(lambda: server.echo.generated_tokens_total == 4000 and server.runs.active == 0, 60)
        frames = await answer(socket)
        assert sum(map(len, frames)) < 20_000_000
        assert json.loads(frames[-1])["finish_reason"] == "length"


async def test_a_reader_that_stands_still_is_given_up(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers no ping, and what is still to be sent does not hold its connection."""
    monkeypatch.setattr("api.websocket_protocol.PING_SECONDS", 0.2)
    monkeypatch.setattr("api.websocket_protocol.PatientWebSocket.flush_seconds", 0.1)
    server = await make(max_websockets=1, echo_delay=0.0001)
    async with listening(server.app) as port:
        url = f"ws://127.0.0.1:{port}/?format=json"
        async with connect(url, max_queue=1, ping_interval=None) as still:
            for _ in range(5):
                await say(still, prompt=LONG, max_new_tokens=4000)
            still.transport.pause_reading()
            async with asyncio.timeout(60):
                while True:
                    try:
                        async with connect(url) as other:
                            await say(other, prompt="hi", use_stream_chat=False)
                            assert json.loads((await answer(other))[0])["response"] == "You said: hi"
                        break
                    except InvalidStatus as refused:
                        assert refused.response.status_code == 503
                        await asyncio.sleep(0.05)
            still.transport.abort()
    await until(lambda: server.runs.active == 0)


async def test_a_message_that_is_too_large(server: Live) -> None:
    async with connected(server, max_message=1) as socket:
        await socket.send("a" * 1000)
        assert "".join(await answer(socket)).startswith("You said: aaa")
        await socket.send("a" * 1025)
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1009
    assert server.echo.active_generations == 0


async def test_an_idle_connection_is_closed(make: Make) -> None:
    server = await make(websocket_idle=0.05)
    async with connected(server) as socket:
        await asyncio.wait_for(socket.wait_closed(), 30)
        assert (socket.close_code, socket.close_reason) == (1000, "idle")


async def test_an_answer_is_not_idle(make: Make) -> None:
    server = await make(websocket_idle=0.05, echo_delay=0.01)
    async with connected(server) as socket:
        assert (await ask(socket, prompt="[[count 30]]")).endswith("30")


@pytest.mark.parametrize(("values", "status"), [({"max_websockets": 2}, 503), ({"max_websockets_each": 2}, 429)])
async def test_the_number_of_connections(make: Make, values: dict[str, int], status: int) -> None:
    server = await make(**values)
    async with listening(server.app) as port:
        url = f"ws://127.0.0.1:{port}/"
        async with connect(url) as one:
            async with connect(url):
                with pytest.raises(InvalidStatus) as refused:
                    await connect(url)
                assert refused.value.response.status_code == status
                assert json.loads(refused.value.response.body)["error"]["code"] == "too_many_connections"
                assert "retry-after" in refused.value.response.headers
                assert await ask(one, prompt="hi") == "You said: hi"
            async with asyncio.timeout(20):
                while True:
                    try:
                        async with connect(url) as again:
                            assert await ask(again, prompt="hi") == "You said: hi"
                        break
                    except InvalidStatus:
                        await asyncio.sleep(0.01)


async def test_nothing_is_compressed(server: Live) -> None:
    async with connected(server) as socket:
        assert socket.protocol.extensions == []


class TestVersion1:
    async def test_one_frame_and_no_end(self, server: Live) -> None:
        async with connected(server) as socket:
            for prompt in ("one", "two <b>"):
                await say(socket, input_ids=prompt)
                shown = prompt.replace("<", "&lt;").replace(">", "&gt;")
                assert await socket.recv() == f"{shown}<br/>You said: {shown}"
            await say(socket, input_ids="x", temperature=9)
            assert code([str(await socket.recv())]) == "bad_request"
            await say(socket, prompt="x")
            assert "version 1" in json.loads(await socket.recv())["error"]["message"]
            await say(socket, input_ids="still there")
            assert await socket.recv() == "still there<br/>You said: still there"

    async def closing(self, port: int, *messages: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a connection that has sent its messages and Close in one packet."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        frames = [b"\x81" + bytes([0x80 | len(text)]) + bytes(4) + text.encode() for text in messages]
        writer.write(b"".join(frames) + b"\x88\x82" + bytes(4) + b"\x03\xe8")
        return reader, writer

    @pytest.mark.parametrize("delay", [0.0, 0.02])
    async def test_the_client_that_closes_at_once_gets_its_answer(self, make: Make, delay: float) -> None:
        server = await make(echo_delay=delay)
        async with listening(server.app) as port:
            reader, writer = await self.closing(port, '{"input_ids": "[[count 9]]"}', '{"input_ids": "two"}')
            rest = await asyncio.wait_for(reader.read(), 30)
            writer.close()
            await writer.wait_closed()
        first, second = b"[[count 9]]<br/>1 2 3 4 5 6 7 8 9", b"two<br/>You said: two"
        assert rest == b"\x81%c%s\x81%c%s\x88\x02\x03\xe8" % (len(first), first, len(second), second)

    async def test_what_is_wrong_is_told_as_well(self, server: Live) -> None:
        async with listening(server.app) as port:
            reader, writer = await self.closing(port, '{"input_ids": 1}')
            rest = await asyncio.wait_for(reader.read(), 30)
            writer.close()
            await writer.wait_closed()
        assert b'"param": "input_ids"' in rest
        assert rest.endswith(b"\x88\x02\x03\xe8")
        assert b"EOS" not in rest

    async def test_patience_ends(self, make: Make) -> None:
        server = await make(echo_delay=0.01)
        async with listening(server.app, patience=0.3) as port:
            reader, writer = await self.closing(port, f'{{"input_ids": "{LONG}"}}')
            assert await asyncio.wait_for(reader.read(), 30) == b"\x88\x02\x03\xe8"
            writer.close()
            await writer.wait_closed()
        await until(lambda: server.runs.active == 0)

    async def test_who_is_lost_while_we_wait_stops_the_model(self, make: Make) -> None:
        server = await make(echo_delay=0.01)
        async with listening(server.app) as port:
            _, writer = await self.closing(port, f'{{"input_ids": "{LONG}"}}')
            await until(lambda: server.echo.active_generations == 1)
            writer.transport.abort()
            await until(lambda: server.runs.active == 0 and server.echo.active_generations == 0)

    async def test_who_closes_and_asked_nothing(self, server: Live) -> None:
        async with listening(server.app) as port:
            reader, writer = await self.closing(port)
            assert await asyncio.wait_for(reader.read(), 30) == b"\x88\x02\x03\xe8"
            writer.close()
            await writer.wait_closed()
