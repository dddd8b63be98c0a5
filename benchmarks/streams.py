"""What a request and a token cost on each protocol, beside a bare Starlette stream of the same pieces.

    python -m benchmarks.streams                      1, 50 and 200 streams of 20 tokens a second on the echo engine
    python -m benchmarks.streams --core 1             the servers on one core of their own, the clients on the others

The figures are CPU time of the server process (of all its threads, from the scheduler), so that a busy machine does not
change them much; the gaps between tokens are wall time as the clients see it, and mean something on an idle machine only.
The cost of a token holds its share of the request and what the engine itself does for it, in both servers a sleep on the
event loop. "Added" is the time of an answer of one token, from the connection to the end, beyond that sleep: what the server
adds to a first token.
"""

import argparse
import asyncio
import base64
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from benchmarks.load import serving, wait_until_ready
from generation.echo_backend import tokens

PORT, BARE_PORT = 18610, 18611
DELAY = 0.05
"""Seconds a token: 20 a second, faster than people read."""
SHORT_REQUESTS = 300
FLAGS = (
    f"--echo-delay={DELAY}",
    "--backend=echo",
    *(
        f"--{limit}=512"
        for limit in ("max-concurrent", "max-runs-each", "max-waiting", "max-websockets", "max-websockets-each")
    ),
)


@dataclass(frozen=True)
class Wire:
    """One way to ask: `request(text)` gives the bytes to send, `opens` whether a WebSocket handshake goes before them."""

    name: str
    port: int
    request: Callable[[str], bytes]
    opens: bool = False


def post(path: str, body: dict[str, object], *headers: str) -> bytes:
    """Return a request as it goes over the wire."""
    data = json.dumps(body).encode()
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(data)}",
        *headers,
    )
    return "\r\n".join((*lines, "Content-Type: application/json", "Connection: close", "", "")).encode() + data


def frame(text: str) -> bytes:
    """Return a masked text frame (RFC 6455, 5.2) with the mask 0."""
    data = text.encode()
    size = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + len(data).to_bytes(2)
    return b"\x81" + size + b"\0\0\0\0" + data


def handshake() -> bytes:
    """Return a WebSocket handshake to `/`."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = ("GET / HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    return "\r\n".join((*lines, f"Sec-WebSocket-Key: {key}", "", "")).encode()


GREEDY = {"temperature": 0, "max_new_tokens": 2000}
CHAT = "/v1/chat/completions"
GENERATION = "/api/v1/services/aigc/text-generation/generation"
WIRES = (
    Wire("bare Starlette stream", BARE_PORT, lambda text: post("/", {"prompt": text})),
    Wire("native, \\0 stream", PORT, lambda text: post("/", {"prompt": text, "use_stream_chat": True} | GREEDY)),
    Wire("native, WebSocket", PORT, lambda text: frame(json.dumps({"prompt": text} | GREEDY)), opens=True),
    Wire(
        "OpenAI chat, SSE",
        PORT,
        lambda text: post(CHAT, {"model": "echo", "stream": True, "messages": [{"role": "user", "content": text}]}),
    ),
    Wire(
        "DashScope, SSE",
        PORT,
        lambda text: post(
            GENERATION,
            {"model": "echo", "input": {"prompt": text}, "parameters": {"incremental_output": True}},
            "X-DashScope-SSE: enable",
        ),
    ),
    Wire("EverAI, SSE", PORT, lambda text: post("/sse", {"prompt": text})),
)


def main() -> None:
    """Print a row for each protocol and number of streams."""
    line = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    line.add_argument("--streams", type=int, nargs="+", default=[1, 50, 200])
    line.add_argument("--tokens", type=int, default=200, help="tokens of an answer, about")
    line.add_argument("--core", type=int, help="the core that the servers run on")
    line.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    options = line.parse_args()
    if options.bare:
        return uvicorn.run(bare(), port=BARE_PORT, log_level="warning", http="h11")
    with serving(PORT, list(FLAGS)) as server, bare_server() as other:
        pids = {PORT: server.pid, BARE_PORT: other.pid}
        if options.core is not None:
            for pid in pids.values():
                os.sched_setaffinity(pid, {options.core})
            os.sched_setaffinity(0, set(range(os.cpu_count() or 1)) - {options.core})
        asyncio.run(table(pids, options.streams, options.tokens))
    return None


async def table(pids: dict[int, int], streams: list[int], wanted: int) -> None:
    """Measure and print."""
    text = f"[[count {wanted // 2}]]"
    made = len(tokens(" ".join(str(number) for number in range(1, wanted // 2 + 1))))
    print(
        f"{'protocol':24} {'CPU ms a request':>17} {'added ms':>9} {'streams':>8} {'CPU ms a token':>15} "
        f"{'gap p50 ms':>11} {'p99 ms':>8}"
    )
    for wire in WIRES:
        before, times = cpu_seconds(pids[wire.port]), []
        for _ in range(SHORT_REQUESTS):
            began = time.monotonic()
            await ask(wire, "[[count 1]]")
            times.append(time.monotonic() - began)
        request = (cpu_seconds(pids[wire.port]) - before) / SHORT_REQUESTS
        added = statistics.median(times) - DELAY
        for count in streams:
            await asyncio.gather(*(ask(wire, "[[count 1]]") for _ in range(count)))  # the first burst warms it up
            before = cpu_seconds(pids[wire.port])
            gaps = [gap for seen in await asyncio.gather(*(ask(wire, text) for _ in range(count))) for gap in seen]
            token = (cpu_seconds(pids[wire.port]) - before) / (count * made)
            p99 = statistics.quantiles(gaps, n=100)[98]
            print(
                f"{wire.name:24} {request * 1000:17.2f} {added * 1000:9.1f} {count:8} {token * 1000:15.3f} "
                f"{statistics.median(gaps) * 1000:11.1f} {p99 * 1000:8.1f}",
                flush=True,
            )


async def ask(wire: Wire, text: str) -> list[float]:
    """Ask once and read to the end; returns the seconds between arrivals of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    if wire.opens:
        writer.write(handshake())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
    writer.write(wire.request(text))
    arrivals, data = [], b""
    async with closing(writer):
        while chunk := await reader.read(65536):
            arrivals.append(time.monotonic())
            data = data[-64:] + chunk if arrivals[1:] else chunk
            if len(arrivals) == 1 and not wire.opens:
                assert data.startswith(b"HTTP/1.1 200"), data
            if wire.opens and b"<EOS>" in data:
                break
    return [later - sooner for sooner, later in pairwise(arrivals[1:])]


@asynccontextmanager
async def closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Close a connection when the block ends."""
    try:
        yield
    finally:
        writer.close()


def bare() -> Starlette:
    """Return an application that does nothing but to stream the pieces that the echo engine makes."""

    async def stream(request: Request) -> StreamingResponse:
        count = int("".join(filter(str.isdigit, (await request.json())["prompt"])))
        pieces = tokens(" ".join(str(number) for number in range(1, count + 1)))

        async def chunks() -> AsyncIterator[bytes]:
            for piece in pieces:
                await asyncio.sleep(DELAY)
                yield json.dumps({"text": piece}).encode() + b"\0"

        return StreamingResponse(chunks())

    async def ready(_: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/", stream, methods=["POST"]), Route("/readyz", ready)])


@contextmanager
def bare_server() -> Iterator["subprocess.Popen[bytes]"]:
    """Run `bare` as a process of its own."""
    server = subprocess.Popen([sys.executable, "-m", "benchmarks.streams", "--bare"])
    try:
        wait_until_ready(f"http://127.0.0.1:{BARE_PORT}/readyz", server)
        yield server
    finally:
        server.terminate()
        server.wait(60)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of all threads of a process (Linux, proc(5): schedstat, in nanoseconds)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


if __name__ == "__main__":
    main()
