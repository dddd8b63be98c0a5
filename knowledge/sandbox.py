"""Reads a file in a child process that can be killed: no parser's bug, bomb or endless loop reaches the server.

The child (`loaders/child.py`) is limited in memory, CPU time, open files and output, has no network, writes nothing,
and dies with the thread that waits for it. This module starts it, follows it, and turns each of its ends into an
`Extract` or an `UnreadableFile`. It knows no format. It keeps no state: any number of threads may read at once.
"""

import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge import recognition
from knowledge.base import Locator, UnreadableFile
from knowledge.loaders import target_for
from knowledge.loaders.base import Block, Extract, PageReport

if TYPE_CHECKING:
    from knowledge.settings import KnowledgeSettings

ROOT = Path(__file__).resolve().parent.parent
CHILD = ROOT / "knowledge" / "loaders" / "child.py"
CPU_SECONDS = 30
OUTPUT_LIMIT = 64 * 1024 * 1024
NEEDED = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""All the child gets of the environment: a Python built as a shared library does not start without."""
ONE_THREAD = {"OMP_THREAD_LIMIT": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Tesseract, and numpy for openpyxl, start threads otherwise: the limits forbid it, and OpenBLAS then ends the process."""
TICK = 0.05
"""Seconds between two looks at the clock and at `cancelled`."""


class Cancelled(Exception):
    """The reading was given up because `cancelled` was set; the child is gone."""


def read(path: Path, name: str, settings: "KnowledgeSettings", report: PageReport, cancelled: threading.Event) -> Extract:
    """Return the text of the file at `path`, whose format its `name` tells; pages that are pictures are recognised.

    Calls `report(page, pages)` in this thread while reading. Raises `UnsupportedFormat`, `UnreadableFile` or
    `Cancelled`; whichever way it ends, the children are dead and reaped.
    """
    extract = run(Task(target_for(name), path, usual(settings)), settings, report, cancelled)
    arguments = recognition.arguments(extract, settings)
    failure = ""
    if arguments is not None:
        longer = Limits(settings.ocr_seconds, settings.ocr_seconds, "--ocr-seconds")
        try:
            found = run(Task(recognition.TARGET, path, longer, arguments), settings, report, cancelled)
        except UnreadableFile as error:  # what is written as text is there all the same
            failure = str(error)
        else:
            extract = recognition.merged(extract, found)
    return recognition.told(extract, settings, failure)


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


def run(task: Task, settings: "KnowledgeSettings", report: PageReport, cancelled: threading.Event) -> Extract:
    """Return what one child finds; raises as `read` does."""
    found = _Found(settings.max_characters, report)
    _follow(task, found, settings, cancelled)
    return found.extract()


def ask(target: str, path: Path, settings: "KnowledgeSettings", /, **arguments: Any) -> list[Any]:
    """Return the one line that `target` ("module:function") answers about the file at `path`; raises `UnreadableFile`.

    What is in the line, the child may have been made to say by the file: whoever asks checks it.
    """
    answer = _Answer()
    _follow(Task(target, path, usual(settings), arguments), answer, settings, threading.Event())
    return answer.values


def _follow(task: Task, found: "_Found | _Answer", settings: "KnowledgeSettings", cancelled: threading.Event) -> None:
    """Give all lines of a child to `found`; whichever way it ends, the child is dead and reaped."""
    child = start(task, settings)
    memory, closed = _Memory(child.pid), False
    try:
        for line in _lines(child, task.limits, cancelled, memory):
            found.take(line)
        closed = True
    finally:
        status = _stop(child, patience=1.0 if closed else 0.0)
    if not found.whole:
        raise _ended(status, memory.peak, task.limits, settings)


def start(task: Task, settings: "KnowledgeSettings") -> subprocess.Popen[bytes]:
    """Start the child of a task; its standard output is the pipe to read."""
    job = {
        "target": task.target,
        "path": str(task.path.resolve()),
        "search": [str(ROOT), *(str(Path(entry).resolve()) for entry in sys.path if entry)],
        "parent": os.getpid(),
        "memory": settings.parse_memory,
        "seconds": task.limits.cpu,
        "arguments": task.arguments,
    }
    return subprocess.Popen(
        # -I -S: neither the environment nor a site file runs code before the limits stand; `search` replaces site.
        [sys.executable, "-I", "-S", "-B", "-X", "utf8", str(CHILD), json.dumps(job)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={**ONE_THREAD, **{name: os.environ[name] for name in NEEDED if name in os.environ}},
        start_new_session=True,
        bufsize=0,
    )


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


def _lines(child: subprocess.Popen[bytes], limits: Limits, cancelled: threading.Event, memory: _Memory) -> Iterator[bytes]:
    """Yield the child's lines until its pipe closes; raises when its time, output or patience are over."""
    deadline, size, rest = time.monotonic() + limits.seconds, 0, bytearray()
    assert child.stdout is not None  # noqa: S101 (tells the type: it was started with a pipe)
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            if cancelled.is_set():
                raise Cancelled
            if time.monotonic() > deadline:
                raise _timed_out(limits.seconds, limits.setting)
            memory.look()
            if not selector.select(TICK):
                continue
            data = os.read(child.stdout.fileno(), 1 << 16)
            if not data:
                return
            size += len(data)
            if size > OUTPUT_LIMIT:
                raise UnreadableFile("too_large", f"its text is larger than {OUTPUT_LIMIT >> 20} MiB")
            rest += data
            if b"\n" in data:
                *lines, tail = bytes(rest).split(b"\n")
                rest = bytearray(tail)
                yield from lines


def _stop(child: subprocess.Popen[bytes], patience: float) -> int:
    """Let the child end for `patience` seconds, then kill its group; reap it.

    Returns its exit status; a negative one is a signal's number.
    """
    try:
        child.wait(patience)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    if child.stdout:
        child.stdout.close()
    return child.wait()


class _Found:
    """What the child has told so far. A child taken over by its file may write anything, so every line is checked."""

    def __init__(self, max_characters: int, report: PageReport) -> None:
        self.whole = False
        self._blocks: list[Block] = []
        self._characters = 0
        self._max_characters = max_characters
        self._report = report
        self._pages: int | None = None
        self._warnings: tuple[str, ...] = ()
        self._pictures: tuple[int, ...] = ()

    def take(self, line: bytes) -> None:
        """Take in one line; raises the `UnreadableFile` it tells of, or that its text is too long."""
        try:
            kind, *values = json.loads(line)
            if kind == "page":
                page, pages = map(int, values)
            elif kind == "block":
                self._blocks.append(block_of(values))
            elif kind == "done":
                self._pages, self._warnings, self._pictures = _done_of(values)
            else:
                code, message = map(str, values)
        except (ValueError, TypeError, RecursionError) as error:
            raise UnreadableFile("broken", "reading it gave an answer that could not be understood") from error
        if kind == "page":
            self._report(page, pages)
        elif kind == "block":
            self._count(len(self._blocks[-1].text))
        elif kind == "done":
            self.whole = True
        else:
            raise _told(code, message)

    def _count(self, characters: int) -> None:
        self._characters += characters
        if self._characters > self._max_characters:
            limit = f"{self._max_characters:,} characters (--max-characters)"
            raise UnreadableFile("too_large", f"its text is longer than {limit}")

    def extract(self) -> Extract:
        """Return the whole."""
        return Extract(tuple(self._blocks), self._pages, self._warnings, self._pictures)


class _Answer:
    """The line that a child answers with; what it tells of its way there is left out."""

    def __init__(self) -> None:
        self.whole = False
        self.values: list[Any] = []

    def take(self, line: bytes) -> None:
        """Take in one line; raises the `UnreadableFile` it tells of."""
        try:
            values = json.loads(line)
            kind = values[0]
            told = None if kind != "error" else _told(*map(str, values[1:3]))
        except (ValueError, TypeError, IndexError, KeyError, RecursionError) as error:
            raise UnreadableFile("broken", "reading it gave an answer that could not be understood") from error
        if told is not None:
            raise told
        if kind != "page":
            self.values, self.whole = values, True


def block_of(values: list[Any]) -> Block:
    """Return the block that a line's values tell; raises `ValueError` or `TypeError` for anything else."""
    text, kind, page, headings, first, last = values
    if not isinstance(text, str) or kind not in ("text", "code", "table"):
        raise ValueError("not a block")
    numbers = [None if number is None else int(number) for number in (page, first, last)]
    return Block(text, Locator(numbers[0], tuple(map(str, headings)), numbers[1], numbers[2]), kind)


def _done_of(values: list[Any]) -> tuple[int | None, tuple[str, ...], tuple[int, ...]]:
    pages, warnings, pictures = values
    return None if pages is None else int(pages), tuple(map(str, warnings)), tuple(map(int, pictures))


def _told(code: str, message: str) -> UnreadableFile:
    """Return the error that the child names."""
    return UnreadableFile(code, message or "reading it needs more memory than allowed (--parse-memory)")


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
