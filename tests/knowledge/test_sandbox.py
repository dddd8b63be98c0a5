"""Whatever a loader does, the reader gets a sentence, and no child is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from knowledge.base import UnreadableFile, UnsupportedFormat
from knowledge.children import ROOT, Child
from knowledge.loaders import LOADERS, target_for
from knowledge.loaders.base import Extract
from knowledge.sandbox import Cancelled, Sandbox, Task
from knowledge.settings import KnowledgeSettings
from tests.knowledge.make_files import book, docx_bytes, paragraph, pdf, slides, workbook

Read = Callable[..., Extract]


def settings(**limits: int) -> KnowledgeSettings:
    return KnowledgeSettings.model_validate(limits)


@pytest.fixture
def started(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> list[Child]:
    """The children that were started."""
    children: list[Child] = []
    start = sandbox.start

    def told(task: Task, settings: KnowledgeSettings) -> Child:
        children.append(start(task, settings))
        return children[-1]

    monkeypatch.setattr(sandbox, "start", told)
    return children


@pytest.fixture
def read(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Read a file with a loader of `tests.knowledge.rogue`."""
    path = tmp_path / "file.rogue"
    path.write_text("text")

    def run(loader: str, cancelled: threading.Event | None = None, **limits: int) -> Extract:
        monkeypatch.setitem(LOADERS, ".rogue", f"tests.knowledge.rogue:{loader}")
        return sandbox.read(path, path.name, settings(**limits), lambda page, pages: None, cancelled or threading.Event())

    return run


def failure(read: Read, loader: str, **limits: int) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as caught:
        read(loader, **limits)
    return caught.value


def gone(started: list[Child]) -> bool:
    return bool(started) and not any(Path(f"/proc/{child.pid}").exists() for child in started)


def one_slide(presentation: Any) -> None:
    presentation.slides.add_slide(presentation.slide_layouts[5]).shapes.title.text = "one"


def test_reads_real_files(sandbox: Sandbox, tmp_path: Path) -> None:
    files = {
        "a.pdf": pdf(["one", "two"]),
        "b.docx": docx_bytes(paragraph("one")),
        "c.txt": b"one",
        "d.md": b"# h\n\none",
        "e.html": b"<h1>h</h1><p>one",
        "f.csv": b"one\n",
        "g.xlsx": workbook(lambda book: book.active.append(["one"])),
        "h.pptx": slides(one_slide),
        "i.epub": book(["<p>one"]),
    }
    for name, content in files.items():
        kept = tmp_path / name[0]  # as an original is: without the ending of its name
        kept.write_bytes(content)
        seen: list[tuple[int, int]] = []
        report = lambda page, pages: seen.append((page, pages))  # noqa: B023, E731
        extract = sandbox.read(kept, name, settings(), report, threading.Event())
        assert extract.blocks[0].text == "one"
        assert seen == ([(1, 2), (2, 2)] if name == "a.pdf" else [(1, 1)])


def test_an_extract_comes_back_whole_between_noise(read: Read) -> None:
    extract = read("chatter")
    block = extract.blocks[0]
    assert (block.text, block.kind, extract.pages, extract.warnings) == ("text", "code", 7, ("beware",))
    assert (block.locator.page, block.locator.headings, block.locator.last_line) == (3, ("a", "b"), 2)


@pytest.mark.parametrize(
    ("loader", "limits", "code", "words"),
    [
        ("burn", {"parse_seconds": 1}, "timed_out", "1 s"),
        ("sleep", {"parse_seconds": 1}, "timed_out", "1 s"),
        ("swallow", {"parse_memory": 256}, "out_of_memory", "memory"),
        ("burst", {"parse_memory": 256}, "out_of_memory", "--parse-memory"),
        ("crash", {}, "crashed", "signal 11"),
        ("leave", {}, "crashed", "exit status 3"),
        ("flood", {}, "too_large", "--max-characters"),
        ("flood", {"max_characters": 10**9}, "too_large", "64 MiB"),
        ("fail", {}, "broken", "KeyError"),
        ("recurse", {}, "broken", "nested"),
        ("refuse", {}, "wrong_type", "not mine"),
        ("lie", {}, "broken", "understood"),
    ],
)
def test_each_way_to_fail_has_its_sentence(
    read: Read, started: list[Child], loader: str, limits: dict[str, int], code: str, words: str
) -> None:
    began = time.monotonic()
    error = failure(read, loader, **limits)
    assert (error.code, words in str(error)) == (code, True), str(error)
    assert time.monotonic() - began < 10
    assert gone(started)


def test_what_the_server_holds_is_not_taken_for_the_childs_memory(read: Read) -> None:
    held = b"x" * (200 << 20)
    assert failure(read, "crash", parse_memory=256).code == "crashed"
    assert held


def test_nothing_outside_can_be_reached(read: Read) -> None:
    assert read("pry").blocks[0].text == "possible: [], environment: [], folder: /"


def test_cancelling_kills_at_once(read: Read, started: list[Child]) -> None:
    cancelled = threading.Event()
    threading.Timer(0.3, cancelled.set).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        read("sleep", cancelled)
    assert time.monotonic() - began < 5
    assert gone(started)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGKILL, "crashed"), (signal.SIGSTOP, "timed_out")])
def test_a_child_killed_or_stopped_from_outside(
    sandbox: Sandbox, started: list[Child], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: signal.Signals, code: str
) -> None:
    monkeypatch.setitem(LOADERS, ".rogue", "tests.knowledge.rogue:sleep")
    path = tmp_path / "file.rogue"
    path.touch()

    def strike(page: int, pages: int) -> None:  # the first page is reported, so this comes in the middle
        os.kill(started[0].pid, sent)

    with pytest.raises(UnreadableFile) as caught:
        sandbox.read(path, path.name, settings(parse_seconds=2), strike, threading.Event())
    assert caught.value.code == code
    assert code != "crashed" or "signal 9" in str(caught.value)
    assert gone(started)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills children with their parent")
def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "file.rogue"
    path.touch()
    program = (
        "import sys, threading; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from knowledge.sandbox import Sandbox\n"
        "from knowledge.loaders import LOADERS\n"
        "from knowledge.settings import KnowledgeSettings\n"
        "LOADERS['.rogue'] = 'tests.knowledge.rogue:sleep'\n"
        "sandbox = Sandbox(); start = sandbox.start\n"
        "def told(*a):\n    child = start(*a); told.pid = child.pid; return child\n"
        "sandbox.start = told\n"
        "say = lambda *_: print(told.pid, flush=True)\n"
        "sandbox.read(Path(sys.argv[2]), 'file.rogue', KnowledgeSettings(), say, threading.Event())\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(ROOT), str(path)], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        child = int(server.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        server.kill()
        server.wait()
    until = time.monotonic() + 5
    while alive(child) and time.monotonic() < until:
        time.sleep(0.02)
    assert not alive(child)


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody reaps after its parent's death is dead, too."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_many_threads_read_at_once(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text")
    texts: list[str] = []

    def once() -> None:
        extract = sandbox.read(path, path.name, settings(), lambda *_: None, threading.Event())
        texts.append(extract.blocks[0].text)

    threads = [threading.Thread(target=once) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == ["text"] * 6


def test_an_empty_file_is_told(sandbox: Sandbox, tmp_path: Path) -> None:
    for name in (f"a{suffix}" for suffix in LOADERS):
        (tmp_path / name).touch()
        with pytest.raises(UnreadableFile) as caught:
            sandbox.read(tmp_path / name, name, settings(), lambda *_: None, threading.Event())
        assert caught.value.code == "empty"


def test_an_unknown_format_lists_what_is_read() -> None:
    with pytest.raises(UnsupportedFormat, match=r"save it as \.docx"):
        target_for("letter.doc")
    with pytest.raises(UnsupportedFormat, match=r"\.xyz files cannot be read, only \.txt.*\.pdf"):
        target_for("letter.xyz")


def test_the_table_of_loaders_imports_no_library() -> None:
    program = "import sys; sys.path.insert(0, sys.argv[1]); import knowledge.loaders; print([*sys.modules])"
    command = [sys.executable, "-c", program, str(ROOT)]
    modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    libraries = ("pypdf", "pypdfium2", "docx", "markdown_it", "charset_normalizer", "lxml", "openpyxl", "pptx", "tesserocr")
    assert not [name for name in libraries if f"'{name}'" in modules]
