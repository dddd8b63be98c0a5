"""A copy of all that is kept, made while it is used, and the way back: whole or not at all."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest

from knowledge import backup, index_cache, schema, store
from knowledge.base import KnowledgeError, StoreInUse, UnknownDocument
from knowledge.evaluation import evaluate
from knowledge.library import Library
from tests.knowledge.checks import check, check_open
from tests.knowledge.conftest import Make, finish, reach
from tests.knowledge.stubs import StubEmbedder, read_text, settings, story


def opened(folder: Path) -> Library:
    library = Library(settings(folder), read=read_text, embedder=StubEmbedder())
    library.open()
    library.load(lambda what, part: None)
    return library


def fill(library: Library, *names: str) -> None:
    for name in names:
        library.add("default", name, story(name[:3], 4))
    assert {job.stage for job in finish(library)} <= {"ready", "skipped"}


def test_there_and_back(make: Make, tmp_path: Path) -> None:
    library = make()
    fill(library, "one.txt", "two.txt")
    library.files.upload("alone.txt", [b"by itself"], "assistants")
    made = backup.write(tmp_path / "data", tmp_path / "copy")
    assert (made.documents, made.files) == (2, 3) and made.size > 1000
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["evaluation", "knowledge.db", "originals"]
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "copy").rglob("*")} == {0}
    check(tmp_path / "copy")
    assert backup.restore(tmp_path / "copy", tmp_path / "other") is None
    other = opened(tmp_path / "other")
    assert [document.name for document in other.documents("default")] == ["one.txt", "two.txt"]
    assert other.search("default", "two part1", 1)[0].source.name == "two.txt"
    assert other.original("default", "one.txt") == story("one", 4)
    check_open(other)
    assert other.verify() == []
    other.close()
    check(tmp_path / "other")


def test_what_was_there_before_is_kept(make: Make, tmp_path: Path) -> None:
    library = make()
    fill(library, "one.txt")
    backup.write(tmp_path / "data", tmp_path / "copy")
    library.remove("default", "one.txt")
    fill(library, "two.txt")
    with pytest.raises(StoreInUse, match=f"process {os.getpid()}"):
        backup.restore(tmp_path / "copy", tmp_path / "data")
    library.close()
    before = backup.restore(tmp_path / "copy", tmp_path / "data")
    assert before is not None
    check(before)
    assert [document.name for document in make().documents("default")] == ["one.txt"]


def ask(library: Library, question: str, runs: int = 1) -> None:
    """Keep a test question and some runs of all."""
    token = library.card("default").id
    library.question_files.add(token, [{"question": question, "file": "one.txt"}])
    for _ in range(runs):
        questions = library.question_files.questions(token)
        found = evaluate(questions, lambda one, mode: library.search("default", one.text, 10, mode=mode), ("lexical",))
        library.question_files.keep(token, found, library.bases()[0], library.embedder_name)


def test_test_questions_and_their_runs_go_there_and_back(make: Make, tmp_path: Path) -> None:
    library = make()
    fill(library, "one.txt")
    ask(library, "one part1?", runs=2)
    token = library.card("default").id
    kept, runs = library.question_files.rows(token), library.question_files.runs(token)
    folder = tmp_path / "data/evaluation"
    (folder / token / ".questions.jsonl.draft").write_text("half a line")
    (folder / token / "link.jsonl").symlink_to(tmp_path / "data/knowledge.db")
    made = backup.write(tmp_path / "data", tmp_path / "copy")
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "copy").rglob("*")} == {0}
    held = [path for path in (tmp_path / "copy/evaluation").rglob("*") if path.is_file()]
    assert sorted(path.name for path in held) == sorted(["questions.jsonl", *(f"{run.id}.json" for run in runs)])
    assert made.size == sum(path.stat().st_size for path in (tmp_path / "copy").rglob("*") if path.is_file())
    ask(library, "one part2?")
    library.close()
    before = backup.restore(tmp_path / "copy", tmp_path / "data")
    assert before is not None and len(list(before.glob("evaluation/*/runs/*.json"))) == 3
    again = make()
    assert again.question_files.rows(token) == kept and again.question_files.runs(token) == runs and len(runs) == 2


def test_a_backup_without_test_questions_leaves_none_of_the_others(make: Make, tmp_path: Path) -> None:
    library = make()
    fill(library, "one.txt")
    shutil.rmtree(backup.write(tmp_path / "data", tmp_path / "copy").path / "evaluation")  # as backups of earlier versions are
    ask(library, "one part1?")
    token = library.card("default").id
    library.close()
    before = backup.restore(tmp_path / "copy", tmp_path / "data")
    assert before is not None and (before / "evaluation" / token / "questions.jsonl").is_file()
    assert make().question_files.rows(token) == []


def test_test_questions_that_change_and_go_meanwhile(make: Make, tmp_path: Path) -> None:
    library = make()
    fill(library, "one.txt")
    token, ended = library.card("default").id, threading.Event()

    def change() -> None:
        for number in range(60):
            ask(library, f"one part{number}?", runs=3)
            if number % 5 == 4:
                library.question_files.forget(token)
        ended.set()

    thread = threading.Thread(target=change)
    thread.start()
    made = 0
    while not ended.is_set():
        backup.write(tmp_path / "data", tmp_path / f"copy{made}")
        backup.restore(tmp_path / f"copy{made}", tmp_path / f"other{made}")
        copied = Library(settings(tmp_path / f"other{made}")).question_files
        copied.rows(token)  # a torn file would be an error
        assert len(copied.runs(token)) == len(list((tmp_path / f"other{made}").rglob("runs/*.json")))
        made += 1
    thread.join()
    assert made > 1


def test_indexes_are_not_copied_and_those_of_the_database_that_goes_go(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_cache, "WORTH", 1)
    library = make()
    fill(library, "one.txt")
    library.close()
    library = make()
    assert (tmp_path / "data/indexes/1.index").is_file()
    backup.write(tmp_path / "data", tmp_path / "copy")
    assert not (tmp_path / "copy/indexes").exists()
    fill(library, "two.txt")
    library.close()
    before = backup.restore(tmp_path / "copy", tmp_path / "data")
    assert before is not None and not (before / "indexes").exists()
    assert not (tmp_path / "data/indexes").exists()
    check_open(make())


def test_while_documents_come_and_go(make: Make, tmp_path: Path) -> None:
    library = make()
    fill(library, "kept.txt")
    ended = threading.Event()

    def change() -> None:
        for number in range(40):
            library.add("default", f"{number}.txt", story(f"n{number}", 3))
            finish(library)
            if number:
                library.remove("default", f"{number - 1}.txt")
        ended.set()

    thread = threading.Thread(target=change)
    thread.start()
    made = 0
    while not ended.is_set():
        backup.write(tmp_path / "data", tmp_path / f"copy{made}")
        check(tmp_path / f"copy{made}")
        made += 1
    thread.join()
    assert made > 1
    for number in range(made):
        other = tmp_path / f"other{number}"
        backup.restore(tmp_path / f"copy{number}", other)
        restored = opened(other)
        finish(restored)
        assert "kept.txt" in {document.name for document in restored.documents("default")}
        check_open(restored)
        restored.close()
        check(other)


def test_one_that_is_begun_lies_in_the_data_folder_by_date_and_time(make: Make, tmp_path: Path) -> None:
    library = make()
    fill(library, "one.txt")
    name = library.backups.begin().name
    reach(lambda: library.backups.get(name).status == "completed")
    first = library.backups.place(name)
    assert library.backups.get(name).documents == 1
    assert first.parent == tmp_path / "data/backups" and re.fullmatch(r"\d{8}-\d{6}", first.name)
    assert first.parent.stat().st_mode & 0o077 == 0
    other = backup.write(tmp_path / "data", tmp_path / "copy").path
    assert {path.name for path in other.iterdir()} == {path.name for path in first.iterdir()}
    library.remove("default", "one.txt")
    library.close()
    backup.restore(first, tmp_path / "data")
    assert [document.name for document in make().documents("default")] == ["one.txt"] and first.is_dir()


def test_another_process_may_make_it(make: Make, tmp_path: Path) -> None:
    library = make()
    fill(library, "one.txt")
    lines = "import sys; from pathlib import Path; from knowledge import backup; backup.write(*map(Path, sys.argv[1:]))"
    subprocess.run([sys.executable, "-c", lines, str(tmp_path / "data"), str(tmp_path / "copy")], check=True, timeout=120)
    check(tmp_path / "copy")
    library.remove("default", "one.txt")
    assert library.verify() == []


def test_a_backup_is_a_new_folder_and_says_what_is_missing(make: Make, tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match="no knowledge base"):
        backup.write(tmp_path / "nowhere", tmp_path / "copy")
    library = make()
    fill(library, "one.txt", "two.txt")
    (tmp_path / "copy").mkdir()
    with pytest.raises(KnowledgeError, match="exists already"):
        backup.write(tmp_path / "data", tmp_path / "copy")
    path = library._originals.path(library.documents("default")[1].sha256)
    path.unlink()
    with pytest.raises(KnowledgeError, match=r"original of 'two\.txt' is missing"):
        backup.write(tmp_path / "data", tmp_path / "second")
    assert not list(tmp_path.glob("second*"))


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
        backup.restore(tmp_path / "copy", tmp_path / "data")
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
            backup.restore(tmp_path / "copy", tmp_path / "data")
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
        store.Store(path).open()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_document_that_is_gone_meanwhile_is_unknown_and_not_half_there(make: Make, tmp_path: Path) -> None:
    library = make()
    fill(library, "one.txt")
    library.remove("default", "one.txt")
    backup.write(tmp_path / "data", tmp_path / "copy")
    backup.restore(tmp_path / "copy", tmp_path / "other")
    other = opened(tmp_path / "other")
    with pytest.raises(UnknownDocument):
        other.original("default", "one.txt")
    other.close()
