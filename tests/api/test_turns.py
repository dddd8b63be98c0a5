"""Turns over HTTP: who asks is told apart by key or address, one person cannot fill the line, and refusals come at once."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.requests import Request

from api.errors import fault
from api.principal import principal
from assistant.errors import TooManyRuns
from tests.api.live import Live, Make, listening
from tests.assistant.conftest import ask as question
from tests.assistant.conftest import until

KEYS = ("key-of-one", "key-of-two")


def request(authorization: str | None = None, address: str = "10.0.0.1") -> Request:
    headers = [] if authorization is None else [(b"authorization", authorization.encode())]
    return Request({"type": "http", "headers": headers, "client": (address, 5)})


def test_with_keys_the_key_asks() -> None:
    one = principal(request("Bearer key-of-one"), True)
    assert one.startswith("key:") and "one" not in one
    assert one == principal(request("key-of-one", "10.0.0.2"), True)
    assert one != principal(request("key-of-two"), True)
    assert principal(request(), True) == "address:10.0.0.1"


def test_without_keys_a_header_makes_nobody_else() -> None:
    assert principal(request("anything"), False) == principal(request(), False) == "address:10.0.0.1"
    assert principal(request(address="10.0.0.2"), False) == "address:10.0.0.2"


@pytest.mark.parametrize(("known", "sent"), [(None, 5), (0.01, 1), (7.2, 8), (10_000, 120)])
def test_when_to_try_again(known: float | None, sent: int) -> None:
    assert fault(TooManyRuns("full", known)).retry_after == sent


async def ask(server: Live, key: str, prompt: str) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {key}"}
    answer = await server.client.post("/", json={"prompt": prompt, "max_new_tokens": 4000}, headers=headers)
    return answer.status_code, answer.json().get("response", "")


@asynccontextmanager
async def going(*asking: Coroutine[Any, Any, Any]) -> AsyncIterator[None]:
    """Let long answers go on while inside."""
    tasks = [asyncio.create_task(one) for one in asking]
    yield
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


async def test_a_short_newcomer_is_not_starved_by_someones_ten(make: Make) -> None:
    server = await make(api_key=KEYS, max_concurrent=1, echo_delay=0.001)
    ten = [asyncio.create_task(ask(server, KEYS[0], "[[count 100]]")) for _ in range(10)]
    await until(lambda: server.runs.waiting == 9)
    assert await ask(server, KEYS[1], "hello") == (200, "You said: hello")
    assert sum(task.done() for task in ten) <= 2, "the one that ran, and no other of the ten before the newcomer"
    assert {status for status, _ in await asyncio.gather(*ten)} == {200}


async def test_one_person_has_a_bound_of_their_own(make: Make) -> None:
    server = await make(api_key=KEYS, max_concurrent=3, echo_delay=0.01, max_runs_each=2)
    async with going(*(ask(server, KEYS[0], "[[count 4000]]") for _ in range(2))):
        await until(lambda: server.runs.active == 2)
        refused = await server.client.post("/", json={"prompt": "third"}, headers={"Authorization": KEYS[0]})
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_of_yours")
        assert int(refused.headers["retry-after"]) >= 1
        assert (await ask(server, KEYS[1], "hello"))[0] == 200


async def test_a_turn_that_does_not_come_in_time(make: Make) -> None:
    server = await make(max_concurrent=1, echo_delay=0.01, max_wait_seconds=0.05)
    async with going(server.ask(prompt="[[count 4000]]", max_new_tokens=4000)):
        await until(lambda: server.echo.active_generations == 1)
        late = await server.ask(prompt="late")
        assert (late.status_code, late.json()["error"]["code"]) == (503, "waited_too_long")
        assert "retry-after" in late.headers
        assert server.echo.active_generations == 1, "the one that runs goes on"
    assert "waited_too_long" in (await server.client.get("/metrics")).text


async def test_retrieval_answers_while_the_line_is_full(make: Make) -> None:
    server = await make(max_concurrent=1, echo_delay=0.01, max_waiting=0)
    server.fill()
    async with going(server.ask(prompt="[[count 4000]]", max_new_tokens=4000)):
        await until(lambda: server.echo.active_generations == 1)
        assert (await server.ask(prompt="hello")).status_code == 450
        assert "fox" in (await server.ask(prompt="red fox", mode="retrieval")).json()["response"]


async def test_the_time_in_line_is_not_the_answers(make: Make) -> None:
    """The limit of one answer counts from its turn, or the last in line would always be too late."""
    server = await make(max_concurrent=1, echo_delay=0.01, request_timeout=1)
    before = await server.app.assistant.ask(question("[[count 100000]]"))
    asking = asyncio.create_task(server.ask(prompt="hello"))
    await until(lambda: server.runs.waiting == 1)
    await asyncio.sleep(1.1)
    assert not asking.done()
    before.cancel()
    assert (await asking).json()["response"] == "You said: hello"


async def counted(server: Live, name: str) -> float:
    text = (await server.client.get("/metrics")).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " "))


@pytest.mark.parametrize("queued", [False, True], ids=["running", "queued"])
async def test_who_leaves_is_counted_out(make: Make, queued: bool) -> None:
    server = await make(max_concurrent=1, echo_delay=0.01)
    before = [server.ask(prompt="[[count 4000]]", max_new_tokens=4000)] if queued else []
    async with listening(server.app) as port, going(*before):
        await until(lambda: server.runs.active == int(queued))
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        body = b'{"prompt": "[[count 4000]]", "max_new_tokens": 4000}'
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await until(lambda: (server.runs.active, server.runs.waiting) == (1 + queued, int(queued)))
        writer.close()
        await falls(server, "chat_runs_active", int(queued))
        assert await counted(server, "chat_queue_depth") == 0
        assert await counted(server, "chat_generations_active") == int(queued)
        when = "waiting" if queued else "running"
        assert await counted(server, f'chat_cancellations_total{{when="{when}"}}') == 1
    await falls(server, "chat_generations_active", 0)


async def falls(server: Live, name: str, value: float) -> None:
    """Return when the counter is at `value`."""
    async with asyncio.timeout(20):
        while await counted(server, name) != value:
            await asyncio.sleep(0.01)
