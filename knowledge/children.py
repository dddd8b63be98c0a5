"""Starts the children that read files, and ends them: each is a fork of one process of ours that has imported the libraries.

Interpreter and imports take 0.09 CPU seconds, a fork 2 milliseconds. That process, the fork server
(`loaders/fork_server.py`), is started when the first child is wanted, opens no file itself, and ends with this process, with
`close`, or when nothing was asked of it for a minute; it is started again when it is wanted. What a child says, and how long
it may run, this module does not know.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from knowledge.line_reader import LineReader

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "knowledge" / "loaders" / "fork_server.py"
NEEDED = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""All it gets of the environment: a Python built as a shared library does not start without."""
ONE_THREAD = {"OMP_THREAD_LIMIT": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Tesseract, and numpy for openpyxl, start threads otherwise: the limits forbid it, and OpenBLAS then ends the process."""
IDLE = 60.0
"""Seconds; 25 MB are not held for longer, and what was left behind by a process that was killed does not stay."""

PATIENCE = 20.0
"""Seconds that it has to answer; a few tenths is what the libraries of a format take on a busy machine."""
LAST = 2.0
"""Seconds that it has to end when its socket was closed."""


class Child:
    """One child: what it writes comes out of `output`, until `close`; `pid` leads a group of its own."""

    def __init__(self, pid: int, output: LineReader, status: LineReader) -> None:
        self.pid = pid
        self.output = output
        self._status = status
        self._ended: int | None = None

    def wait(self, seconds: float | None = None) -> int | None:
        """Return how it ended: its exit status, or a negative signal number; None if it has not after `seconds`."""
        if self._ended is None:
            line = self._status.next(seconds)
            if line is not None:
                self._ended = int(line or -signal.SIGKILL)  # nothing: the fork server is gone, and its children with it
        return self._ended

    def kill(self) -> None:
        """Kill it and all in its group, unless it has ended."""
        if self.wait(0) is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill it, wait until it is gone, and give back what was held for it."""
        self.kill()
        self.wait()
        self.output.close()
        self._status.close()


class Children:
    """Where children come from; any number of threads may start some at once.

    Its process ends when it was not asked for `idle` seconds, and is replaced when it does not answer for `patience`.
    """

    def __init__(self, idle: float = IDLE, patience: float = PATIENCE) -> None:
        self._idle, self._patience = idle, patience
        self._starting = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._door: socket.socket | None = None

    def start(self, job: dict[str, Any]) -> Child:
        """Start a child with its job (`loaders/child.py`); raises `OSError` where the system allows no more processes."""
        with self._starting:
            try:
                return self._start(job)
            except (ConnectionError, EOFError):  # it had ended, or was killed or stopped from outside
                self._end()
                try:
                    return self._start(job)
                except (ConnectionError, EOFError) as error:  # it ended before it was asked, or while it was
                    raise ChildProcessError("the process that starts the readers of files does not start") from error

    def close(self) -> None:
        """Kill all children that still run, and the process that they come from; `start` begins anew."""
        with self._starting:
            self._end()

    def _start(self, job: dict[str, Any]) -> Child:
        door = self._door or self._open()
        (output, writes), (status, tells) = os.pipe(), os.pipe()
        said = LineReader(status)
        try:
            try:
                message = memoryview(json.dumps(job).encode() + b"\n")
                sent = socket.send_fds(door, [message], [writes, tells])
                door.sendall(message[sent:])
            finally:
                os.close(writes)
                os.close(tells)
            pid = int(said.next(self._patience) or b"0")
            if not pid:
                raise EOFError
            if pid < 0:
                raise OSError(-pid, os.strerror(-pid))
        except BaseException:
            os.close(output)
            said.close()
            raise
        return Child(pid, LineReader(output), said)

    def _open(self) -> socket.socket:
        search = [str(ROOT), *(str(Path(entry).resolve()) for entry in sys.path if entry)]
        self._door, other = socket.socketpair()
        with other:
            self._server = subprocess.Popen(
                # -I -S: neither the environment nor a site file runs code; `search` replaces site.
                [sys.executable, "-I", "-S", "-B", "-X", "utf8", str(PROGRAM), json.dumps([os.getpid(), search, self._idle])],
                stdin=other.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={**ONE_THREAD, **{name: os.environ[name] for name in NEEDED if name in os.environ}},
                start_new_session=True,
            )
        threading.Thread(target=self._server.wait, name="fork server", daemon=True).start()  # leaves no zombie when it ends
        return self._door

    def _end(self) -> None:
        if self._door is not None:
            self._door.close()
        if self._server is not None:
            try:
                self._server.wait(LAST)
            except subprocess.TimeoutExpired:  # a process that was forked from this one still holds the socket
                self._server.kill()
                self._server.wait()
        self._server = self._door = None
