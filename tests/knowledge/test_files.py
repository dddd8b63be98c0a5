"""Files by themselves and in bases: what the two faces of the room, by names and by ids, make of each other."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from knowledge.base import BadName, KnowledgeError, TooLarge, UnknownBase, UnknownDocument, UnsupportedFormat
from knowledge.file_base import Cut, Entry, Status, Window, Wish
from knowledge.library import Library
from knowledge.schema import FIRST, STEPS
from knowledge.store import Store
from tests.knowledge.checks import check, check_open
from tests.knowledge.conftest import Make, finish, reach
from tests.knowledge.stubs import StubEmbedder, story

ALL = Window(100, "asc")


def upload(library: Library, name: str = "a.txt", data: bytes = b"apple text") -> str:
    return library.files.upload(name, [data], "assistants").id


def put(library: Library, *files: str, base: str = "default", **values: Any) -> list[Entry]:
    """Put files into a base and wait until they are there."""
    library.files.put(base, [Wish(file, **values) for file in files])
    finish(library, base)
    return [library.files.entry(base, file) for file in files]


def entries(library: Library, base: str = "default", status: str = "") -> list[tuple[str, Status]]:
    return [(entry.document, entry.status) for entry in library.files.entries(base, ALL, status).items]


def files(library: Library) -> list[str]:
    return [file.name for file in library.files.part(ALL).items]


def test_a_document_added_by_name_has_a_file_that_ends_with_it(library: Library) -> None:
    library.add("default", "a.txt", b"apple text")
    finish(library)
    (file,) = library.files.part(ALL).items
    assert (file.name, file.size, file.purpose) == ("a.txt", 10, "assistants")
    assert library.files.entry("default", file.id).status == "completed"
    library.remove("default", "a.txt")
    assert files(library) == [] and entries(library) == [] and library._originals.kept() == []


def test_a_document_replaced_by_name_is_another_file(library: Library) -> None:
    library.add("default", "a.txt", b"apple text")
    finish(library)
    (old,) = library.files.part(ALL).items
    library.add("default", "a.txt", b"pear text")
    finish(library)
    (new,) = library.files.part(ALL).items
    assert new.id != old.id and library.files.content(new.id) == b"pear text"
    assert [entry.file for entry in library.files.entries("default", ALL).items] == [new.id]
    reach(lambda: library._originals.kept() == [new.sha256])  # bytes go after the document has come


def test_the_same_bytes_twice_while_waiting_leave_one_file_that_is_there(make: Make) -> None:
    library = make(load=False)
    for _ in range(3):
        library.add("default", "a.txt", b"apple text")
    assert len(files(library)) == 3
    library.load(lambda what, part: None)
    finish(library)
    assert entries(library) == [("a.txt", "completed")] and files(library) == ["a.txt"]
    library.close()
    check(library._folder)


def test_an_uploaded_file_stays_when_its_document_goes(library: Library) -> None:
    file = upload(library)
    put(library, file)
    library.remove("default", "a.txt")
    assert entries(library) == [] and library.files.content(file) == b"apple text"
    put(library, file)
    library.files.take("default", file)
    assert entries(library) == [] and library.files.content(file) == b"apple text"
    with pytest.raises(UnknownDocument):
        library.files.take("default", file)
    library.files.delete(file)
    assert files(library) == [] and library._originals.kept() == []


def test_one_file_in_two_bases_is_deleted_in_both(library: Library) -> None:
    library.create("other")
    file = upload(library)
    put(library, file)
    put(library, file, base="other")
    library.files.delete(file)
    assert entries(library) == entries(library, "other") == []
    assert library.documents("default") == library.documents("other") == []
    check_open(library)


def test_bytes_that_two_files_share_stay_until_the_last_goes(library: Library) -> None:
    one, two = upload(library), upload(library, "b.txt")
    library.files.delete(one)
    assert library.files.content(two) == b"apple text"
    library.files.delete(two)
    assert library._originals.kept() == []


def test_names_that_are_taken_get_a_number(library: Library) -> None:
    library.add("default", "a.txt", b"apple")
    finish(library)
    done = put(library, upload(library, "a.txt", b"pear"), upload(library, "a.txt", b"plum"))
    assert [(entry.name, entry.document) for entry in done] == [("a.txt", "a (2).txt"), ("a.txt", "a (3).txt")]
    assert [document.name for document in library.documents("default")] == ["a (2).txt", "a (3).txt", "a.txt"]


def test_attributes_belong_to_the_file_in_the_base(library: Library) -> None:
    library.create("other")
    file = upload(library)
    put(library, file, attributes={"kind": "x"})
    put(library, file, base="other")
    assert library.files.entry("default", file).attributes == {"kind": "x"}
    assert library.files.entry("other", file).attributes == {}
    assert library.files.set_attributes("default", file, {"n": 2}).attributes == {"n": 2}
    assert len(library.files.matching("default", lambda attributes: attributes.get("n") == 2)) == 1
    assert library.files.matching("other", lambda attributes: bool(attributes)) == frozenset()


def test_a_search_of_some_documents_is_exact(library: Library) -> None:
    many = [upload(library, f"{k}.txt", f"apple number {k}".encode()) for k in range(60)]
    put(library, *many)
    (document,) = library.files.matching("default", lambda attributes: True) & {
        passage.source.document_id for passage in library.files.text("default", many[41])
    }
    found = library.search("default", "apple number 3", 5, {document})
    assert [passage.text for passage in found] == ["apple number 41"]
    assert library.search("default", "apple", 5, ()) == []


def test_each_document_is_cut_as_it_was_wished(library: Library) -> None:
    data = story("apple", 6)
    usual, small = upload(library, "u.txt", data), upload(library, "s.txt", data)
    put(library, usual)
    put(library, small, cut=Cut(32, 0))
    assert len(library.files.text("default", small)) > len(library.files.text("default", usual))
    assert library.files.entry("default", usual).cut == Cut(200, 20)
    with pytest.raises(KnowledgeError, match="reads at most 60 tokens"):
        library.files.put("default", [Wish(usual, cut=Cut(100, 0))])
    with pytest.raises(KnowledgeError, match="cut otherwise"):
        library.files.put("default", [Wish(usual, cut=Cut(32, 0))])


def test_what_failed_is_tried_again_and_says_why(library: Library) -> None:
    file = upload(library, "b.txt", b"BROKEN")
    (entry,) = put(library, file)
    assert (entry.status, entry.code, entry.detail) == ("failed", "broken", "the file is broken")
    assert library.files.batch("default", library.files.put_together("default", [Wish(file)]).id).counts.total == 1
    finish(library)
    assert library.files.entry("default", file).status == "failed"
    assert library.card("default").counts.failed == 1
    library.files.take("default", file)
    assert library.card("default").counts.total == 0


def test_old_failures_are_forgotten_but_for_those_of_uploaded_files(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    library = make()
    monkeypatch.setattr("knowledge.jobs.KEPT", 2)
    uploaded = [upload(library, f"u{k}.txt", b"BROKEN" + bytes([65 + k])) for k in range(3)]
    put(library, *uploaded)
    for k in range(4):
        library.add("default", f"d{k}.txt", b"BROKEN again" + bytes([65 + k]))
    finish(library)
    assert [name for name, _ in entries(library)] == ["u0.txt", "u1.txt", "u2.txt", "d2.txt", "d3.txt"]
    library.dismiss("default")
    assert entries(library) == [] and len(files(library)) == 3
    library.close()
    library = make()  # which removes the bytes of what was forgotten
    library.close()
    check(library._folder)


def test_all_or_none_of_several_files_are_put(library: Library) -> None:
    file = upload(library)
    with pytest.raises(UnknownDocument):
        library.files.put("default", [Wish(file), Wish("file-unknown")])
    with pytest.raises(UnknownBase):
        library.files.put("nothing", [Wish(file)])
    with pytest.raises(TooLarge, match="500 files"):
        library.files.put("default", [Wish(file)] * 501)
    assert entries(library) == [] and library.jobs("default") == []


def test_limits(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    library = make(max_documents=2, max_file_size=1)
    with pytest.raises(UnsupportedFormat):
        upload(library, "a.exe")
    with pytest.raises(BadName):
        upload(library, "..")
    with pytest.raises(TooLarge, match="1 MiB"):
        upload(library, "a.txt", b"a" * (1024 * 1024 + 1))
    put(library, *(upload(library, f"{k}.txt", b"text %d" % k) for k in range(2)))
    with pytest.raises(TooLarge, match="2 files"):
        library.files.put("default", [Wish(upload(library, "c.txt", b"c"))])
    monkeypatch.setattr("knowledge.files.MOST_FILES", 3)
    with pytest.raises(TooLarge, match="3 files"):
        upload(library, "d.txt", b"d")
    assert not list((library._originals.folder / "incoming").iterdir())


def test_a_base_keeps_its_id_when_it_is_renamed(library: Library) -> None:
    library.create("one", {"a": "b"})
    put(library, upload(library), base="one")
    card = library.card("one")
    changed = library.change("one", "two", {"c": "d"})
    assert (changed.id, changed.name, changed.metadata, changed.counts.completed) == (card.id, "two", {"c": "d"}, 1)
    assert library.base_named(card.id) == library.base_named("two") == "two"
    source = library.search("two", "apple", 3)[0].source
    assert (source.base, source.file) == ("two", library.files.part(ALL).items[0].id)
    for name in ("default", "DEFAULT", "vs_" + "0" * 32, ".x"):
        with pytest.raises(BadName):
            library.change("two", name)
    with pytest.raises(BadName, match="keeps its name"):
        library.change("default", "three")
    assert library.change("two", "TWO").name == "TWO"
    library.delete("TWO")
    with pytest.raises(UnknownBase):
        library.base_named(card.id)


def test_the_default_base_begins_anew_under_another_id(library: Library) -> None:
    before = library.card("default")
    put(library, upload(library))
    library.delete("default")
    after = library.card("default")
    assert after.id != before.id and after.counts.total == 0
    with pytest.raises(UnknownBase):
        library.base_named(before.id)


def test_lists_go_on_behind_what_is_gone(library: Library) -> None:
    made = [upload(library, f"{k}.txt", b"text %d" % k) for k in range(5)]
    put(library, *made)
    part = library.files.entries("default", Window(2, "asc"))
    library.files.take("default", made[1])
    rest = library.files.entries("default", Window(2, "asc", after=part.items[-1].file))
    assert [entry.file for entry in rest.items] == made[2:4] and rest.more
    library.files.delete(made[3])
    assert [entry.file for entry in library.files.entries("default", Window(5, "asc", after=made[3])).items] == made[4:]
    assert [file.id for file in library.files.part(Window(5, "desc", after=made[3])).items] == made[2::-1]
    before = library.files.part(Window(1, "asc", before=made[4]))
    assert [file.id for file in before.items] == [made[2]] and before.more
    with pytest.raises(UnknownDocument):
        library.files.part(Window(after="file-unknown"))
    with pytest.raises(UnknownDocument):
        library.create("other")
        library.files.entries("other", Window(after=made[0]))


def test_what_is_deleted_while_it_is_read_never_arrives(make: Make) -> None:
    embedder = StubEmbedder()
    library = make(embedder=embedder)
    embedder.gate = threading.Event()
    file, other = upload(library, "a.txt", story("apple", 9)), upload(library, "b.txt", story("pear", 9))
    batch = library.files.put_together("default", [Wish(file), Wish(other)])
    reach(lambda: library.jobs("default")[0].stage == "embedding")
    library.files.delete(file)
    stopped = library.files.cancel("default", batch.id)
    assert stopped.cancelled and (stopped.counts.cancelled, stopped.counts.total) == (1, 1)
    embedder.gate.set()
    third = upload(library, "c.txt", story("plum", 3))
    put(library, third)
    assert [document.name for document in library.documents("default")] == ["c.txt"]
    assert entries(library) == [("b.txt", "cancelled"), ("c.txt", "completed")]
    assert put(library, other)[0].status == "completed"
    library.close()
    check(library._folder)


def test_many_threads_put_take_delete_and_search(make: Make) -> None:
    library = make()
    failures: list[BaseException] = []
    stay = upload(library, "stay.txt", story("stay", 3))
    put(library, stay)

    def work(number: int) -> None:
        try:
            for k in range(6):
                word = f"w{number}x{k}"
                file = upload(library, f"{number} {k}.txt", story(word, 2))
                library.files.put_together("default", [Wish(file, {"n": number})])
                if k % 3 == 0:
                    reach(lambda file=file: library.files.entry("default", file).status == "completed")  # type: ignore[misc]
                    found = library.search("default", word, 3)
                    assert library.files.of_documents([found[0].source.document_id])
                library.files.delete(file) if k % 2 else library.files.take("default", file)
                with pytest.raises(UnknownDocument):
                    library.files.entry("default", file)
                assert not any(word in passage.text for passage in library.search("default", word, 5))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    finish(library)
    assert failures == [] and [document.name for document in library.documents("default")] == ["stay.txt"]
    assert len(files(library)) == 1 + 4 * 3
    check_open(library)
    library.close()
    check(library._folder)


def test_a_folder_of_the_first_version_opens_with_all_that_is_in_it(make: Make, tmp_path: Path) -> None:
    library = make()
    library.create("other")
    library.add("default", "a.txt", b"apple text")
    library.add("default", "broken.txt", b"BROKEN")
    library.add("other", "b.txt", b"pear text")
    finish(library)
    finish(library, "other")
    library.close()
    path = tmp_path / "data" / "knowledge.db"
    _to_first(path)
    library = make()
    assert entries(library) == [("a.txt", "completed"), ("broken.txt", "failed")]
    assert entries(library, "other") == [("b.txt", "completed")]
    assert [file.name for file in library.files.part(ALL).items] == ["a.txt", "b.txt", "broken.txt"]
    card = library.card("other")
    assert card.id.startswith("vs_") and card.bytes == len(b"pear text") + 2 * 256 and card.created > 0
    entry = library.files.entries("other", ALL).items[0]
    assert entry.cut is None and library.files.content(entry.file) == b"pear text"
    assert library.search("other", "pear", 1)[0].text == "pear text"
    library.files.delete(entry.file)
    library.add("default", "a.txt", b"apple text, new")
    finish(library)
    assert library.search("default", "apple", 1)[0].text == "apple text, new"
    check_open(library)
    library.close()
    check(tmp_path / "data")


def test_an_update_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "knowledge.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"BEGIN;{FIRST}PRAGMA user_version=1;COMMIT;")
    monkeypatch.setattr("knowledge.store.STEPS", (*STEPS[:1], "CREATE TABLE halfway (id INTEGER); CREATE NONSENSE;"))
    with pytest.raises(KnowledgeError):
        Store(path).open()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'halfway'").fetchone() == (0,)


def _to_first(path: Path) -> None:
    """Write the file anew as the first version of this program would have written it."""
    columns = {
        "bases": "id, name, folded, embedder",
        "documents": "id, base_id, name, sha256, size, characters, chunks, pages, version, added, warnings",
        "chunks": "id, document_id, text, page, headings, first_line, last_line, tokens, vector",
        "jobs": "id, base_id, name, sha256, size, stage, part, chunks, seconds, detail, code, attempts",
    }
    old = path.with_name("old.db")
    with closing(sqlite3.connect(old)) as connection:
        connection.executescript(f"BEGIN;{FIRST}PRAGMA user_version=1;COMMIT;")
        connection.execute("ATTACH ? AS new", (str(path),))
        for table, names in columns.items():
            connection.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM new.{table}")
        connection.commit()
    for leftover in path.parent.glob("knowledge.db*"):
        leftover.unlink()
    old.rename(path)
