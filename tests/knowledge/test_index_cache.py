"""The file of an index serves the next start, and whatever became of the database meanwhile, the index says what it says."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from knowledge import chunk_rows, index_cache, index_file
from knowledge.base import Passage
from knowledge.library import Library
from tests.knowledge.conftest import Make, finish
from tests.knowledge.stubs import StubEmbedder, story

QUESTIONS = ("apple part2", "plum part1", "fig part3", "quince")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_cache, "WORTH", 1)


@pytest.fixture
def read_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows with each reading of all vectors of a base."""
    read: list[int] = []
    whole = chunk_rows.vectors

    def counted(connection: sqlite3.Connection, number: int) -> object:
        read.append(number)
        return whole(connection, number)

    monkeypatch.setattr(chunk_rows, "vectors", counted)
    return read


def fill(library: Library, *names: str) -> None:
    for name in names:
        library.add("default", f"{name}.txt", story(name))
    finish(library)


def answers(library: Library) -> list[list[Passage]]:
    return [library.search("default", question, 5) for question in QUESTIONS]


def path(library: Library) -> Path:
    return library._folder / "indexes" / "1.index"


def consistent(library: Library) -> bool:
    with library._store.read() as connection:
        ids = {number for (number,) in connection.execute("SELECT id FROM chunks WHERE NOT switched_off")}
    index = library._indexes.of(1)
    return index.ids() == ids == index._lexical.ids()


def test_the_next_start_takes_the_file_and_finds_the_same(make: Make, read_rows: list[int]) -> None:
    first = make()
    fill(first, "apple", "plum")
    expected = answers(first)
    first.close()
    read_rows.clear()
    second = make()
    assert answers(second) == expected and consistent(second) and read_rows == []


def test_what_came_and_went_since_is_read_from_the_database(make: Make, read_rows: list[int]) -> None:
    first = make()
    fill(first, "apple", "plum", "fig", "pear")
    first.close()
    kept = path(first).read_bytes()
    second = make()
    second.remove("default", "plum.txt")
    second.add("default", "fig.txt", story("quince"))
    fill(second, "grape")
    expected = answers(second)
    second.close()
    path(first).write_bytes(kept)  # the file of before, as after kill -9
    read_rows.clear()
    third = make()
    assert consistent(third) and answers(third) == expected and read_rows == []


def test_a_file_of_another_database_does_no_harm(make: Make, tmp_path: Path) -> None:
    first = make()
    fill(first, "apple", "plum")
    first.close()
    other = path(first).read_bytes()
    for file in (tmp_path / "data").glob("knowledge.db*"):
        file.unlink()
    second = make()
    fill(second, "fig", "quince")
    expected = answers(second)
    second.close()
    path(first).write_bytes(other)
    third = make()
    assert answers(third) == expected and consistent(third)


@pytest.mark.parametrize("change", ["flip", "other model", "short arrays"])
def test_a_file_that_does_not_fit_is_not_used(make: Make, change: str, read_rows: list[int]) -> None:
    first = make()
    fill(first, "apple", "plum")
    expected = answers(first)
    first.close()
    content = index_file.read(path(first))
    assert content is not None
    if change == "flip":
        data = bytearray(path(first).read_bytes())
        data[len(data) // 2] ^= 1
        path(first).write_bytes(bytes(data))
    elif change == "other model":
        index_file.write(path(first), index_file.Content({**content.facts, "embedder": "another"}, content.arrays))
    else:
        arrays = [content.arrays[0], content.arrays[1][:-1], *content.arrays[2:]]
        index_file.write(path(first), index_file.Content(content.facts, arrays))
    read_rows.clear()
    second = make()
    assert answers(second) == expected and consistent(second) and read_rows == [1]


def test_the_index_goes_on_changing_after_it_was_read(make: Make) -> None:
    first = make()
    fill(first, "apple", "plum")
    first.close()
    second = make()
    fill(second, "fig")
    second.remove("default", "apple.txt")
    assert consistent(second)
    assert {one.source.name for one in second.search("default", "fig part1", 5)} <= {"fig.txt", "plum.txt"}


def test_the_file_of_a_base_goes_with_it(make: Make) -> None:
    library = make()
    library.create("other")
    library.add("other", "a.txt", story("apple"))
    finish(library, "other")
    library.close()
    file = library._folder / "indexes" / "2.index"
    assert file.exists()
    again = make()
    again.delete("other")
    assert not file.exists()


def test_small_bases_have_no_file(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_cache, "WORTH", 2000)
    library = make()
    fill(library, "apple")
    library.close()
    assert not path(library).exists()


def test_vectors_come_back_bit_by_bit(make: Make) -> None:
    first = make(embedder=StubEmbedder(dimension=24))
    fill(first, "apple", "plum")
    before = first._indexes.of(1).arrays()
    first.close()
    after = make(embedder=StubEmbedder(dimension=24))._indexes.of(1).arrays()
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True)) and len(before) == len(after)


def test_the_lists_of_a_large_base_are_kept_and_not_made_again(make: Make) -> None:
    first = make(large=20)
    fill(first, "apple", "plum", "fig", "pear", "grape", "quince", "lemon", "melon")
    index = first._indexes.of(1)
    index.settle()
    expected, lists = answers(first), index.lists
    first.close()
    second = make(large=20)
    again = second._indexes.of(1)
    assert again.lists == lists > 0 and again._training is None
    assert answers(second) == expected and consistent(second)


def test_lists_made_after_the_file_was_written_are_written_too(make: Make) -> None:
    first = make()
    fill(first, "apple", "plum", "fig", "pear", "grape", "quince", "lemon", "melon")
    first.close()
    second = make(large=20)
    second._indexes.of(1).settle()
    second.close()
    third = make(large=20)
    assert third._indexes.of(1).lists > 0 and third._indexes.of(1)._training is None
