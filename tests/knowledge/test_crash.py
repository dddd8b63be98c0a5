"""`kill -9` at every step of every change: what was promised is there afterwards, and the rest is whole or absent."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.knowledge.checks import check, check_open
from tests.knowledge.conftest import Make, finish
from tests.knowledge.promises import contents, keeps, repeat

DOOMED = Path(__file__).with_name("doomed.py")

POINTS = [
    *("recv_tmp", "tmp_fsync", "blob_rename", "dir_fsync", "row_received", "parse_start", "parse_done", "chunked"),
    *("embed_batch", "tx_begin", "tx_rows", "tx_commit", "index_add"),
    *("remove_rows", "remove_commit", "remove_index", "clear_rows", "clear_commit", "blob_unlink"),
    *("row_kept", "take_rows", "take_commit", "off_rows", "off_commit", "off_index"),
]


def doomed(folder: Path, point: str, times: int = 1) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(DOOMED), str(folder), point, str(times)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def promises(process: subprocess.Popen[str]) -> set[str]:
    """Wait until the process is dead; returns what it was promised before."""
    said, _ = process.communicate(timeout=60)
    return set(said.splitlines())


@pytest.mark.parametrize(
    ("point", "times"), [*((point, 1) for point in POINTS), ("recv_tmp", 2), ("embed_batch", 4), ("tx_rows", 2)]
)
def test_killed_at(make: Make, tmp_path: Path, point: str, times: int) -> None:
    process = doomed(tmp_path / "data", point, times)
    said = promises(process)
    assert process.returncode == -9 and "prepared" in said
    library = make(load=False)
    assert not list((tmp_path / "data" / "originals" / "incoming").iterdir())
    library.load(lambda what, part: None)
    assert {job.stage for job in finish(library)} <= {"ready", "skipped"}
    keeps(library, said)
    check_open(library)
    repeat(library)
    check_open(library)
    library.close()
    check(tmp_path / "data")


def test_a_file_that_kills_the_process_three_times_is_not_tried_again(make: Make, tmp_path: Path) -> None:
    for _ in range(3):
        process = doomed(tmp_path / "data", "parse_done")
        promises(process)
        assert process.returncode == -9
    library = make()
    first = next(job for job in finish(library) if job.name == "new.txt")
    assert (first.stage, first.code) == ("failed", "interrupted")
    assert contents(library, "kept.txt") == {"old"}
    # A process that began again may have handed the file in again before it died: then the retry finds it stored.
    library.retry(first.id)
    assert next(job for job in finish(library) if job.id == first.id).stage in ("ready", "skipped")
    assert contents(library, "new.txt") == {"new"}


def test_a_storm_of_kills_at_any_moment(make: Make, tmp_path: Path) -> None:
    choice = random.Random(7)
    said: set[str] = set()
    for _ in range(6):
        process = doomed(tmp_path / "data", "never")
        assert process.stdout is not None
        if not said:
            said.add(process.stdout.readline().strip())
        time.sleep(choice.random() * 0.5)
        process.kill()
        said |= promises(process)
        library = make()
        finish(library)
        keeps(library, said)
        check_open(library)
        library.close()
        check(tmp_path / "data")
