"""A data folder read by a program that ends: the same answers as the library's, beside it too, and nothing is changed."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from knowledge import backup, index_cache
from knowledge.base import EmbedderNotReady, EmptyBase, KnowledgeError, StoreInUse, UnknownBase
from knowledge.data_folder import RESTORED
from knowledge.embeddings import Vectors
from knowledge.library import Library
from knowledge.lock import FolderLock
from knowledge.read_only import ReadOnly
from tests.knowledge.conftest import Make, finish
from tests.knowledge.stubs import BACK_TO_THREE, StubEmbedder, settings, story

QUESTIONS = ("apple part2", "plum", "fig part3 or apple part1?", "quince", " ")


class Silent(StubEmbedder):
    """Cannot be loaded."""

    def load(self, report: object) -> None:
        raise EmbedderNotReady("it is gone")

    def encode_query(self, text: str) -> Vectors:
        raise AssertionError


@contextmanager
def reading(folder: Path, embedder: StubEmbedder | None = None) -> Iterator[ReadOnly]:
    opened = ReadOnly(settings(folder), folder, lambda path: embedder or StubEmbedder())
    opened.open()
    try:
        yield opened
    finally:
        opened.close()


def fill(library: Library, *names: str) -> None:
    for name in names:
        library.add("default", f"{name}.txt", story(name))
    finish(library)


def test_it_finds_and_lists_what_the_library_does_beside_it_and_after_it(make: Make, tmp_path: Path) -> None:
    library = make()
    fill(library, "apple", "plum")
    found = [library.find("default", question, 5) for question in QUESTIONS]
    lists = (library.bases(), library.documents("default"), library.jobs("default"))
    for beside in (True, False):
        with reading(tmp_path / "data") as opened:
            for question, expected in zip(QUESTIONS, found, strict=True):
                again = opened.find("default", question, 5)
                assert (again.passages, again.query, again.by_words) == (expected.passages, expected.query, "")
            assert (opened.bases(), opened.documents("default"), opened.jobs("default")) == lists
        if beside:
            fill(library, "fig")
            assert library.documents("default")[1].name == "fig.txt"
            library.remove("default", "fig.txt")
            library.dismiss("default")
            lists = (library.bases(), library.documents("default"), library.jobs("default"))
            library.close()


def test_a_document_that_came_meanwhile_is_found(make: Make, tmp_path: Path) -> None:
    library = make()
    fill(library, "apple")
    with reading(tmp_path / "data") as opened:
        fill(library, "plum")
        assert opened.find("default", "plum part1", 1).passages[0].source.name == "plum.txt"


def test_the_folder_is_its_own_while_it_reads_and_given_back(make: Make, tmp_path: Path) -> None:
    library = make()
    fill(library, "apple")
    library.close()
    with reading(tmp_path / "data"):
        with pytest.raises(StoreInUse):
            make()
        with reading(tmp_path / "data") as other:
            assert other.find("default", "apple", 1).passages
    make().close()


def test_jobs_that_wait_go_on_waiting(make: Make, tmp_path: Path) -> None:
    library = make(load=False)
    library.add("default", "apple.txt", story("apple"))
    library.close()
    with reading(tmp_path / "data") as opened:
        assert [job.stage for job in opened.jobs("default")] == ["waiting"]
        with pytest.raises(EmptyBase):
            opened.find("default", "apple", 1)
        assert [job.stage for job in opened.jobs("default")] == ["waiting"]


def test_it_keeps_the_index_for_the_next_start_where_the_folder_is_its_own(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = make()
    fill(library, "apple", "plum")
    monkeypatch.setattr(index_cache, "WORTH", 1)
    file = tmp_path / "data" / "indexes" / "1.index"
    with reading(tmp_path / "data") as opened:
        opened.find("default", "apple", 1)
    assert not file.exists()
    monkeypatch.setattr(index_cache, "WORTH", 2000)
    library.close()
    monkeypatch.setattr(index_cache, "WORTH", 1)
    for _ in range(2):
        with reading(tmp_path / "data") as opened:
            assert opened.find("default", "apple part2", 1).passages[0].source.name == "apple.txt"
        assert file.exists()


def test_a_base_of_another_model_is_searched_by_words_and_one_that_is_gone_says_so(make: Make, tmp_path: Path) -> None:
    library = make()
    fill(library, "apple")
    library.close()
    with reading(tmp_path / "data", StubEmbedder("other")) as opened:
        found = opened.find("default", "apple part2", 1)
        assert "made with the embedding model stub" in found.by_words and found.passages
    with reading(tmp_path / "data", Silent()) as opened, pytest.raises(EmbedderNotReady, match="it is gone"):
        opened.find("default", "apple", 1)


def test_what_cannot_be_read_is_said(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with pytest.raises(KnowledgeError, match="no knowledge base in"), reading(folder):
        pass
    assert not folder.exists()
    folder.mkdir()
    with pytest.raises(KnowledgeError, match="no knowledge base in"), reading(folder):
        pass
    library = make()
    fill(library, "apple")
    library.close()
    with reading(folder) as opened:
        with pytest.raises(UnknownBase):
            opened.find("nobody's", "apple", 1)
        with pytest.raises(UnknownBase):
            opened.documents("nobody's")
    with closing(sqlite3.connect(folder / "knowledge.db")) as connection:
        connection.execute("UPDATE chunks SET vector = x'00' WHERE id = 1")
        connection.commit()
    with reading(folder) as opened, pytest.raises(KnowledgeError, match="damaged"):
        opened.find("default", "apple", 1)


def test_a_restore_on_its_way_is_waited_for_and_one_cut_off_is_ended(make: Make, tmp_path: Path) -> None:
    library, folder = make(), tmp_path / "data"
    fill(library, "apple")
    backup.write(tmp_path / "data", tmp_path / "copy")
    library.close()
    (tmp_path / "copy").rename(folder / RESTORED)
    lock = FolderLock(folder / "knowledge.lock")
    lock.acquire()
    with pytest.raises(StoreInUse), reading(folder):
        pass
    lock.release()
    with reading(folder) as opened:
        assert opened.find("default", "apple", 1).passages
    assert not (folder / RESTORED).exists()


def test_an_older_version_beside_it_is_left_alone(make: Make, tmp_path: Path) -> None:
    library, folder = make(), tmp_path / "data"
    fill(library, "apple")
    library.close()
    with closing(sqlite3.connect(folder / "knowledge.db")) as connection:
        connection.executescript(BACK_TO_THREE)
    before = (folder / "knowledge.db").read_bytes()
    lock = FolderLock(folder / "knowledge.lock")
    lock.acquire()
    with pytest.raises(KnowledgeError, match="older version of this program"), reading(folder):
        pass
    assert (folder / "knowledge.db").read_bytes() == before
    lock.release()
    with reading(folder) as opened:  # nobody's: brought up to date, as by a start of the server
        assert opened.find("default", "apple", 1).passages
