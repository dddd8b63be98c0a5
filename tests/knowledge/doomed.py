"""A process that works on a library until a step of its choice, where it kills itself as `kill -9` would.

Usage: doomed.py FOLDER POINT TIMES. It prints a line for each promise that the library made to it.
"""

import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

from knowledge.base import UnknownBase, UnknownDocument  # noqa: E402
from knowledge.file_base import Wish  # noqa: E402
from knowledge.library import Library  # noqa: E402
from tests.knowledge.conftest import finish  # noqa: E402
from tests.knowledge.stubs import StubEmbedder, read_text, settings, story  # noqa: E402


def prepare(library: Library) -> None:
    """Store what the armed part replaces and removes."""
    library.create("other")
    for name in ("kept.txt", "replaced.txt", "removed.txt"):
        library.add("default", name, story(f"old{name[:3]}", 6))
    library.add("other", "other.txt", story("oldother", 6))
    finish(library)
    finish(library, "other")
    say("prepared")


def change(library: Library) -> None:
    """Do all that changes something, saying what was promised."""
    library.add("default", "new.txt", story("newnew", 9))
    say("accepted new.txt")
    library.add("default", "replaced.txt", story("newreplaced", 9))
    say("accepted replaced.txt")
    finish(library)
    say("ready")
    with suppress(UnknownDocument):
        library.remove("default", "removed.txt")
    say("removed")
    switch(library, True)
    say("off")
    switch(library, False)
    say("on")
    with suppress(UnknownBase):
        library.delete("other")
    say("deleted")
    files = library.files
    kept = files.upload("kept alone.txt", [story("alone", 3)], "assistants").id
    say(f"file {kept}")
    taken = files.upload("taken.txt", [story("newtaken", 3)], "assistants").id
    entries = files.put("default", [Wish(taken, {"kind": "t"})])
    say(f"put {entries[0].file}")
    finish(library)
    files.delete(taken)
    say(f"took {taken}")


def switch(library: Library, off: bool) -> None:
    """Switch two passages of the kept document off, or one of them on."""
    kept = [one.chunk_id for one in library.passages("default", "kept.txt")]
    library.switch_passages("default", "kept.txt", kept[1:3] if off else kept[2:3], off)


def say(line: str) -> None:
    print(line, flush=True)


def main(folder: Path, point: str, times: int) -> None:
    armed, left = threading.Event(), [times]

    def fault(reached: str) -> None:
        if armed.is_set() and reached == point:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    library = Library(settings(folder), read=read_text, embedder=StubEmbedder(), fault=fault)
    library.open()
    prepared = bool(library.documents("default"))
    if prepared:  # what an earlier process left is taken up as soon as the model is loaded
        armed.set()
    library.load(lambda what, part: None)
    if not prepared:
        prepare(library)
        armed.set()
    change(library)
    library.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
