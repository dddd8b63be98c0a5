"""What a child does: limits itself, then runs one loader on one file and writes what it finds to a pipe.

`fork_server.py` forks it for a job, a JSON object: target ("module:function"), path, memory (MiB), seconds (of CPU), arguments
(keywords for the target, which may then answer with lines of its own). It writes JSON, a list a line::

    ["page", 3, 120]
    ["block", text, kind, page, headings, first_line, last_line]
    ["done", pages, warnings, pictures]          or        ["error", code, message]

No file is opened before the limits stand. It knows no settings and no format.
"""

import contextlib
import ctypes
import json
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from knowledge.base import UnreadableFile
from knowledge.loaders import load
from knowledge.loaders.base import Block, Extract

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
SIGKILL = 9
OPEN_FILES = 64
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.startfile", "pty.spawn")


def main(job: dict[str, Any], parent: int, out: TextIO) -> None:
    """Read the job's file under the job's limits, as a child of `parent`; the outcome, whatever it is, is one last line."""
    die_with(parent)
    limit(job["memory"], job["seconds"])
    sys.addaudithook(refuse_outside)
    for line in lines_of(job["target"], job["path"], out, job["arguments"]):
        print(json.dumps(line, ensure_ascii=False), file=out)
    out.flush()


def lines_of(target: str, path: str, out: TextIO, arguments: dict[str, Any]) -> Iterator[list[Any]]:
    """Yield the lines of the outcome; pages are reported to `out` while reading."""

    def report(page: int, pages: int) -> None:
        print(json.dumps(["page", page, pages]), file=out, flush=True)

    try:
        found: Any = load(target)(Path(path), report, **arguments)
    except UnreadableFile as error:
        yield ["error", error.code, str(error)]
    except MemoryError:
        yield ["error", "out_of_memory", ""]
    except RecursionError:
        yield ["error", "broken", "the file is nested too deeply to be read"]
    except Exception as error:  # the edge of foreign libraries: whatever they raise, the file is at fault
        yield ["error", "broken", f"the file is damaged or not what its name says ({type(error).__name__})"]
    else:
        yield from encoded(found) if isinstance(found, Extract) else found


def encoded(extract: Extract) -> Iterator[list[Any]]:
    """Yield an extract as lines."""
    for block in extract.blocks:
        yield block_line(block)
    yield ["done", extract.pages, list(extract.warnings), list(extract.pictures)]


def block_line(block: Block) -> list[Any]:
    """Return a block as a line; `knowledge.child_answers.block_of` is the way back."""
    at = block.locator
    return ["block", block.text, block.kind, at.page, list(at.headings), at.first_line, at.last_line]


def die_with(parent: int) -> None:
    """Be killed when the process that forked this one ends; the server may be killed at any time (F-36)."""
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):  # not Linux: the parent's own clean-up has to do
        return
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:  # it was gone before the request was made
        os._exit(1)


def limit(memory: int, seconds: int) -> None:
    """Limit this process to `memory` MiB of address space and `seconds` of CPU: no written byte, no core, no child."""
    limits = {
        resource.RLIMIT_AS: memory * 1024 * 1024,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
    }
    for kind, value in limits.items():
        _, hard = resource.getrlimit(kind)
        soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
        # A hard CPU limit equal to the soft one would send SIGKILL, which says less than SIGXCPU.
        above = soft + 1 if kind == resource.RLIMIT_CPU and soft == value else soft
        with contextlib.suppress(ValueError, OSError):  # macOS knows no RLIMIT_AS
            resource.setrlimit(kind, (soft, above if hard == resource.RLIM_INFINITY else min(above, hard)))


def refuse_outside(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse network, processes and writing; an audit hook, which Python code can neither pass nor take off."""
    if event == "open":
        path, _, flags = arguments
        if isinstance(flags, int) and flags & WRITING and path != os.devnull:
            raise PermissionError("the sandbox writes no file")
    elif event.startswith(FORBIDDEN):
        raise PermissionError(f"the sandbox allows no {event}")
