"""The library as its callers see it: add, replace, skip, remove, list, search, reopen; names; threads; processes."""

import hashlib
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from knowledge.base import (
    BadName,
    EmbedderNotReady,
    EmptyBase,
    KnowledgeError,
    StorageFull,
    StoreInUse,
    TextTooLong,
    TooLarge,
    UnknownBase,
    UnknownDocument,
    UnsupportedFormat,
)
from knowledge.library import Library
from tests.knowledge.checks import check, check_open
from tests.knowledge.conftest import Make, finish
from tests.knowledge.stubs import StubEmbedder, read_text, settings, story

ROOT = Path(__file__).resolve().parents[2]


def names_found(library: Library, query: str, base: str = "default") -> set[str]:
    try:
        return {passage.source.name for passage in library.search(base, query, 50)}
    except EmptyBase:
        return set()


def test_what_is_ready_is_found_listed_read_and_given_back(library: Library) -> None:
    data = story("apple", 3)
    library.add("default", "apples.txt", data)
    finish(library)
    (document,) = library.documents("default")
    assert (document.name, document.size, document.chunks, document.pages, document.version) == (
        "apples.txt",
        len(data),
        3,
        1,
        1,
    )
    assert document.sha256 == hashlib.sha256(data).hexdigest() and abs(document.added - time.time()) < 600
    assert [p.text.split()[1] for p in library.passages("default", "apples.txt")] == ["part0", "part1", "part2"]
    assert library.original("default", "apples.txt") == data
    assert names_found(library, "apple") == {"apples.txt"}
    (base,) = library.bases()
    assert (base.name, base.documents, base.chunks, base.embedder, base.outdated) == (
        "default",
        1,
        3,
        "stub",
        False,
    )


def test_the_same_bytes_again_are_skipped_other_bytes_replace_and_another_name_is_another_document(
    library: Library,
) -> None:
    library.add("default", "a.txt", story("apple"))
    finish(library)
    again = library.add("default", "a.txt", story("apple"))
    assert (again.stage, again.detail, again.part) == ("skipped", "unchanged", 1.0)
    library.add("default", "a.txt", story("pear"))
    library.add("default", "b.txt", story("pear"))
    finish(library)
    assert [(d.name, d.version) for d in library.documents("default")] == [("a.txt", 2), ("b.txt", 1)]
    assert not any("apple" in p.text for p in library.passages("default", "a.txt"))
    assert len(library._originals.kept()) == 1
    library.remove("default", "a.txt")
    assert library.original("default", "b.txt") == story("pear")


def test_the_same_file_handed_in_twenty_times_at_once_is_one_document(library: Library) -> None:
    start = threading.Barrier(20)

    def add() -> None:
        start.wait()
        library.add("default", "a.txt", story("apple"))

    threads = [threading.Thread(target=add) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted({job.stage for job in finish(library)}) == ["ready", "skipped"]
    assert [(d.name, d.version) for d in library.documents("default")] == [("a.txt", 1)]


def test_the_last_of_two_waiting_files_of_a_name_wins(make: Make) -> None:
    library = make(load=False)
    for data in (b"one", b"two", b"one"):
        library.add("default", "a.txt", data)
    library.load(lambda what, part: None)
    finish(library)
    assert library.original("default", "a.txt") == b"one"


def test_what_is_removed_is_never_found_and_its_bytes_are_gone(make: Make) -> None:
    library = make()
    library.add("default", "a.txt", story("apple"))
    library.add("default", "b.txt", story("pear"))
    finish(library)
    library.remove("default", "a.txt")
    assert names_found(library, "apple") == {"b.txt"} and len(library._originals.kept()) == 1
    for use in (library.remove, library.passages, library.original):
        with pytest.raises(UnknownDocument):
            use("default", "a.txt")
    library.close()
    again = make()
    assert names_found(again, "apple") == {"b.txt"}
    check_open(again)


def test_removing_stops_what_is_on_its_way_in(library: Library) -> None:
    library.add("default", "slow.txt", b"SLOW")
    library.add("default", "slow.txt", b"SLOW too")
    library.add("default", "other.txt", b"text")
    library.remove("default", "slow.txt")
    assert [(job.name, job.stage) for job in finish(library)] == [("other.txt", "ready")]
    assert len(library._originals.kept()) == 1


def test_everything_survives_reopening(make: Make) -> None:
    first = make()
    first.create("second")
    first.add("default", "a.txt", story("apple"))
    first.add("second", "p.txt", story("pear"))
    finish(first)
    finish(first, "second")
    before = [(p.chunk_id, p.score, p.text) for p in first.search("default", "apple part3", 5)]
    first.close()
    second = make()
    assert [(p.chunk_id, p.score, p.text) for p in second.search("default", "apple part3", 5)] == before
    assert [(base.name, base.documents) for base in second.bases()] == [("default", 1), ("second", 1)]
    check_open(second)
    second.close()
    check(second._folder)


def test_bases_are_made_deleted_and_default_only_emptied(library: Library) -> None:
    assert library.create("资料 2").name == "资料 2"
    library.add("资料 2", "a.txt", story("apple"))
    library.add("default", "b.txt", story("pear"))
    finish(library)
    finish(library, "资料 2")
    library.delete("资料 2")
    library.delete("default")
    assert [(base.name, base.documents, base.chunks) for base in library.bases()] == [("default", 0, 0)]
    assert library._originals.kept() == [] and library.jobs("default") == []
    with pytest.raises(EmptyBase):
        library.search("default", "pear", 1)
    with pytest.raises(UnknownBase):
        library.documents("资料 2")
    library.create("资料 2")
    assert library.documents("资料 2") == []


def test_deleting_a_base_stops_the_work_on_it(library: Library) -> None:
    library.create("other")
    library.add("other", "slow.txt", b"SLOW")
    library.delete("other")
    library.add("default", "a.txt", b"text")
    assert finish(library)[0].stage == "ready"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a\\b",
        "C:",
        ".hidden",
        "x" * 65,
        "a\x00b",
        "a\nb",
        "CON",
        "nul.txt",
        "com1",
        " a",
        "a ",
        "a.",
        "\u202etxt",
        "😀",
        "%2e%2e",
        "�",
        "~",
        "a*",
        "DEFAULT",
        "default",
    ],
)
def test_a_base_cannot_be_called(library: Library, name: str) -> None:
    with pytest.raises(BadName):
        library.create(name)


def test_a_base_of_the_same_name_but_for_case_or_form_exists_already(library: Library) -> None:
    library.create("Caf\u00e9")
    for name in ("caf\u00e9", "Cafe\u0301", "CAF\u00c9"):
        with pytest.raises(BadName, match="already"):
            library.create(name)
    assert library.documents("Cafe\u0301") == []


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\docs\\a b.txt", "a b.txt"),
        ("/abs/资料.md", "资料.md"),
        ("Cafe\u0301.txt", "Caf\u00e9.txt"),
        ("%2e%2e%2fx.txt", "%2e%2e%2fx.txt"),
        ("CON.txt", "CON.txt"),
        ("👩\u200d🚀.txt", "👩\u200d🚀.txt"),
        ("'; DROP TABLE jobs; --.txt", "'; DROP TABLE jobs; --.txt"),
    ],
)
def test_a_name_is_the_last_part_and_only_text(library: Library, sent: str, kept: str) -> None:
    assert library.add("default", sent, b"text").name == kept
    assert finish(library)[0].stage == "ready"
    library.remove("default", kept)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "/",
        "a/..",
        "a\x00.txt",
        "a\n.txt",
        "\u202egpj.txt",
        "x" * 197 + ".txt",
        "\ud800.txt",
        " ",
        "a\u2028.txt",
    ],
)
def test_a_document_cannot_be_called(library: Library, name: str) -> None:
    with pytest.raises(BadName):
        library.add("default", name, b"text")
    assert library.jobs("default") == [] and library._originals.kept() == []


def test_formats_sizes_numbers_and_disk_have_limits_that_are_named(make: Make) -> None:
    library = make(max_file_size=1, max_documents=2)
    with pytest.raises(UnsupportedFormat):
        library.add("default", "a.exe", b"MZ")
    with pytest.raises(TooLarge, match="--max-file-size"):
        library.add("default", "a.txt", b"x" * (1024 * 1024 + 1))
    library.add("default", "a.txt", b"x" * (1024 * 1024))
    library.add("default", "b.txt", b"text")
    with pytest.raises(TooLarge, match="--max-documents"):
        library.add("default", "c.txt", b"text")
    finish(library)
    with pytest.raises(TooLarge, match="--max-documents"):
        library.add("default", "c.txt", b"text")
    library.add("default", "b.txt", b"other text")
    with pytest.raises(UnknownBase):
        library.add("nope", "a.txt", b"text")
    library.close()
    full = make(min_free_disk=1 << 40)
    with pytest.raises(StorageFull, match="--min-free-disk"):
        full.add("default", "b.txt", b"more text")
    assert names_found(full, "text")


def test_a_big_upload_is_taken_from_its_file(library: Library, tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(story("apple", 40))
    job = library.add_file("default", "a.txt", upload)
    upload.unlink()
    assert job.size == len(story("apple", 40)) and finish(library)[0].stage == "ready"
    with pytest.raises(KnowledgeError, match="cannot be read"):
        library.add_file("default", "b.txt", upload)


def test_a_second_library_on_the_folder_is_told_who_has_it(make: Make) -> None:
    first = make()
    with pytest.raises(StoreInUse, match=f"in use by process {os.getpid()}"):
        make()
    first.close()
    make()


def test_a_second_process_is_told_who_has_it(make: Make) -> None:
    library = make()
    program = (
        "import sys; from pathlib import Path; from knowledge.library import Library\n"
        "from tests.knowledge.stubs import StubEmbedder, settings\n"
        "Library(settings(Path(sys.argv[1])), embedder=StubEmbedder()).open()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(library._folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode != 0 and f"in use by process {os.getpid()}" in ended.stderr


def test_importing_the_library_imports_nothing_heavy() -> None:
    heavy = ("torch", "faiss", "sentence_transformers", "transformers", "tokenizers", "langchain_core")
    program = f"import sys, knowledge.library; print([m for m in {heavy} if m in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_closing_twice_and_using_it_closed_are_no_riddles(make: Make) -> None:
    library = make()
    library.close()
    library.close()
    assert not library.ready
    with pytest.raises(KnowledgeError, match="closed"):
        library.add("default", "a.txt", b"text")
    with pytest.raises(KnowledgeError, match="closed"):
        library.search("default", "x", 1)


def test_a_damaged_database_is_refused_and_the_folder_given_back(make: Make, tmp_path: Path) -> None:
    make().close()
    file = tmp_path / "data" / "knowledge.db"
    kept = file.read_bytes()
    file.write_bytes(b"rubbish" * 1000)
    with pytest.raises(KnowledgeError, match="damaged"):
        make()
    assert file.read_bytes() == b"rubbish" * 1000
    file.write_bytes(kept)
    make()


@pytest.mark.parametrize("left", [None, b""], ids=["moved away", "emptied"])
def test_a_database_that_is_lost_takes_no_original_with_it(make: Make, tmp_path: Path, left: bytes | None) -> None:
    library = make()
    library.add("default", "kept.txt", b"the only copy")
    finish(library)
    library.close()
    for path in (tmp_path / "data").glob("knowledge.db*"):
        path.unlink()
    if left is not None:
        (tmp_path / "data" / "knowledge.db").write_bytes(left)
    assert make().documents("default") == []
    (aside,) = (tmp_path / "data").glob("originals-without-database-*")
    assert [path.read_bytes() for path in aside.glob("??/*")] == [b"the only copy"]


def test_a_damaged_base_leaves_the_others_and_is_mended_by_emptying_it(make: Make) -> None:
    first = make()
    first.create("other")
    first.add("default", "a.txt", story("apple"))
    first.add("other", "p.txt", story("pear"))
    finish(first)
    finish(first, "other")
    with first._store.write() as connection:
        connection.execute("UPDATE chunks SET vector = x'00' WHERE id = 1")
    first.close()
    second = make()
    assert second.ready and names_found(second, "pear", "other") == {"p.txt"}
    with pytest.raises(KnowledgeError, match="damaged on the disk"):
        second.search("default", "apple", 1)
    second.delete("default")
    second.add("default", "a.txt", story("apple"))
    finish(second)
    assert names_found(second, "apple") == {"a.txt"}
    check_open(second)


def test_replacing_never_shows_both_or_neither(library: Library) -> None:
    library.add("default", "a.txt", story("v0"))
    finish(library)
    seen: list[set[str]] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.append({p.text.split()[0] for p in library.search("default", "part0 part1 part2", 6)})

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for version in range(1, 25):
        library.add("default", "a.txt", story(f"v{version}"))
        finish(library)
    stop.set()
    for thread in threads:
        thread.join()
    assert {len(versions) for versions in seen} == {1}


def test_twenty_threads_add_search_and_remove(make: Make) -> None:
    library = make()
    failures: list[Exception] = []

    def work(seed: int) -> None:
        choice = random.Random(seed)
        for step in range(12):
            name = f"d{choice.randrange(12)}.txt"
            try:
                if seed % 4 == 0:
                    library.remove("default", name)
                elif seed % 4 == 1:
                    library.add("default", name, story(f"apple{seed} {step}", 3))
                else:
                    library.search("default", "apple part1", 5)
                    library.jobs("default")
                    library.bases()
            except (UnknownDocument, EmptyBase):
                pass
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and {job.stage for job in finish(library)} <= {"ready", "skipped"}
    check_open(library)
    library.close()
    check(library._folder)


@pytest.mark.parametrize("seed", range(3))
def test_after_any_operations_the_index_holds_the_databases_chunks(make: Make, seed: int) -> None:
    choice, library = random.Random(seed), make()
    library.create("other")
    for _ in range(60):
        base, name = choice.choice(["default", "other"]), f"{choice.randrange(6)}.txt"
        try:
            match choice.randrange(10):
                case 0:
                    library.delete(base)
                    if base == "other":
                        library.create("other")
                case 1 | 2:
                    library.remove(base, name)
                case 3:
                    jobs = library.jobs(base)
                    if jobs:
                        library.cancel(choice.choice(jobs).id)
                case 4:
                    library.close()
                    library = make()
                case _:
                    library.add(base, name, story(f"apple{choice.randrange(9)}", choice.randrange(1, 9)))
        except UnknownDocument:
            pass
    for base in ("default", "other"):
        finish(library, base)
    check_open(library)
    library.close()
    check(library._folder)


def test_a_reader_may_be_given(tmp_path: Path) -> None:
    library = Library(settings(tmp_path), read=read_text, embedder=StubEmbedder())
    assert library.embedder_name == "stub" and library.state == "not opened" and not library.ready
    with pytest.raises(KnowledgeError, match="closed"):
        library.bases()


def test_texts_become_vectors_and_one_that_is_too_long_is_named(library: Library) -> None:
    made = library.embed(["red fox", "blue whale", "red fox"])
    assert made.vectors.shape == (3, library.embedding_dimension)
    assert made.tokens == 6
    assert (made.vectors[0] == made.vectors[2]).all() and (made.vectors[0] != made.vectors[1]).any()
    with pytest.raises(TextTooLong, match=r"text 1 has 61 tokens, but the embedding model reads 60"):
        library.embed(["fox", "fox " * 61])


def test_nothing_is_embedded_before_the_model_is_there(make: Make) -> None:
    library = make(load=False)
    for ask in (lambda: library.embed(["fox"]), lambda: library.embedding_dimension):
        with pytest.raises(EmbedderNotReady):
            ask()
