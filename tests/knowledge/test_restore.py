"""The way back from a backup: whole or not at all, wherever it is cut off."""

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from knowledge import backup, restore, store
from knowledge.base import KnowledgeError, StoreInUse
from tests.knowledge.checks import check, check_open
from tests.knowledge.conftest import Make, ask, fill, finish


def test_what_was_there_before_is_kept(make: Make, tmp_path: Path) -> None:
    library = make()
    fill(library, "one.txt")
    backup.write(tmp_path / "data", tmp_path / "copy")
    library.remove("default", "one.txt")
    fill(library, "two.txt")
    with pytest.raises(StoreInUse, match=f"process {os.getpid()}"):
        restore.put(tmp_path / "copy", tmp_path / "data")
    library.close()
    before = restore.put(tmp_path / "copy", tmp_path / "data")
    assert before is not None
    check(before)
    assert [document.name for document in make().documents("default")] == ["one.txt"]


def broken_original(copy: Path) -> None:
    next(path for path in (copy / "originals").rglob("*") if path.is_file() and path.stat().st_size > 50).write_bytes(b"x")


def missing_original(copy: Path) -> None:
    next(path for path in (copy / "originals").rglob("*") if path.is_file()).unlink()


def broken_page(copy: Path) -> None:
    with (copy / "knowledge.db").open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 4096 * 3)


def missing_passage(copy: Path) -> None:
    with closing(sqlite3.connect(copy / "knowledge.db")) as connection:
        connection.execute("DELETE FROM chunks WHERE id = 1")
        connection.commit()


def no_database(copy: Path) -> None:
    (copy / "knowledge.db").unlink()


def newer(copy: Path) -> None:
    with closing(sqlite3.connect(copy / "knowledge.db")) as connection:
        connection.execute(f"PRAGMA user_version={store.VERSION + 1}")


def emptied(copy: Path) -> None:
    (copy / "knowledge.db").write_bytes(b"")


def of_another_program(copy: Path) -> None:
    (copy / "knowledge.db").unlink()
    with closing(sqlite3.connect(copy / "knowledge.db")) as connection:
        connection.execute("CREATE TABLE customers (name)")


HARMS = [broken_original, missing_original, broken_page, missing_passage, no_database, newer, emptied, of_another_program]


@pytest.mark.parametrize("harm", HARMS)
def test_one_that_is_not_whole_changes_nothing(make: Make, tmp_path: Path, harm: object) -> None:
    library = make()
    fill(library, "one.txt", "two.txt")
    shutil.copytree(
        backup.write(tmp_path / "data", tmp_path / "linked").path, tmp_path / "copy"
    )  # its originals are the library's own
    library.close()
    harm(tmp_path / "copy")  # type: ignore[operator]
    before = {path.relative_to(tmp_path) for path in (tmp_path / "data").rglob("*")}
    with pytest.raises(KnowledgeError, match=r"not whole|no backup"):
        restore.put(tmp_path / "copy", tmp_path / "data")
    assert {path.relative_to(tmp_path) for path in (tmp_path / "data").rglob("*")} == before
    assert len(make().documents("default")) == 2


def test_a_crash_between_any_two_renames_is_ended_by_the_next_start(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = make()
    fill(library, "old.txt")
    ask(library, "old?")
    token = library.card("default").id
    backup.write(tmp_path / "data", tmp_path / "copy")
    library.remove("default", "old.txt")
    fill(library, "new.txt")
    ask(library, "new?")
    library.close()
    (tmp_path / "data/indexes").mkdir(exist_ok=True)
    (tmp_path / "data/indexes/1.index").write_bytes(b"of the database that goes")
    shutil.copytree(tmp_path / "data", tmp_path / "start")
    rename, left = os.rename, [0]

    class Cut(BaseException):
        pass

    def counted(*paths: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Cut
        rename(*paths)

    ends = []
    for renames in range(14):
        shutil.rmtree(tmp_path / "data")
        shutil.copytree(tmp_path / "start", tmp_path / "data")
        left[0] = renames
        with monkeypatch.context() as patched, suppress(Cut):
            patched.setattr(os, "rename", counted)
            restore.put(tmp_path / "copy", tmp_path / "data")
            ends.append(renames)
        again = make()
        finish(again)
        names = [document.name for document in again.documents("default")]
        assert names == (["old.txt"] if renames else ["new.txt"])
        asked = [row["question"] for row in again.question_files.rows(token)]
        assert asked == (["old?"] if renames else ["old?", "new?"])
        assert (tmp_path / "data/indexes").exists() == (not renames)
        assert not list((tmp_path / "data").glob("restore*"))
        check_open(again)
        again.close()
        check(tmp_path / "data")
    assert 5 < ends[0] < 12
