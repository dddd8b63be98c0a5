"""The uploaded bytes: whole or absent, limits, rubbish, no path from a name."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from knowledge.base import KnowledgeError, StorageFull, TooLarge
from knowledge.originals import Originals


def nothing(point: str) -> None:
    pass


@pytest.fixture
def originals(tmp_path: Path) -> Originals:
    made = Originals(tmp_path / "originals", 0, nothing)
    made.open()
    return made


def files(originals: Originals) -> list[str]:
    return sorted(str(path.relative_to(originals.folder)) for path in originals.folder.glob("**/*") if path.is_file())


def test_bytes_are_kept_under_their_hash_for_the_owner_only(originals: Originals) -> None:
    received = originals.receive([b"one ", b"two"], 100)
    assert (received.size, received.sha256) == (7, hashlib.sha256(b"one two").hexdigest())
    originals.keep(received)
    assert originals.read(received.sha256) == b"one two"
    assert files(originals) == [f"{received.sha256[:2]}/{received.sha256}"]
    assert originals.path(received.sha256).stat().st_mode & 0o777 == 0o600
    assert originals.folder.stat().st_mode & 0o077 == 0


def test_the_same_bytes_are_kept_once(originals: Originals) -> None:
    for _ in range(2):
        originals.keep(originals.receive([b"x"], 100))
    assert len(originals.kept()) == 1


def test_the_limit_is_exact_and_leaves_nothing(originals: Originals) -> None:
    originals.drop(originals.receive([b"x" * 100], 100))
    with pytest.raises(TooLarge, match="max-file-size"):
        originals.receive([b"x" * 100, b"x"], 100)
    assert files(originals) == []


def test_a_broken_off_upload_leaves_nothing(originals: Originals) -> None:
    def parts() -> object:
        yield b"some"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        originals.receive(parts(), 100)  # type: ignore[arg-type]
    assert files(originals) == []


def test_cleaning_removes_what_a_dead_process_left(originals: Originals) -> None:
    originals.receive([b"left"], 100)
    originals.keep(kept := originals.receive([b"kept"], 100))
    originals.clean()
    assert originals.kept() == [kept.sha256] and len(files(originals)) == 1


def test_removing_twice_is_removing(originals: Originals) -> None:
    originals.keep(received := originals.receive([b"x"], 100))
    originals.remove(received.sha256)
    originals.remove(received.sha256)
    assert files(originals) == []
    with pytest.raises(KnowledgeError):
        originals.read(received.sha256)


def test_damaged_bytes_are_not_given_out(originals: Originals) -> None:
    originals.keep(received := originals.receive([b"x"], 100))
    originals.path(received.sha256).write_bytes(b"y")
    with pytest.raises(KnowledgeError, match="damaged"):
        originals.read(received.sha256)


def test_only_a_hash_becomes_a_path(originals: Originals) -> None:
    for name in ("../../etc/passwd", "/etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n", ""):
        with pytest.raises(ValueError, match="not a sha256"):
            originals.path(name)


def test_little_free_space_is_refused_with_the_numbers(tmp_path: Path) -> None:
    full = Originals(tmp_path, 1 << 60, nothing)
    full.open()
    with pytest.raises(StorageFull, match=r"MiB are free .*--min-free-disk"):
        full.receive([b"x"], 100)


def test_a_full_disk_is_said(originals: Originals, monkeypatch: pytest.MonkeyPatch) -> None:
    received = originals.receive([b"x"], 100)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull, match="full"):
        originals.keep(received)
    assert originals.kept() == []
