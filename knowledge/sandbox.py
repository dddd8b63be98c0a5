"""Reads a file in a child process that can be killed: no parser's bug, bomb or endless loop reaches the server.

The child (`loaders/child.py`) is limited in memory, CPU time, open files and output, has no network, writes nothing,
and dies with this process. This module follows it, and turns each of its ends into an `Extract` or an `UnreadableFile`. It
knows no format, and not where children come from.
"""

import contextlib
import re
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge import recognition
from knowledge.base import UnreadableFile
from knowledge.child_answers import Answer, Found
from knowledge.children import Child, Children
from knowledge.loaders import target_for
from knowledge.loaders.base import Extract, PageReport

if TYPE_CHECKING:
    from knowledge.settings import KnowledgeSettings

CPU_SECONDS = 30
OUTPUT_LIMIT = 64 * 1024 * 1024
TICK = 0.05
"""Seconds between two looks at the clock and at `cancelled`."""
PATIENCE = 1.0
"""Seconds that a child has to end after its last word."""


class Cancelled(Exception):
    """The reading was given up because `cancelled` was set; the child is gone."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a child may run, in seconds by the clock and of CPU, and the setting that says so."""

    seconds: int
    cpu: int
    setting: str


@dataclass(frozen=True, slots=True)
class Task:
    """One run of a child: the loader ("module:function"), its file, its limits, its keyword arguments."""

    target: str
    path: Path
    limits: Limits
    arguments: dict[str, Any] = field(default_factory=dict)


def usual(settings: "KnowledgeSettings") -> "Limits":
    """Return the limits for all that is not known to take longer."""
    return Limits(settings.parse_seconds, min(CPU_SECONDS, settings.parse_seconds), "--parse-seconds")


class Sandbox:
    """Reads files, each in a child of its own. Any number of threads may read at once."""

    def __init__(self) -> None:
        self._children = Children()

    def read(
        self, path: Path, name: str, settings: "KnowledgeSettings", report: PageReport, cancelled: threading.Event
    ) -> Extract:
        """Return the text of the file at `path`, whose format its `name` tells; pages that are pictures are recognised.

        Calls `report(page, pages)` in this thread while reading. Raises `UnsupportedFormat`, `UnreadableFile` or
        `Cancelled`; whichever way it ends, the children are dead and reaped.
        """
        extract = self._run(Task(target_for(name), path, usual(settings)), settings, report, cancelled)
        arguments = recognition.arguments(extract, settings)
        failure = ""
        if arguments is not None:
            longer = Limits(settings.ocr_seconds, settings.ocr_seconds, "--ocr-seconds")
            try:
                found = self._run(Task(recognition.TARGET, path, longer, arguments), settings, report, cancelled)
            except UnreadableFile as error:  # what is written as text is there all the same
                failure = str(error)
            else:
                extract = recognition.merged(extract, found)
        return recognition.told(extract, settings, failure)

    def ask(self, target: str, path: Path, settings: "KnowledgeSettings", /, **arguments: Any) -> list[Any]:
        """Return the one line that `target` ("module:function") answers about the file at `path`; raises `UnreadableFile`.

        What is in the line, the child may have been made to say by the file: whoever asks checks it.
        """
        answer = Answer()
        self._follow(Task(target, path, usual(settings), arguments), answer, settings, threading.Event())
        return answer.values

    def start(self, task: Task, settings: "KnowledgeSettings") -> Child:
        """Start the child of a task."""
        return self._children.start(
            {
                "target": task.target,
                "path": str(task.path.resolve()),
                "memory": settings.parse_memory,
                "seconds": task.limits.cpu,
                "arguments": task.arguments,
            }
        )

    def close(self) -> None:
        """End all children at once; a file that is being read is then one whose reading crashed."""
        self._children.close()

    def _run(self, task: Task, settings: "KnowledgeSettings", report: PageReport, cancelled: threading.Event) -> Extract:
        found = Found(settings.max_characters, report)
        self._follow(task, found, settings, cancelled)
        return found.extract()

    def _follow(self, task: Task, found: Found | Answer, settings: "KnowledgeSettings", cancelled: threading.Event) -> None:
        """Give all lines of a child to `found`; whichever way it ends, the child is dead and reaped."""
        child = self.start(task, settings)
        memory, status = _Memory(child.pid), None
        try:
            for line in _lines(child, task.limits, cancelled, memory):
                found.take(line)
            status = child.wait(PATIENCE)
        finally:
            child.close()
        if not found.whole:
            raise _ended(-signal.SIGKILL if status is None else status, memory.peak, task.limits, settings)


class _Memory:
    """The most memory that the child was seen to hold: `peak`, in MiB; 0 where the system does not tell.

    Its resource usage would tell it more easily, but begins with what this process held when it started the child.
    """

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._status = Path(f"/proc/{pid}/status")

    def look(self) -> None:
        """Look again; a child that has just ended holds nothing any more."""
        with contextlib.suppress(OSError):
            found = re.search(rb"VmHWM:\s+(\d+) kB", self._status.read_bytes())
            self.peak = max(self.peak, int(found[1]) // 1024) if found else self.peak


def _lines(child: Child, limits: Limits, cancelled: threading.Event, memory: _Memory) -> Iterator[bytes]:
    """Yield the child's lines until its pipe closes; raises when its time, output or patience are over."""
    deadline = time.monotonic() + limits.seconds
    while not child.output.ended:
        if cancelled.is_set():
            raise Cancelled
        if time.monotonic() > deadline:
            raise _timed_out(limits.seconds, limits.setting)
        memory.look()
        lines = child.output.read(TICK)
        if child.output.size > OUTPUT_LIMIT:
            raise UnreadableFile("too_large", f"its text is larger than {OUTPUT_LIMIT >> 20} MiB")
        yield from lines


def _timed_out(seconds: int, setting: str) -> UnreadableFile:
    return UnreadableFile("timed_out", f"reading it takes longer than {seconds} s ({setting})")


def _ended(status: int, peak: int, limits: Limits, settings: "KnowledgeSettings") -> UnreadableFile:
    """Return the error for a child that ended without a last word."""
    if status == -signal.SIGXCPU:
        return _timed_out(limits.cpu, limits.setting)
    # Native code mostly aborts where memory is refused. Address space is limited, but only resident memory can be seen.
    if peak > settings.parse_memory * 0.6:
        return UnreadableFile("out_of_memory", f"reading it needs more than {settings.parse_memory} MiB (--parse-memory)")
    if status < 0:
        return UnreadableFile("crashed", f"reading it crashed (signal {-status}): the file may be damaged")
    return UnreadableFile("crashed", f"reading it ended without a result (exit status {status}): the file may be damaged")
