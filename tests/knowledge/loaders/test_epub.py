"""E-books: chapters in reading order, and files that want to do harm."""

from pathlib import Path

from knowledge.loaders import epub as loader
from knowledge.loaders.archive import MAX_PART
from tests.knowledge.loaders.reading import reading
from tests.knowledge.make_files import archive, book, with_part

extract, failure = reading(loader.read, "book.epub")

FIRST = (
    '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"><head><title>Night</title>'
    "</head><body><h1>At night</h1><p>Owls h&ouml;ren gut.</p></body></html>"
)


def test_chapters_come_in_reading_order(tmp_path: Path) -> None:
    found = extract(tmp_path, book([FIRST, "<html><body><p>No heading.</p></body></html>"]))
    assert [(block.text, block.locator.headings) for block in found.blocks] == [
        ("Owls hören gut.", ("Night", "At night")),
        ("No heading.", ("Chapter 2",)),
    ]


def test_a_missing_chapter_is_told(tmp_path: Path) -> None:
    whole = book([FIRST, FIRST])
    broken = with_part(whole, "OEBPS/book.opf", package(whole).replace("part%201", "gone"))
    assert extract(tmp_path, broken).warnings == ("1 of 2 chapters are missing in the file",)


def package(whole: bytes) -> str:
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(whole)) as file:
        return file.read("OEBPS/book.opf").decode()


def test_entities_of_a_chapter_are_not_expanded(tmp_path: Path) -> None:
    entities = '<!ENTITY x SYSTEM "file:///etc/passwd"><!ENTITY y "yyyy">'
    page = f"<!DOCTYPE html [{entities}]><html><body><p>a &x; &y; b</p></body></html>"
    text = " ".join(block.text for block in extract(tmp_path, book([page])).blocks)
    assert "root:" not in text
    assert text.rstrip().endswith("b")


def test_bombs_are_refused(tmp_path: Path) -> None:
    assert failure(tmp_path, book([" " * (MAX_PART + 1)])).code == "too_large"
    assert failure(tmp_path, book([" " * (MAX_PART - 1)] * 3)).code == "too_large"
    evil = '<!DOCTYPE package [<!ENTITY x "y">]><package>&x;</package>'
    assert "document type" in str(failure(tmp_path, with_part(book([FIRST]), "OEBPS/book.opf", evil)))


def test_locked_and_other_files_are_told(tmp_path: Path) -> None:
    lock = '<encryption><EncryptedData><CipherData><CipherReference URI="{}"/></CipherData></EncryptedData></encryption>'
    locked = book([FIRST], {"META-INF/encryption.xml": lock.format("OEBPS/text/part%200.xhtml")})
    assert failure(tmp_path, locked).code == "encrypted"
    assert extract(tmp_path, book([FIRST], {"META-INF/encryption.xml": lock.format("OEBPS/a.otf")})).blocks
    assert failure(tmp_path, archive({"a": "b"})).code == "wrong_type"
    assert failure(tmp_path, archive({"META-INF/container.xml": "<container/>"})).code == "broken"
