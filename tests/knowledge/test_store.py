"""The database file: opened, refused, full, damaged, shared by threads."""

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from knowledge import schema
from knowledge.base import KnowledgeError, StorageFull
from knowledge.store import VERSION, Store
from tests.knowledge.conftest import Make


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "knowledge.db"


def opened(path: Path) -> Store:
    store = Store(path)
    store.open()
    return store


def test_it_is_durable_checked_and_private(path: Path) -> None:
    store = opened(path)
    with store.write() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    with store.write(durable=False) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (1,)
    with store.write() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}
    store.close()


def test_an_exception_rolls_back(path: Path) -> None:
    store = opened(path)
    with pytest.raises(ZeroDivisionError), store.write() as connection:
        connection.execute("INSERT INTO bases (name, folded) VALUES ('a', 'a')")
        _ = 1 / 0
    with store.read() as connection:
        assert connection.execute("SELECT count(*) FROM bases").fetchone() == (0,)
    store.close()


def test_a_reader_sees_one_moment(path: Path) -> None:
    store = opened(path)
    with store.read() as reader:
        assert reader.execute("SELECT count(*) FROM bases").fetchone() == (0,)
        with store.write() as connection:
            connection.execute("INSERT INTO bases (name, folded) VALUES ('a', 'a')")
        assert reader.execute("SELECT count(*) FROM bases").fetchone() == (0,)
    with store.read() as reader:
        assert reader.execute("SELECT count(*) FROM bases").fetchone() == (1,)
    store.close()


def test_a_reader_does_not_wait_for_a_writer(path: Path) -> None:
    store = opened(path)
    with store.write() as connection:
        connection.execute("INSERT INTO bases (name, folded) VALUES ('a', 'a')")
        with store.read() as reader:
            assert reader.execute("SELECT count(*) FROM bases").fetchone() == (0,)
    store.close()


def test_a_newer_file_is_refused_untouched(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version={VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(KnowledgeError, match="newer version"):
        Store(path).open()
    assert path.read_bytes() == before


def test_the_file_of_another_program_is_refused_untouched(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bases (name)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(KnowledgeError, match="another program"):
        Store(path).open()
    assert path.read_bytes() == before


def test_a_damaged_file_is_named_and_not_overwritten(path: Path) -> None:
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(KnowledgeError, match=r"knowledge\.db is damaged .* not changed"):
        Store(path).open()
    assert path.read_bytes() == b"this is not a database" * 100


def test_a_folder_that_cannot_be_written_is_named(path: Path) -> None:
    path.mkdir()
    with pytest.raises((KnowledgeError, IsADirectoryError)):
        Store(path).open()


def test_a_full_disk_is_said_and_leaves_all_readable_and_writable_again(path: Path) -> None:
    store = opened(path)
    with store.write() as connection:
        connection.execute("INSERT INTO bases (name, folded) VALUES ('kept', 'kept')")
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(StorageFull, match="full"), store.write() as connection:
        connection.execute("INSERT INTO bases (name, folded) VALUES (?, 'b')", ("x" * 100_000,))
    with store.read() as connection:
        assert connection.execute("SELECT name FROM bases").fetchall() == [("kept",)]
    with store.write() as connection:
        connection.execute("INSERT INTO bases (name, folded) VALUES ('after', 'after')")
    store.close()


def test_closed_says_so(path: Path) -> None:
    store = opened(path)
    store.close()
    with pytest.raises(KnowledgeError, match="closed"), store.read():
        pass
    with pytest.raises(KnowledgeError, match="closed"), store.write():
        pass


def test_closing_while_someone_reads_harms_nobody(path: Path) -> None:
    store = opened(path)
    with store.read() as connection:
        store.close()
        assert connection.execute("SELECT count(*) FROM bases").fetchone() == (0,)


def test_many_threads_write_and_read(path: Path) -> None:
    store = opened(path)
    failures: list[Exception] = []

    def work(number: int) -> None:
        try:
            for k in range(20):
                with store.write(durable=False) as connection:
                    connection.execute("INSERT INTO bases (name, folded) VALUES (?, ?)", (f"{number} {k}",) * 2)
                with store.read() as connection:
                    connection.execute("SELECT count(*) FROM bases").fetchone()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as connection:
        assert failures == [] and connection.execute("SELECT count(*) FROM bases").fetchone() == (240,)
    store.close()


def test_ids_are_not_used_again(path: Path) -> None:
    store = opened(path)
    numbers = []
    for _ in range(3):
        with store.write() as connection:
            numbers.append(connection.execute("INSERT INTO bases (name, folded) VALUES ('a', 'a')").lastrowid)
            connection.execute("DELETE FROM bases")
    assert len(set(numbers)) == 3
    store.close()


def test_an_older_schema_is_copied_before_it_is_brought_up_to_date(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "knowledge.db")) as connection:
        connection.executescript(schema.FIRST + "PRAGMA user_version=1; INSERT INTO bases (name, folded) VALUES ('a', 'a');")
    library = make()
    assert {base.name for base in library.bases()} == {"a", "default"}
    kept = folder / "knowledge.db.schema-1"
    with closing(sqlite3.connect(kept)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT name FROM bases").fetchall() == [("a",)]
    assert kept.stat().st_mode & 0o077 == 0
    written = kept.stat().st_mtime_ns
    library.close()
    make()
    assert kept.stat().st_mtime_ns == written


def test_without_room_for_the_copy_the_older_file_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "knowledge.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema.FIRST + "PRAGMA user_version=1;")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KnowledgeError, match="is full"):
        Store(path).open()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
