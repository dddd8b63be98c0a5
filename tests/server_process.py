"""A server of this program as a process of its own, for clients that nobody here wrote."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
API = "api/api_server.py"
PATIENCE = 120.0
"""Seconds; only so that a broken test ends."""

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("CHAT_LLM_WEBUI_")}


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Server:
    """A process that serves until it is stopped."""

    patience = PATIENCE

    def __init__(self, folder: Path, program: str, *flags: str) -> None:
        self.port = free_port()
        self.log = folder / "server.log"
        line = [sys.executable, str(ROOT / program), f"--port={self.port}", f"--data-dir={folder / 'data'}", *flags]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(line, cwd=folder, env=ENVIRONMENT, stdout=log, stderr=subprocess.STDOUT)

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, data: bytes | None = None) -> tuple[int, str]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=data)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def wait(self, path: str = "/readyz") -> None:
        """Return when `path` answers 200."""
        self.until(lambda: self._answers(path))

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + self.patience
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)

    def _answers(self, path: str) -> bool:
        try:
            return self.get(path)[0] == 200
        except OSError:
            return False


@contextmanager
def serving(folder: Path, program: str = API, *flags: str) -> Iterator[Server]:
    """Start a server, wait until it can answer, and end it."""
    server = Server(folder, program, *flags)
    try:
        server.wait()
        yield server
    finally:
        server.process.kill()
        server.process.wait(PATIENCE)
