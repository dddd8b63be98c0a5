"""Children come from the fork server, whatever becomes of it, and end with it."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from knowledge.base import UnreadableFile
from knowledge.children import Child, Children
from knowledge.loaders import LOADERS
from knowledge.sandbox import Sandbox
from knowledge.settings import KnowledgeSettings
from tests.knowledge.conftest import reach

ROGUE = "tests.knowledge.rogue"


@pytest.fixture
def children() -> Iterator[Children]:
    made = Children()
    yield made
    made.close()


def job(loader: str, **arguments: Any) -> dict[str, Any]:
    return {"target": f"{ROGUE}:{loader}", "path": "/dev/null", "memory": 1024, "seconds": 5, "arguments": arguments}


def parent_of(child: Child) -> int:
    return int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[1])


def whole(child: Child) -> list[bytes]:
    lines: list[bytes] = []
    while not child.output.ended:
        lines += child.output.read(None)
    return lines


def test_all_come_from_one_process(children: Children) -> None:
    first, second = children.start(job("sleep")), children.start(job("sleep"))
    assert parent_of(first) == parent_of(second) != os.getpid()
    first.close()
    assert second.wait(0) is None
    second.close()
    assert second.wait(0) == -signal.SIGKILL


def test_a_killed_fork_server_takes_its_children_along_and_another_one_follows(children: Children) -> None:
    child = children.start(job("sleep"))
    os.kill(parent_of(child), signal.SIGKILL)
    assert child.wait(20) == -signal.SIGKILL
    reach(lambda: not Path(f"/proc/{child.pid}").exists())
    child.close()
    again = children.start(job("refuse"))
    assert whole(again) == [b'["error", "wrong_type", "not mine"]']
    assert again.wait(20) == 0
    again.close()


def test_closing_ends_all_and_it_can_begin_anew(children: Children) -> None:
    child = children.start(job("sleep"))
    server = parent_of(child)
    children.close()
    assert child.wait(20) == -signal.SIGKILL
    assert not Path(f"/proc/{server}").exists()
    child.close()
    again = children.start(job("leave"))
    assert (whole(again), again.wait(20)) == ([], 3)
    again.close()


def test_a_stopped_fork_server_is_replaced() -> None:
    children = Children(patience=0.5)
    child = children.start(job("sleep"))
    server = parent_of(child)
    os.kill(server, signal.SIGSTOP)
    again = children.start(job("leave"))
    assert again.wait(20) == 3
    assert not Path(f"/proc/{server}").exists()
    assert child.wait(20) == -signal.SIGKILL
    for one in (child, again):
        one.close()
    children.close()


def test_a_fork_of_this_process_keeps_nothing_alive(children: Children) -> None:
    child = children.start(job("sleep"))
    fork = os.fork()
    if not fork:
        signal.pause()
    try:
        children.close()
        assert child.wait(20) == -signal.SIGKILL
        child.close()
    finally:
        os.kill(fork, signal.SIGKILL)
        os.waitpid(fork, 0)


def test_unasked_it_ends_by_itself() -> None:
    children = Children(idle=0.1)
    child = children.start(job("sleep"))  # its parent can be asked while it lives
    server = parent_of(child)
    child.close()
    reach(lambda: not Path(f"/proc/{server}").exists())
    again = children.start(job("leave"))
    assert again.wait(20) == 3
    again.close()
    children.close()


def test_a_job_may_be_long(children: Children) -> None:
    child = children.start(job("tell", text="x" * 500_000))
    assert whole(child) == [b'["told", "' + 500_000 * b"x" + b'"]']
    child.close()


def test_nothing_is_left_open(children: Children) -> None:
    children.start(job("refuse")).close()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for loader in ("refuse", "leave", "crash"):
        children.start(job(loader)).close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_fork_server_that_does_not_start_is_told(children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.children.PROGRAM", Path("/nowhere.py"))
    with pytest.raises(ChildProcessError, match="does not start"):
        children.start(job("leave"))


def test_a_fork_server_that_ends_before_it_is_asked_is_told(children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> int:
        raise BrokenPipeError

    monkeypatch.setattr("knowledge.children.socket.send_fds", gone)
    with pytest.raises(ChildProcessError, match="does not start"):
        children.start(job("leave"))


def test_closing_a_sandbox_fails_the_file_that_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOADERS, ".rogue", f"{ROGUE}:sleep")
    (tmp_path / "file.rogue").touch()
    sandbox = Sandbox()
    begun = lambda page, pages: threading.Thread(target=sandbox.close).start()  # noqa: E731
    with pytest.raises(UnreadableFile, match="signal 9"):
        sandbox.read(tmp_path / "file.rogue", "file.rogue", KnowledgeSettings(), begun, threading.Event())
