"""A warm process that forks: each child works on a library until a step of its choice kills it, or fails.

Reads lines of JSON: {folder, what, kind, number, how}. The child breaks at the `number`-th step of a kind: "point" (a named
step of the library), "write" (a write of SQLite, caught where SQLite itself is tested: the system calls of its VFS can be
replaced) or "call" (a call of `os` that changes the disk). `how`: "kill", "torn" (half of a write, and then killed), or
the name of an error that the step gives, with "+" behind it all later ones too, until the child has tried everything
once. Answers with a line of JSON: {status, said, steps}, where `steps` is how many of each kind there were, if it lived.
"""

import ctypes
import errno
import json
import logging
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[2])

import faiss  # noqa: E402

from knowledge import ingest, rebuild  # noqa: E402
from knowledge.base import KnowledgeError  # noqa: E402
from knowledge.file_base import Wish  # noqa: E402
from knowledge.library import Library  # noqa: E402
from tests.knowledge.conftest import finish, reach  # noqa: E402
from tests.knowledge.doomed import change, prepare, say, switch  # noqa: E402
from tests.knowledge.stubs import StubEmbedder, read_text, settings, story  # noqa: E402

TORN = -1
CALLS = ("fsync", "replace", "unlink", "mkdir")
WRITES = {"write": False, "pwrite": True, "pwrite64": True}
"""SQLite's ways to write, and whether they are told the place."""


class Breaker:
    """Counts the steps, and breaks one of them."""

    def __init__(self, kind: str, number: int, how: str) -> None:
        self.steps = {"point": 0, "write": 0, "call": 0}
        self._kind, self._number, self._how = kind, number, how
        self.armed = False

    def step(self, kind: str) -> int:
        """Count a step; returns the error that it shall give, 0 for none."""
        if not self.armed:
            return 0
        self.steps[kind] += 1
        count = self.steps[kind]
        if kind != self._kind or (count != self._number and not (self._how.endswith("+") and count > self._number)):
            return 0
        if self._how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        return TORN if self._how == "torn" else int(getattr(errno, self._how.removesuffix("+")))

    def point(self, name: str) -> None:
        """Be told a named step."""
        self.step("point")

    def watch(self) -> None:
        """See every call of `os` that changes the disk, and every write of SQLite."""
        for name in CALLS:
            setattr(os, name, self._watched(getattr(os, name)))
        self._kept = list(self._written())

    def _watched(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            if code := self.step("call"):
                raise OSError(code, os.strerror(code))
            return real(*given, **named)

        return call

    def _written(self) -> Any:
        """Replace SQLite's write calls; yields what must stay alive."""
        library, libc = ctypes.CDLL("libsqlite3.so.0"), ctypes.CDLL(None, use_errno=True)
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        vfs = library.sqlite3_vfs_find(None)
        for name, placed in WRITES.items():
            real = getattr(libc, name)
            kinds = (ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, *([ctypes.c_int64] if placed else []))
            real.restype, real.argtypes = kinds[0], kinds[1:]

            def write(*given: int, real: Any = real) -> int:
                if not (code := self.step("write")):
                    return int(real(*given))
                if code == TORN:
                    real(given[0], given[1], given[2] // 2, *given[3:])
                    os.kill(os.getpid(), signal.SIGKILL)
                ctypes.set_errno(code)
                return -1

            function = ctypes.CFUNCTYPE(*kinds, use_errno=True)(write)
            assert vfs.contents.set_system_call(vfs, name.encode(), ctypes.cast(function, ctypes.c_void_p)) == 0
            yield function


class _Vfs(ctypes.Structure):
    """sqlite3_vfs, version 3 (sqlite.org/c3ref/vfs.html)."""


_Vfs._fields_ = [
    ("version", ctypes.c_int),
    ("size", ctypes.c_int),
    ("longest", ctypes.c_int),
    ("next", ctypes.c_void_p),
    ("name", ctypes.c_char_p),
    ("data", ctypes.c_void_p),
    ("methods", ctypes.c_void_p * 13),
    ("set_system_call", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Vfs), ctypes.c_char_p, ctypes.c_void_p)),
]


def attempt(library: Library) -> None:
    """Try to change everything, whatever fails, searching meanwhile; says what was promised and what was refused."""

    def file() -> None:
        kept.append(library.files.upload("kept alone.txt", [story("alone", 3)], "assistants").id)
        say(f"file {kept[0]}")

    def put() -> None:
        taken = library.files.upload("taken.txt", [story("newtaken", 3)], "assistants").id
        library.files.put("default", [Wish(taken, {"kind": "t"})])

    kept: list[str] = []
    for promise, act in (
        ("accepted new.txt", lambda: library.add("default", "new.txt", story("newnew", 9))),
        ("accepted replaced.txt", lambda: library.add("default", "replaced.txt", story("newreplaced", 9))),
        ("removed", lambda: library.remove("default", "removed.txt")),
        ("off", lambda: switch(library, True)),
        ("on", lambda: switch(library, False)),
        ("deleted", lambda: library.delete("other")),
        ("tried", file),
        ("tried", put),
    ):
        try:
            act()
            say(promise)
        except KnowledgeError as error:
            say(f"refused {error}")
        assert library.search("default", "oldkep part2", 1)[0].source.name == "kept.txt"


def rebuilt(folder: Path, breaker: Breaker) -> None:
    """Open the folder with another model, and make all vectors again."""
    rebuild.BATCH = 3
    model = StubEmbedder("new", dimension=64)
    library = Library(
        settings(folder), read=read_text, embedder=model, embedder_at=lambda path: StubEmbedder(), fault=breaker.point
    )
    breaker.armed = True
    library.open()
    library.load(lambda what, part: None)
    say("opened")
    for base in library.bases():
        library.rebuild(base.name)
    say("wanted")
    reach(lambda: not library.rebuilds())
    say("rebuilt")
    library.close()
    say(json.dumps(breaker.steps))


def child(folder: Path, breaker: Breaker, tolerant: bool) -> None:
    """Change all that can be changed; `tolerant`: whatever fails."""
    ingest.PAUSE_SECONDS = 0.02
    pauses = (0.02, 0.02)
    library = Library(settings(folder), read=read_text, embedder=StubEmbedder(), fault=breaker.point, pauses=pauses)
    library.open()
    library.load(lambda what, part: None)
    if not library.documents("default"):
        prepare(library)
    breaker.armed = True
    if tolerant:
        attempt(library)
        breaker.armed = False  # there is room again: what was refused works without a new start
        attempt(library)
        finish(library)
        said = {job.name: job for job in library.jobs("default")}
        for name in ("new.txt", "replaced.txt"):
            assert said[name].stage in ("ready", "skipped"), said[name]
            assert {passage.text[:3] for passage in library.passages("default", name)} == {"new"}
    else:
        change(library)
    library.close()
    say(json.dumps(breaker.steps))


def serve() -> None:
    """Answer each line."""
    warm = faiss.IndexIDMap(faiss.IndexFlatIP(4))
    assert warm.ntotal == 0 and sqlite3.sqlite_version
    for line in sys.stdin:
        asked = json.loads(line)
        reading, writing = os.pipe()
        number = os.fork()
        if number == 0:
            os.close(reading)
            os.dup2(writing, 1)
            breaker = Breaker(asked["kind"], asked["number"], asked["how"])
            breaker.watch()
            try:
                logging.disable()
                if asked["what"] == "rebuild":
                    rebuilt(Path(asked["folder"]), breaker)
                else:
                    child(Path(asked["folder"]), breaker, asked["how"] not in ("kill", "torn"))
            except BaseException:
                import traceback

                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            said = pipe.read().splitlines()
        status = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
        steps = json.loads(said.pop()) if status == 0 else {}
        print(json.dumps({"status": status, "said": said, "steps": steps}), flush=True)


if __name__ == "__main__":
    serve()
