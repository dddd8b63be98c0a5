"""The process that readers of files are forked from: it imports their code and libraries once, and opens no file itself.

`knowledge.children` starts it as a script with one argument, a JSON list: the process id of who starts it, the folders
to import from, and after how many seconds without a job it ends. On its standard input, a socket, come jobs (`child.py`), a
JSON object a line, each with two pipes: where the child writes its lines, and where this process tells the child's id
(negative: the number of the error that stood against it) and, when it has ended, its exit status or negative signal number,
a line each.

It trusts the jobs, which are ours; of the files' content it sees nothing. It ends when the socket is closed or no job
comes for long, and its children with it.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TextIO

LOOK = 1.0
"""Seconds between two looks whether the process that it serves lives, while there are children."""
MOST = 1 << 20
"""Bytes of a job."""


class ForkServer:
    """Takes in jobs at `door` and forks a child for each, which is to do `child` and then to end."""

    def __init__(
        self, door: socket.socket, parent: int, idle: float, child: Callable[[dict[str, Any], int, TextIO], None]
    ) -> None:
        self._door, self._parent, self._idle, self._child = door, parent, idle, child
        self._self = os.getpid()
        self._children: dict[int, int] = {}
        self._known: set[str] = set()
        self._woken, wakes = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(wakes, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)

    def run(self) -> None:
        """Serve until nobody is there to be served."""
        while os.getppid() == self._parent:
            ready, _, _ = select.select([self._door.fileno(), self._woken], [], [], LOOK if self._children else self._idle)
            if self._woken in ready:
                os.read(self._woken, MOST)
            self._reap()
            if self._door.fileno() in ready and not self._serve():
                return
            if not ready and not self._children:
                return

    def end(self) -> None:
        """Kill the children that still run; on Linux they die with this process anyway."""
        for pid in self._children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)

    def _serve(self) -> bool:
        """Take in one job; False: there will be none any more."""
        message, pipes, _, _ = socket.recv_fds(self._door, MOST, 2)
        while message and not message.endswith(b"\n"):
            message += self._door.recv(MOST)
        if not message:
            return False
        job = json.loads(message)
        for target in (job["target"], job["arguments"].get("target")):
            self._learn(target)
        self._fork(job, *pipes)
        return True

    def _learn(self, target: Any) -> None:
        """Import the module of a target ("module:function") and the libraries it names; the child tells what is missing."""
        name = str(target or "").partition(":")[0]
        if name and name not in self._known:
            self._known.add(name)
            with contextlib.suppress(Exception):
                for library in getattr(importlib.import_module(name), "LIBRARIES", ()):
                    importlib.import_module(library)
            gc.collect()
            gc.freeze()  # else a child's first collection copies all that is shared

    def _fork(self, job: dict[str, Any], output: int, status: int) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            _tell(status, -(error.errno or 1))
            os.close(status)
        else:
            if not pid:
                self._become(job, output, status)
            with contextlib.suppress(OSError):  # it may have done so itself, or have ended
                os.setpgid(pid, pid)
            self._children[pid] = status
            _tell(status, pid)
        os.close(output)

    def _become(self, job: dict[str, Any], output: int, status: int) -> NoReturn:
        """Be the child."""
        try:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.closerange(0, 1)
            os.open(os.devnull, os.O_RDONLY)  # takes the place of the socket
            for pipe in (status, *self._children.values()):
                os.close(pipe)
            with os.fdopen(output, "w", encoding="utf-8", errors="replace", buffering=1 << 16) as out:
                self._child(job, self._self, out)
            os._exit(0)  # nothing is left to be done, and a native library's clean-up could still crash
        finally:
            os._exit(1)

    def _reap(self) -> None:
        for pid in list(self._children):
            ended, how = os.waitpid(pid, os.WNOHANG)
            if ended:
                status = self._children.pop(pid)
                _tell(status, os.waitstatus_to_exitcode(how))
                os.close(status)


def _tell(status: int, number: int) -> None:
    with contextlib.suppress(OSError):  # whoever asked has gone away
        os.write(status, b"%d\n" % number)


def main() -> None:
    """Read the command line and serve."""
    parent, search, idle = json.loads(sys.argv[1])
    sys.path += search
    from knowledge.loaders import child

    server = ForkServer(socket.socket(fileno=0), parent, idle, child.main)
    try:
        server.run()
    finally:
        server.end()
    os._exit(0)


if __name__ == "__main__":
    main()
