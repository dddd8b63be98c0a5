"""What idle and half-open connections cost those who chat: `python -m benchmarks.connections`. Small form of load L5.

Starts a server process with the echo engine (20 tokens a second), opens 300 connections that say nothing more after one
request and 300 that stop in the middle of one, over and over as the server ends them, and lets 20 clients chat meanwhile.
Prints one JSON object: resident memory before and at most (MiB), connections the server holds, seconds for an answer at
p50 and p95 without and with the others, and how long the last half-open one lived.
"""

import argparse
import asyncio
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HALF = [
    b"",
    b"G",
    b"POST / HTTP/1.1\r\nHost: localhost\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx",
]
BODY = json.dumps({"prompt": "[[count 20]]"}).encode()
ASK = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
IDLE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def chats(port: int, clients: int, seconds: float) -> tuple[list[float], int]:
    """Return the seconds of all answers to `clients` that ask again and again, and the number of failures."""
    times: list[float] = []
    failed = 0
    end = time.monotonic() + seconds

    async def chat() -> None:
        nonlocal failed
        while time.monotonic() < end:
            began = time.monotonic()
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(ASK)
                answer = await reader.read()
                writer.close()
            except OSError:
                answer = b""
            if b" 200 " in answer[:20]:
                times.append(time.monotonic() - began)
            else:
                failed += 1
                await asyncio.sleep(0.1)

    await asyncio.gather(*(chat() for _ in range(clients)))
    return times, failed


async def hold(port: int, data: bytes, end: float, lives: list[float]) -> None:
    """Open a connection, send `data`, wait until the server ends it, and again."""
    while time.monotonic() < end:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            began = time.monotonic()
            writer.write(data)
            async with asyncio.timeout(max(end - time.monotonic(), 0.1) + 90):
                while await reader.read(65536):
                    pass
            lives.append(time.monotonic() - began)
            writer.close()
        except (OSError, TimeoutError):
            pass
        await asyncio.sleep(1)


def resident(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def descriptors(pid: int) -> int:
    """Return the number of open files and sockets of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def measure(pid: int, port: int, idle: int, half: int, clients: int, seconds: float) -> dict[str, object]:
    """Return the figures."""
    alone, _ = await chats(port, clients, seconds)
    before, most, open_most = resident(pid), 0.0, 0
    idle_lives: list[float] = []
    half_lives: list[float] = []
    end = time.monotonic() + seconds
    holders = [asyncio.create_task(hold(port, IDLE, end, idle_lives)) for _ in range(idle)]
    holders += [asyncio.create_task(hold(port, HALF[n % len(HALF)], end, half_lives)) for n in range(half)]
    talking = asyncio.create_task(chats(port, clients, seconds))
    while not talking.done():
        most = max(most, resident(pid))
        open_most = max(open_most, descriptors(pid))
        await asyncio.sleep(0.5)
    beside, failed = await talking
    await asyncio.gather(*holders)
    return {
        "chats_alone": len(alone), "chats_beside": len(beside), "chats_failed": failed,
        "p50_alone_s": round(statistics.median(alone), 3), "p95_alone_s": round(statistics.quantiles(alone, n=20)[18], 3),
        "p50_beside_s": round(statistics.median(beside), 3), "p95_beside_s": round(statistics.quantiles(beside, n=20)[18], 3),
        "rss_before_mib": round(before, 1), "rss_most_mib": round(most, 1), "descriptors_most": open_most,
        "descriptors_after": descriptors(pid),
        "idle_ended": len(idle_lives), "idle_longest_s": round(max(idle_lives, default=0), 1),
        "half_open_ended": len(half_lives), "half_open_longest_s": round(max(half_lives, default=0), 1),
    }  # fmt: skip


def main() -> None:
    """Start the server, measure, print."""
    line = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    line.add_argument("--port", type=int, default=8765)
    line.add_argument("--idle", type=int, default=300)
    line.add_argument("--half-open", type=int, default=300)
    line.add_argument("--chats", type=int, default=20)
    line.add_argument("--seconds", type=float, default=30)
    line.add_argument("flags", nargs="*", help="further flags of the server, after --")
    given = line.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = [sys.executable, str(ROOT / "api" / "api_server.py"), f"--port={given.port}", f"--data-dir={folder}"]
        program += ["--backend=echo", "--echo-delay=0.05", "--max-concurrent=32", "--body-seconds=10", *given.flags]
        server = subprocess.Popen(program, stdout=subprocess.DEVNULL)
        try:
            _wait(f"http://127.0.0.1:{given.port}/readyz", server)
            figures = measure(server.pid, given.port, given.idle, given.half_open, given.chats, given.seconds)
            print(json.dumps(asyncio.run(figures), indent=2))
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)


def _wait(url: str, server: "subprocess.Popen[bytes]") -> None:
    while True:
        try:
            with urllib.request.urlopen(url, timeout=60):
                return
        except (urllib.error.URLError, OSError):
            if server.poll() is not None:
                raise SystemExit("the server ended") from None
            time.sleep(0.2)


if __name__ == "__main__":
    main()
