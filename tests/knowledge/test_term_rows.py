"""The words of a base: kept with its passages, gone with them, made anew from an older database."""

import sqlite3
from pathlib import Path

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


def test_the_schema_step_is_one_table_that_goes_with_its_chunks() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.executescript("CREATE TABLE chunks (id INTEGER PRIMARY KEY);" + term_rows.SCHEMA)
    connection.execute("INSERT INTO chunks VALUES (1), (2)")
    term_rows.put(connection, [1, 2], [b"a", b"b"])
    connection.execute("DELETE FROM chunks WHERE id = 1")
    assert connection.execute("SELECT chunk_id FROM chunk_terms").fetchall() == [(2,)]
