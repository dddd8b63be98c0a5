"""More than two hundred steps at which the process dies, the disk is full or a write fails, and what is there afterwards.

The steps of each kind are counted first, then broken one by one (or evenly, where there are very many). After each one
the folder is opened again: invariants I1 to I7 of the design's list of faults hold.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from knowledge.library import Library
from tests.knowledge.checks import check, check_open
from tests.knowledge.conftest import finish, reach
from tests.knowledge.promises import keeps, repeat, switched_off
from tests.knowledge.stubs import BACK_TO_THREE, StubEmbedder, read_text, settings

BREAKING = Path(__file__).with_name("breaking.py")
NEVER = 1_000_000
MOST = {"point": 100, "write": 120, "call": 40}
"""Steps of a kind that are broken; together more than 200."""
TORN = 25


class Breaking:
    """The warm process; each question is one child, on a fresh copy of a prepared folder."""

    def __init__(self, folder: Path) -> None:
        alone = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [sys.executable, str(BREAKING)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **alone},
        )  # fmt: skip
        self._folder, self._prepared = folder, folder / "prepared"
        self.steps = {how: self._counted(how) for how in ("kill", "EIO")}

    def _counted(self, how: str) -> dict[str, int]:
        if not self._prepared.exists():
            library = Library(settings(self._prepared), read=read_text, embedder=StubEmbedder())
            library.open()
            library.load(lambda what, part: None)
            from tests.knowledge.doomed import prepare

            prepare(library)
            library.close()
        answer, _ = self.broken("write", NEVER, how)
        assert answer["status"] == 0, answer
        return dict(answer["steps"])

    def older(self) -> None:
        """Let the prepared folder be of the schema before the present one from now on."""
        with closing(sqlite3.connect(self._prepared / "knowledge.db")) as connection:
            connection.executescript(BACK_TO_THREE)

    def broken(self, kind: str, number: int, how: str, what: str = "changes") -> tuple[dict[str, Any], Path]:
        """Return what became of a child, and its folder."""
        folder = self._folder / "data"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._prepared, folder)
        assert self.process.stdin is not None and self.process.stdout is not None
        asked = {"folder": str(folder), "what": what, "kind": kind, "number": number, "how": how}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline()), folder


@pytest.fixture(scope="module")
def breaking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Breaking]:
    found = Breaking(tmp_path_factory.mktemp("breaking"))
    yield found
    found.process.communicate(timeout=60)
    assert found.process.returncode == 0


def opened(folder: Path, embedder: StubEmbedder | None = None) -> Library:
    present = embedder or StubEmbedder()
    library = Library(settings(folder), read=read_text, embedder=present, embedder_at=lambda path: StubEmbedder())
    library.open()
    library.load(lambda what, part: None)
    return library


def spread(steps: int, most: int) -> list[int]:
    """Return up to `most` numbers from 1 to `steps`, evenly, the first and the last among them."""
    many = min(steps, most)
    return sorted({round(1 + place * (steps - 1) / max(many - 1, 1)) for place in range(many)})


def holds(said: set[str], folder: Path, again: bool = False, failed: bool = False) -> None:
    """Assert that a folder is whole and keeps its promises; `again`: also after all was asked for again.

    `failed`: jobs may have, and then they say why.
    """
    library = opened(folder)
    try:
        for job in finish(library):
            assert job.stage in ("ready", "skipped") or (failed and job.stage == "failed" and job.code and job.detail), job
        keeps(library, said)
        assert "on" not in said or switched_off(library) == [1]
        check_open(library)
        reach(lambda: library.verify() == [])
        if again:
            repeat(library)
            check_open(library)
    finally:
        library.close()
    check(folder)


@pytest.mark.parametrize(("kind", "how"), [("point", "kill"), ("write", "kill"), ("call", "kill"), ("write", "torn")])
def test_killed_at_every_step(breaking: Breaking, kind: str, how: str) -> None:
    numbers = spread(breaking.steps["kill"][kind], MOST[kind] if how == "kill" else TORN)
    died = 0
    for number in numbers:
        answer, folder = breaking.broken(kind, number, how)
        if answer["status"] == 0:
            continue  # the last steps are those of the worker, and their number differs a little from run to run
        died += 1
        assert answer["status"] == -9, (kind, number, answer)
        try:
            holds(set(answer["said"]), folder, again=died % 10 == 0)
        except BaseException as error:
            error.add_note(f"{how} at {kind} {number} of {numbers[-1]}, after {answer['said']}")
            raise
    assert died >= len(numbers) * 0.9


@pytest.mark.parametrize("kind", ["point", "write"])
def test_killed_while_vectors_are_made_again(breaking: Breaking, kind: str) -> None:
    steps = breaking.broken(kind, NEVER, "kill", "rebuild")[0]["steps"][kind]
    went_on = 0
    for number in spread(steps, 30):
        answer, folder = breaking.broken(kind, number, "kill", "rebuild")
        assert answer["status"] in (-9, 0), answer
        library = opened(folder, StubEmbedder("new", dimension=64))
        went_on += "wanted" in answer["said"] and "rebuilt" not in answer["said"]
        for word in ("oldkep", "oldrep", "oldrem"):
            assert library.search("default", f"{word} part2", 1)[0].text.startswith(word)
        reach(lambda library=library: not any(one.running for one in library.rebuilds()))  # type: ignore[misc]
        left = {one.base for one in library.rebuilds()}
        assert not left or "wanted" not in answer["said"]
        assert library.verify() == []
        library.close()
        check(folder)
        old = opened(folder)  # and the way back: by the old model, whose vectors are those of what was not rebuilt
        assert {base.name for base in old.bases() if base.outdated} == {"default", "other"} - left
        old.close()
    assert went_on >= 5


def test_there_are_two_hundred_of_them(breaking: Breaking) -> None:
    steps = {kind: len(spread(steps, MOST[kind])) for kind, steps in breaking.steps["kill"].items()}
    assert sum(steps.values()) + TORN >= 220, breaking.steps


@pytest.mark.parametrize("how", ["ENOSPC", "EIO", "ENOSPC+", "EIO+"])
@pytest.mark.parametrize("kind", ["write", "call"])
def test_a_step_that_fails_is_told_and_nothing_is_lost(breaking: Breaking, kind: str, how: str) -> None:
    failed = 0
    for number in spread(breaking.steps["EIO"][kind] // 2, 8):
        answer, folder = breaking.broken(kind, number, how)
        assert answer["status"] == 0, (kind, how, number, answer)
        failed += any(line.startswith("refused") for line in answer["said"])
        try:
            holds({line for line in answer["said"] if not line.startswith(("refused", "tried"))}, folder, failed=True)
        except BaseException as error:
            error.add_note(f"{how} at {kind} {number}, after {answer['said']}")
            raise
    assert failed or not how.endswith("+")


@pytest.mark.parametrize("kind", ["write", "call"])
def test_killed_while_an_older_schema_is_brought_up_to_date(tmp_path_factory: pytest.TempPathFactory, kind: str) -> None:
    breaking = Breaking(tmp_path_factory.mktemp("older"))
    breaking.older()
    versions = set()
    for number in range(1, 1000, {"write": 5, "call": 1}[kind]):
        answer, folder = breaking.broken(kind, number, "kill", "rebuild")
        assert answer["status"] in (-9, 0), answer
        if "opened" in answer["said"]:
            break
        with closing(sqlite3.connect(folder / "knowledge.db")) as connection:
            versions |= set(connection.execute("PRAGMA user_version").fetchone())
        holds(set(), folder)
        with closing(sqlite3.connect(folder / "knowledge.db.schema-3")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("SELECT count(*) FROM documents").fetchone() == (4,)
    breaking.process.communicate(timeout=60)
    assert 3 in versions and number > 3
