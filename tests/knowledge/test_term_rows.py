"""The words of a base: kept with its passages, gone with them, made anew from an older database."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from knowledge import term_rows
from knowledge.library import Library
from tests.knowledge.conftest import Make, finish
from tests.knowledge.stubs import BACK_TO_THREE, story


def names(library: Library, query: str) -> set[str]:
    return {passage.source.name for passage in library.search("default", query, 50, mode="lexical")}


def rows(path: Path) -> list[tuple[int, bytes]]:
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT chunk_id, terms FROM chunk_terms ORDER BY chunk_id").fetchall()


def test_words_are_found_after_a_start_and_never_after_a_removal(make: Make) -> None:
    first = make()
    first.add("default", "a.txt", story("apple"))
    first.add("default", "b.txt", story("pear"))
    finish(first)
    assert names(first, "apple") == {"a.txt"} and names(first, "pear") == {"b.txt"}
    first.add("default", "a.txt", story("plum"))
    finish(first)
    assert names(first, "apple") == set() and names(first, "plum") == {"a.txt"}
    first.remove("default", "b.txt")
    first.close()
    second = make()
    assert names(second, "pear") == set() and names(second, "plum") == {"a.txt"}
    assert names(second, "zeppelin") == set()


def test_an_older_database_gets_its_words_when_it_is_loaded(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "data" / "knowledge.db"
    first = make()
    for number in range(3):
        first.add("default", f"story{number}.txt", story(f"word{number}"))
    finish(first)
    first.close()
    before = rows(path)
    with sqlite3.connect(path) as connection:
        connection.executescript(BACK_TO_THREE + "DROP TABLE chunk_terms; PRAGMA user_version=2;")
    second = make(load=False)
    told: list[str] = []
    second.load(lambda what, part: told.append(what))
    assert any("word index" in what for what in told)
    assert names(second, "word1") == {"story1.txt"}
    assert rows(path) == before


def test_terms_of_an_older_version_are_made_anew_and_kept_as_they_were_beside(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "data" / "knowledge.db"
    before = older_terms(make, path)
    second = make()
    assert names(second, "prediction") == {"story0.txt", "story1.txt", "story2.txt"}
    assert rows(path) == before and rows(path.with_name("knowledge.db.schema-5")) == [(row, b"") for row, _ in before]
    assert second.verify() == []
    second.close()
    assert rows(path) == before


def test_terms_that_a_stop_left_unmade_are_made_by_the_next_start(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data" / "knowledge.db"
    before = older_terms(make, path)
    monkeypatch.setattr(term_rows, "ROWS", 1)

    def stop(what: str, part: float | None) -> None:
        if part and part > 0.5 and "word index" in what:
            raise Stopped

    second = make(load=False)
    with pytest.raises(Stopped):
        second.load(stop)
    second.close()
    assert rows(path) == before[:2]
    assert names(make(), "prediction") == {"story0.txt", "story1.txt", "story2.txt"}
    assert rows(path) == before


def older_terms(make: Make, path: Path) -> list[tuple[int, bytes]]:
    """Make a base of three chunks as the version before the present terms left it; return the present terms."""
    first = make()
    for number in range(3):
        first.add("default", f"story{number}.txt", f"It predicts number {number}.".encode())
    finish(first)
    first.close()
    before = rows(path)
    assert len(before) == 3
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript("UPDATE chunk_terms SET terms = x''; PRAGMA user_version=5;")
    return before


class Stopped(Exception):
    """What a start is stopped by."""


def test_the_schema_step_is_one_table_that_goes_with_its_chunks() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.executescript("CREATE TABLE chunks (id INTEGER PRIMARY KEY);" + term_rows.SCHEMA)
    connection.execute("INSERT INTO chunks VALUES (1), (2)")
    term_rows.put(connection, [1, 2], [b"a", b"b"])
    connection.execute("DELETE FROM chunks WHERE id = 1")
    assert connection.execute("SELECT chunk_id FROM chunk_terms").fetchall() == [(2,)]
