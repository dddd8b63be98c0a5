"""Many users at once over HTTP: errors, texts that cross, waiting times, and the server's memory from begin to end.

    python -m benchmarks.load --users 100 --requests 2000                      starts a server with the echo engine
    python -m benchmarks.load --users 100 --requests 2000 -- --model-path DIR  passes flags to the server it starts

Each user has an address of their own on loopback (127.0.0.2 and on), so that the server takes them for different people,
a word that nobody else has (a canary), and a talk whose history grows to ten turns and begins again. An answer that holds
somebody else's word has crossed. The server's memory and CPU time are its own, from `/metrics`.
"""

import argparse
import asyncio
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

ROOT = Path(__file__).resolve().parent.parent
CANARY = re.compile(r"canary-[0-9]+-[a-z]+")
TURNS = 10
READY_SECONDS = 600.0


@dataclass
class Seen:
    """What the users saw: statuses, answers with a foreign word, echoes without the own one, seconds of each answer."""

    statuses: Counter[int] = field(default_factory=Counter)
    crossed: int = 0
    lost: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Requests that were answered, in whatever way."""
        return self.statuses.total()


def main() -> int:
    """Run the load and print a row; the exit status is 1 where there was an error or a crossed text."""
    line = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    line.add_argument("--users", type=int, default=100)
    line.add_argument("--requests", type=int, default=2000)
    line.add_argument("--tokens", type=int, default=32, help="longest answer")
    line.add_argument("--port", type=int, default=18590)
    line.add_argument("server", nargs="*", default=["--backend=echo", "--echo-delay=0.002"], help="flags of the server")
    options = line.parse_args()
    with serving(options.port, options.server):
        seen = asyncio.run(load(f"http://127.0.0.1:{options.port}", options.users, options.requests, options.tokens))
    return int(bool(seen.crossed or seen.lost or set(seen.statuses) - {200}))


@contextmanager
def serving(port: int, flags: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run an API server of this checkout with a data folder of its own."""
    with TemporaryDirectory() as data:
        program = [sys.executable, str(ROOT / "api" / "api_server.py"), f"--port={port}", f"--data-dir={data}", *flags]
        server = subprocess.Popen(program, cwd=ROOT)
        try:
            wait_until_ready(f"http://127.0.0.1:{port}/readyz", server)
            yield server
        finally:
            server.terminate()
            server.wait(60)


def wait_until_ready(url: str, server: "subprocess.Popen[bytes]") -> None:
    """Return when `url` answers 200."""
    end = time.monotonic() + READY_SECONDS
    while True:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        if server.poll() is not None or time.monotonic() > end:
            raise SystemExit("the server did not become ready")
        time.sleep(0.2)


async def load(url: str, users: int, requests: int, tokens: int) -> Seen:
    """Let `users` ask `requests` questions in all and print what came of it."""
    seen, echo = Seen(), "echo" in (await _get(url + "/readyz"))
    await asyncio.gather(*(talk(url, user, 1, tokens, Seen(), echo) for user in range(users)))  # the first answers warm it up
    before = await metrics(url)
    began, samples = time.monotonic(), [before["process_resident_memory_bytes"]]
    watching = asyncio.create_task(watch(url, requests, seen, samples))
    share = [requests // users + (user < requests % users) for user in range(users)]
    await asyncio.gather(*(talk(url, user, share[user], tokens, seen, echo) for user in range(users)))
    wall = time.monotonic() - began
    await watching
    report(seen, users, wall, samples, before, await metrics(url))
    return seen


async def talk(url: str, user: int, questions: int, tokens: int, seen: Seen, echo: bool) -> None:
    """Ask as one person does: one question after the other, the talk so far with it."""
    canary = f"canary-{user}-heron"
    # Without TLS settings, which take 30 ms for each user and would be timed with the first answers.
    transport = httpx.AsyncHTTPTransport(local_address=f"127.0.0.{2 + user % 250}", verify=False)
    history: list[list[str]] = []
    async with httpx.AsyncClient(transport=transport, base_url=url, timeout=600) as client:
        for number in range(questions):
            began = time.monotonic()
            body = {"prompt": f"{canary} says {number}", "history": history, "max_new_tokens": tokens, "temperature": 0}
            answer = await client.post("/", json=body)
            seen.statuses[answer.status_code] += 1
            if answer.status_code == 200:
                seen.seconds.append(time.monotonic() - began)
                words = set(CANARY.findall(answer.text))
                seen.crossed += bool(words - {canary})
                seen.lost += echo and f"You said: {canary} says {number}" != answer.json()["response"]
                history = answer.json()["history"][-TURNS:] if len(history) < TURNS else []


async def watch(url: str, requests: int, seen: Seen, samples: list[float]) -> None:
    """Look at the server's memory after each tenth of the requests."""
    for tenth in range(1, 11):
        while seen.done < requests * tenth // 10:
            await asyncio.sleep(0.05)
        samples.append((await metrics(url))["process_resident_memory_bytes"])


async def metrics(url: str) -> dict[str, float]:
    """Return the samples of `/metrics` by their names."""
    lines = [line.rpartition(" ") for line in (await _get(url + "/metrics")).splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


async def _get(url: str) -> str:
    async with httpx.AsyncClient() as client:
        return (await client.get(url)).text


def report(
    seen: Seen, users: int, wall: float, samples: list[float], before: dict[str, float], after: dict[str, float]
) -> None:
    """Print what was seen."""
    seconds = sorted(seen.seconds)
    cpu = after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]
    tokens = after["chat_generated_tokens_total"] - before["chat_generated_tokens_total"]
    errors = {status: count for status, count in seen.statuses.items() if status != 200}
    print(f"users {users}, requests {seen.done}, errors {errors or 0}, crossed {seen.crossed}, lost {seen.lost}")
    print(f"wall {wall:.1f} s, {seen.done / wall:.0f} requests/s, {tokens / wall:.0f} tokens/s")
    print(f"server CPU {1000 * cpu / seen.done:.2f} ms/request, {1000 * cpu / max(tokens, 1):.3f} ms/token")
    if seconds:
        p95 = seconds[int(0.95 * (len(seconds) - 1))]
        print(f"answer p50 {statistics.median(seconds):.3f} s, p95 {p95:.3f} s, longest {seconds[-1]:.3f} s")
    print("server memory MiB at each tenth: " + " ".join(f"{sample / 2**20:.1f}" for sample in samples))
    left = {name: after[name] for name in ("chat_runs_active", "chat_queue_depth", "chat_generations_active")}
    print(f"left over: {left}")


if __name__ == "__main__":
    sys.exit(main())
