"""What a 200-page PDF costs those who use the server while it is taken in: health checks and first tokens, beside idle.

    python -m benchmarks.beside                    the echo engine
    python -m benchmarks.beside --model starter    the built-in model

A server of this checkout is started. Idle rounds and rounds in which a PDF is taken in, through the API, take turns, so
that other work on the machine falls on both alike. In every round `/healthz` is asked ten times a second, and short
chats one after the other: from the model alone, and from a knowledge base, for which the question is embedded while the
documents are. "Lag" is how late this process itself was woken: what the machine's load alone adds to every other figure.
The text of the PDF is sentences of this repository's own documents, in another order each time.
"""

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import textwrap
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from benchmarks.load import ROOT, metrics, serving
from tests.knowledge.make_files import pdf

PAGES, LINES, WIDTH = 200, 48, 90
NOTE = "notes.md"
QUESTION = "How is the key of an administrator given to the server?"
POLL, PAUSE = 0.1, 0.3
"""Seconds between two health checks, and between two chats."""

STATES = ("idle", "indexing")


@dataclass
class Seen:
    """Seconds by what was asked: "healthz", "direct", "knowledge", "search", "lag"."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wall: float = 0.0
    cpu: float = 0.0


def main() -> None:
    """Measure and print."""
    line = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    line.add_argument("--model", default="echo", help="echo, or a --model-path of the server")
    line.add_argument("--rounds", type=int, default=3)
    line.add_argument("--pages", type=int, default=PAGES)
    line.add_argument("--tokens", type=int, default=16, help="longest answer")
    line.add_argument("--port", type=int, default=18640)
    line.add_argument("server", nargs="*", help="further flags of the server, after --")
    options = line.parse_args()
    engine = ["--backend=echo", "--echo-delay=0.02"] if options.model == "echo" else [f"--model-path={options.model}"]
    flags = [*engine, "--min-evidence=0", "--max-parts=0", *options.server]
    with serving(options.port, flags) as server:
        url = f"http://127.0.0.1:{options.port}"
        asyncio.run(measure(url, server.pid, options.rounds, options.pages, options.tokens))


async def measure(url: str, server: int, rounds: int, pages: int, tokens: int) -> None:
    """Take turns, and print a row for each thing that was asked."""
    seen = {state: Seen() for state in STATES}
    limits = httpx.Limits(max_keepalive_connections=8)
    async with httpx.AsyncClient(base_url=url, timeout=600, limits=limits) as client:
        await take_in(client, NOTE, " ".join(sentences()[:200]).encode())
        name = (await client.get("/v1/models")).json()["data"][0]["id"]
        for _ in range(3):
            await first_token(client, name, tokens)
            await first_token(client, f"{name}@default", tokens)
        for number in range(rounds):
            file = document(number, pages)
            began, load = time.monotonic(), os.getloadavg()[0]
            stages = await beside(url, client, seen["indexing"], name, tokens, take_in(client, f"big {number}.pdf", file))
            length = time.monotonic() - began
            print(f"round {number}: {length:.1f} s, {len(file) / 2**20:.1f} MiB, load {load:.1f}, {stages}", flush=True)
            await beside(url, client, seen["idle"], name, tokens, asyncio.sleep(length))
    report(seen)


async def beside(
    url: str, client: httpx.AsyncClient, seen: Seen, name: str, tokens: int, work: Coroutine[Any, Any, Any]
) -> Any:
    """Do some work, and ask for everything meanwhile; returns what the work returns."""
    before, began = await metrics(url), time.monotonic()
    async with asking(client, seen, name, tokens):
        done = await work
    seen.wall += time.monotonic() - began
    seen.cpu += (await metrics(url))["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]
    return done


@asynccontextmanager
async def asking(client: httpx.AsyncClient, seen: Seen, name: str, tokens: int) -> AsyncIterator[None]:
    """Ask all the time, until the end; what has begun then is waited for."""
    ended = asyncio.Event()
    tasks = [
        asyncio.create_task(poll(client, seen, ended)),
        asyncio.create_task(chat(client, seen, name, tokens, ended)),
        asyncio.create_task(own_lag(seen, ended)),
    ]
    try:
        yield
    finally:
        ended.set()
        await asyncio.gather(*tasks)


async def poll(client: httpx.AsyncClient, seen: Seen, ended: asyncio.Event) -> None:
    """Ask for the server's health at a steady pace, a late answer holding up none that follows."""

    async def once() -> None:
        began = time.monotonic()
        (await client.get("/healthz")).raise_for_status()
        seen.seconds["healthz"].append(time.monotonic() - began)

    asked = []
    while not ended.is_set():
        asked.append(asyncio.create_task(once()))
        await asyncio.sleep(POLL)
    await asyncio.gather(*asked)


async def own_lag(seen: Seen, ended: asyncio.Event) -> None:
    """Note how late this process wakes."""
    while not ended.is_set():
        began = time.monotonic()
        await asyncio.sleep(0.02)
        seen.seconds["lag"].append(time.monotonic() - began - 0.02)


async def chat(client: httpx.AsyncClient, seen: Seen, name: str, tokens: int, ended: asyncio.Event) -> None:
    """Chat with the model and with the documents by turns, and search."""
    while not ended.is_set():
        seen.seconds["direct"].append(await first_token(client, name, tokens))
        await asyncio.sleep(PAUSE)
        seen.seconds["knowledge"].append(await first_token(client, f"{name}@default", tokens))
        await asyncio.sleep(PAUSE)
        began = time.monotonic()
        (await client.post("/v1/vector_stores/default/search", json={"query": QUESTION})).raise_for_status()
        seen.seconds["search"].append(time.monotonic() - began)
        await asyncio.sleep(PAUSE)


async def first_token(client: httpx.AsyncClient, name: str, tokens: int) -> float:
    """Return the seconds until the first text of an answer; reads it to the end."""
    body = {"model": name, "messages": [{"role": "user", "content": QUESTION}], "max_tokens": tokens, "stream": True}
    began, first = time.monotonic(), 0.0
    async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        if answer.status_code != 200:
            raise SystemExit((await answer.aread()).decode())
        async for text in answer.aiter_lines():
            if (
                not first
                and text.startswith("data: {")
                and any(choice["delta"].get("content") for choice in json.loads(text[6:])["choices"])
            ):
                first = time.monotonic() - began
    return first


async def take_in(client: httpx.AsyncClient, name: str, content: bytes) -> str:
    """Put a file into the knowledge base; returns, when it can be found, how long that took in words."""
    sent = await client.post("/v1/files", files={"file": (name, content)}, data={"purpose": "assistants"})
    sent.raise_for_status()
    entry = (await client.post("/v1/vector_stores/default/files", json={"file_id": sent.json()["id"]})).json()
    began = time.monotonic()
    while entry["status"] == "in_progress":
        await asyncio.sleep(0.2)
        entry = (await client.get(f"/v1/vector_stores/default/files/{entry['id']}")).json()
    if entry["status"] != "completed":
        raise SystemExit(f"{name} was not taken in: {entry['last_error']}")
    return f"{name} in {time.monotonic() - began:.1f} s"


def sentences() -> list[str]:
    """Return the sentences of this repository's documents, those that a PDF font of Latin letters has."""
    files = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "starter" / "guide.yaml"]
    text = " ".join(file.read_text(encoding="utf-8") for file in files).encode("latin-1", "ignore").decode("latin-1")
    return [part for part in re.split(r"(?<=[.!?])\s+", " ".join(text.split())) if 30 < len(part) < 400]


def document(number: int, pages: int) -> bytes:
    """Return a PDF of so many pages, another one for each number."""
    known, chance, lines = sentences(), random.Random(number), list[str]()
    while len(lines) < pages * LINES:
        lines += [*textwrap.wrap(" ".join(chance.sample(known, 6)), WIDTH), ""]
    return pdf(["\n".join(lines[page * LINES : (page + 1) * LINES]) for page in range(pages)], font_size=10)


def report(seen: dict[str, Seen]) -> None:
    """Print what was seen."""
    print(f"{'ms':12}" + "".join(f"{state + ' ' + what:>16}" for state in STATES for what in ("n", "p50", "p95", "most")))
    for asked in seen["idle"].seconds:
        row, medians = f"{asked:12}", []
        for state in STATES:
            times = sorted(seen[state].seconds[asked])
            p95 = times[int(0.95 * (len(times) - 1))]
            medians.append(statistics.median(times))
            row += "".join(f"{1000 * value:16.1f}" for value in (len(times) / 1000, medians[-1], p95, times[-1]))
        print(f"{row}   p50 {1000 * (medians[1] - medians[0]):+.1f}")
    for state in STATES:
        print(f"{state}: server CPU {seen[state].cpu:.1f} s in {seen[state].wall:.1f} s (without the readers of files)")


if __name__ == "__main__":
    main()
