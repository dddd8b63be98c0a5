"""Pages that are pictures of text: recognised where Tesseract is there, and told in words where it is not."""

import threading
from contextlib import closing
from pathlib import Path

import pytest

from knowledge import recognition
from knowledge.base import UnreadableFile
from knowledge.loaders import LOADERS
from knowledge.loaders.base import Extract
from knowledge.sandbox import Sandbox
from knowledge.settings import KnowledgeSettings
from tests.knowledge.make_files import image_pdf, scan

LINES = ["The crate of apples weighs", "eighteen kilograms when full."]

with_tesseract = pytest.mark.skipif(
    recognition.data_folder() is None, reason="Tesseract's languages are not here (Debian: apt-get install tesseract-ocr)"
)


def read(tmp_path: Path, content: bytes, **limits: object) -> Extract:
    path = tmp_path / "scan.pdf"
    path.write_bytes(content)
    settings = KnowledgeSettings.model_validate(limits)
    with closing(Sandbox()) as sandbox:
        return sandbox.read(path, path.name, settings, lambda *_: None, threading.Event())


def failure(tmp_path: Path, content: bytes, **limits: object) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as caught:
        read(tmp_path, content, **limits)
    return caught.value


@with_tesseract
def test_a_scan_is_read_and_says_so(tmp_path: Path) -> None:
    found = read(tmp_path, scan(LINES, pages=2, written="Written."))
    assert [block.locator.page for block in found.blocks] == [1, 2, 3]
    assert found.blocks[0].text == "Written."
    assert found.blocks[1].text.split() == " ".join(LINES).split()
    assert found.warnings == ("pages 2-3 recognised from pictures (OCR): there may be mistakes",)


@with_tesseract
def test_a_picture_without_text_is_still_one(tmp_path: Path) -> None:
    error = failure(tmp_path, image_pdf(3))
    assert (error.code, str(error)) == (
        "needs_ocr",
        "it holds pictures of text, not text (pages 1-3 of 3): no text could be recognised in them",
    )
    found = read(tmp_path, image_pdf(3, "Some text"))
    assert found.warnings == ("pages 2-3 have no text (images?)",)


@with_tesseract
def test_it_ends_in_time_and_tells_what_is_left(tmp_path: Path) -> None:
    found = read(tmp_path, scan(LINES * 15, pages=60, written="Written."), ocr_seconds=6)
    assert found.blocks[0].text == "Written."
    assert "it takes longer than 6 s (--ocr-seconds)" in found.warnings[-1]


@with_tesseract
def test_a_language_that_is_not_there_is_told(tmp_path: Path) -> None:
    error = failure(tmp_path, scan(LINES), ocr_languages="kli_ngon")
    assert (error.code, "'kli_ngon' (--ocr-languages)" in str(error)) == ("needs_ocr", True)


def test_switched_off_it_is_advised(tmp_path: Path) -> None:
    error = failure(tmp_path, image_pdf(12), ocr=False)
    assert (error.code, str(error)) == (
        "needs_ocr",
        "it holds pictures of text, not text (pages 1-12 of 12): run it through OCR first, or switch it on here (--ocr)",
    )
    assert read(tmp_path, image_pdf(2, "x"), ocr=False).warnings == ("page 2 has no text (images?)",)


def test_without_tesseract_it_is_advised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognition, "PLACES", ("nowhere/tessdata",))
    monkeypatch.delenv("TESSDATA_PREFIX", raising=False)
    assert 'install it here (the extra "ocr" and Tesseract)' in str(failure(tmp_path, image_pdf(1)))


@with_tesseract
def test_a_failure_leaves_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOADERS, ".pdf", "tests.knowledge.rogue:draw")
    found = read(tmp_path, b"no pdf")  # so PDFium cannot draw it
    assert found.blocks[0].text == "written"
    assert found.warnings == ("pages 2-3 have no text (images?); its pages cannot be drawn",)


def test_languages_are_those_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("osd", "deu", "eng", "chi_sim"):
        (tmp_path / f"{name}.traineddata").touch()
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    assert recognition.data_folder() == tmp_path
    assert recognition.languages(tmp_path) == ["eng", "chi_sim", "deu"]
