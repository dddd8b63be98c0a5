"""Loaders that misbehave, for the tests of the sandbox; they run in its child only."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from knowledge.base import Locator, UnreadableFile
from knowledge.loaders.base import Block, Extract, PageReport

BLOCK = Block("text", Locator())


def burn(path: Path, report: PageReport) -> Extract:
    while True:
        pass


def sleep(path: Path, report: PageReport) -> Extract:
    report(1, 2)
    time.sleep(600)
    return Extract((BLOCK,))


def swallow(path: Path, report: PageReport) -> Extract:
    held = []
    while True:
        held.append(bytearray(1 << 24))


def burst(path: Path, report: PageReport) -> Extract:
    """Die as native code does that is refused memory, long enough after it held much to have been seen."""
    held = b"x" * (200 << 20)
    time.sleep(1)
    os.kill(os.getpid(), signal.SIGABRT)
    return Extract((Block(held.decode(), Locator()),))


def crash(path: Path, report: PageReport) -> Extract:
    os.kill(os.getpid(), signal.SIGSEGV)
    return Extract(())


def leave(path: Path, report: PageReport) -> Extract:
    os._exit(3)


def flood(path: Path, report: PageReport) -> Extract:
    return Extract(tuple(Block("x" * 1_000_000, Locator()) for _ in range(100)))


def fail(path: Path, report: PageReport) -> Extract:
    raise KeyError("a bug")


def recurse(path: Path, report: PageReport) -> Extract:
    return recurse(path, report)


def refuse(path: Path, report: PageReport) -> Extract:
    raise UnreadableFile("wrong_type", "not mine")


def chatter(path: Path, report: PageReport) -> Extract:
    print("noise between the lines")
    os.write(2, b"noise" * 100_000)
    return Extract((Block("text", Locator(3, ("a", "b"), 1, 2), "code"),), 7, ("beware",))


def lie(path: Path, report: PageReport) -> Extract:
    report("no", "number")  # type: ignore[arg-type]
    return Extract(())


def pry(path: Path, report: PageReport) -> Extract:
    """Try what the sandbox forbids; tell what was possible."""
    import socket
    import subprocess

    def write() -> None:
        path.with_suffix(".written").write_text("x")

    def connect() -> None:
        socket.create_connection(("127.0.0.1", 9), timeout=0.1)

    tries: dict[str, Callable[[], object]] = {
        "write": write,
        "socket": socket.socket,
        "connect": connect,
        "resolve": lambda: socket.getaddrinfo("localhost", 80),
        "run": lambda: subprocess.run(["/bin/true"], check=False),
        "system": lambda: os.system("true"),
        "fork": os.fork,
    }
    possible = []
    for name, attempt in tries.items():
        try:
            attempt()
        except PermissionError:
            continue
        possible.append(name)
    harmless = {"LC_CTYPE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS"}
    environment = sorted(set(os.environ) - harmless)
    return Extract((Block(f"possible: {possible}, environment: {environment}, folder: {Path.cwd()}", Locator()),))


def draw(path: Path, report: PageReport) -> Extract:
    """Find text on the first page and pictures on the others."""
    return Extract((Block("written", Locator(page=1)),), 3, (), (2, 3))


def tell(path: Path, report: PageReport, text: str) -> list[list[str]]:
    return [["told", text]]
