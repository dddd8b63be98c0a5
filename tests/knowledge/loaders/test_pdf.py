"""PDF: pages, paragraphs, hyphens, pages without text, files that are damaged, encrypted or something else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from knowledge.base import UnreadableFile
from knowledge.loaders import pdf as loader
from knowledge.loaders.base import Extract
from knowledge.loaders.lines import Line, paragraphs
from knowledge.loaders.page_numbers import ranges
from knowledge.loaders.pdf_lines import spaced
from tests.knowledge.make_files import encrypted_pdf, glyph_pdf, image_pdf, pdf


def extract(tmp_path: Path, content: bytes, seen: list[tuple[int, int]] | None = None) -> Extract:
    path = tmp_path / "file.pdf"
    path.write_bytes(content)
    return loader.read(path, lambda page, pages: None if seen is None else seen.append((page, pages)))


def failure(tmp_path: Path, content: bytes) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as caught:
        extract(tmp_path, content)
    return caught.value


def test_pages_are_numbered_and_reported(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = extract(tmp_path, pdf(["First page", "Second page\nwith two lines", "Third"]), seen)
    assert [(block.text, block.locator.page) for block in found.blocks] == [
        ("First page", 1),
        ("Second page\nwith two lines", 2),
        ("Third", 3),
    ]
    assert (found.pages, found.warnings, seen) == (3, (), [(1, 3), (2, 3), (3, 3)])


def test_a_wider_gap_begins_a_paragraph(tmp_path: Path) -> None:
    found = extract(tmp_path, pdf(["one\ntwo\nthree\n\nfour\nfive"]))
    assert [block.text for block in found.blocks] == ["one\ntwo\nthree", "four\nfive"]


def test_dots_that_lead_to_a_page_number_are_one_sign(tmp_path: Path) -> None:
    found = extract(tmp_path, pdf(["Contents\nOne ........ 7\nTwo . . . . . . . . . 12\nA pause... and on"]))
    assert [block.text for block in found.blocks] == ["Contents\nOne … 7\nTwo … 12\nA pause... and on"]


def test_pages_that_are_pictures_are_told(tmp_path: Path) -> None:
    assert extract(tmp_path, image_pdf(3)) == Extract((), 3, (), (1, 2, 3))
    found = extract(tmp_path, image_pdf(4, "Some text"))
    assert (found.blocks[0].text, found.pictures) == ("Some text", (2, 3, 4))


def test_blank_pages_are_empty(tmp_path: Path) -> None:
    assert failure(tmp_path, pdf(["", ""])).code == "empty"
    assert failure(tmp_path, pdf([])).code in ("empty", "broken")


def test_a_password_is_told(tmp_path: Path) -> None:
    assert failure(tmp_path, encrypted_pdf("secret", "pass")).code == "encrypted"
    assert extract(tmp_path, encrypted_pdf("open", "")).blocks[0].text == "open"


def test_what_is_no_pdf(tmp_path: Path) -> None:
    assert failure(tmp_path, b"").code == "empty"
    assert "a program" in str(failure(tmp_path, b"\x7fELF" + bytes(2000)))
    assert failure(tmp_path, bytes(1024) + pdf(["x"])).code == "wrong_type"
    assert extract(tmp_path, b"junk\n" + pdf(["x"])).blocks[0].text == "x"


def test_too_many_pages(tmp_path: Path) -> None:
    error = failure(tmp_path, pdf([""] * (loader.MAX_PAGES + 1)))
    assert (error.code, "2,001 pages" in str(error)) == ("too_large", True)


def test_damaged_files_are_told(tmp_path: Path) -> None:
    whole = pdf(["text"] * 3)
    for size in range(9, len(whole), 37):
        try:
            extract(tmp_path, whole[:size])
        except UnreadableFile as error:
            assert error.code in ("broken", "empty")


def test_pypdf_reads_what_pdfium_does_not_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pypdfium2

    class Closed:
        def __init__(self, *_: Any) -> None:
            raise pypdfium2.PdfiumError("no", err_code=3)

    monkeypatch.setattr(pypdfium2, "PdfDocument", Closed)
    found = extract(tmp_path, pdf(["by the other", "page two"]))
    assert [(block.text, block.locator.page) for block in found.blocks] == [("by the other", 1), ("page two", 2)]
    assert failure(tmp_path, encrypted_pdf("secret", "pass")).code == "encrypted"
    assert failure(tmp_path, b"%PDF-1.4\nnothing").code == "broken"


def test_a_page_that_cannot_be_read_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pages(path: Path) -> Iterator[tuple[int, int, loader.Page]]:
        yield 1, 2, loader.Page((Line("text"),))
        yield 2, 2, loader.Page((), broken=True)

    monkeypatch.setattr(loader, "pages_of", pages)
    assert extract(tmp_path, pdf(["x"])).warnings == ("page 2 is damaged and left out",)


def test_letters_that_the_file_does_not_tell_are_warned_of(tmp_path: Path) -> None:
    untold = [(72.0 + 6 * place, 700.0, "" if place % 10 == 3 else "x") for place in range(200)]
    found = extract(tmp_path, glyph_pdf(untold))
    assert found.warnings[0].startswith("some letters of page 1 may be wrong or missing")
    assert extract(tmp_path, glyph_pdf(untold[:60])).warnings[0].startswith("some letters of page 1 may")
    assert extract(tmp_path, glyph_pdf([*untold[:40], *((x, 600.0, "x") for x, _, _ in untold)])).warnings == ()


@pytest.mark.parametrize(
    ("told", "meant"), [("sch¸tzt Allg‰u", "schützt Allgäu"), ("d‡s ‡ prËs", "dàs à près"), ("5‰ of a‡", "5‰ of a‡")]
)
def test_letters_read_in_the_code_of_another_system_are_put_right(tmp_path: Path, told: str, meant: str) -> None:
    glyphs = [(72.0 + 6 * place, 700.0, letter) for place, letter in enumerate(told)]
    assert extract(tmp_path, glyph_pdf(glyphs)).blocks[0].text == meant


def test_signs_that_no_space_divides_may_stand_apart(tmp_path: Path) -> None:
    glyphs = [(72.0 + 6 * place, 700.0, sign) for place, sign in enumerate("\u672c\u8a9e\u306e\u6587\u7ae0\u3067\u3059")]
    apart = [(68.6, 700.0, "\u65e5"), *((x + 4, y, sign) for x, y, sign in glyphs)]
    assert extract(tmp_path, glyph_pdf(apart)).blocks[0].text == "\u65e5\u672c\u8a9e\u306e\u6587\u7ae0\u3067\u3059"


def test_runs_of_pages() -> None:
    assert ranges([3, 7, 8, 9, 12]) == "pages 3, 7-9, 12"
    assert ranges([3]) == "page 3"


def test_divided_words_are_joined() -> None:
    lines = [Line("a dual", broken=True), Line("encoder of Lucene", broken=True), Line("BM25 com-"), Line("plete ﬁle")]
    assert list(paragraphs(lines)) == ["a dualencoder of Lucene-BM25 complete file"]


def test_raised_and_lowered_pieces_stay_in_their_line() -> None:
    pieces = [
        Line("U in R", 700, 12, left=72, right=105),
        Line("n", 706, 7, left=105, right=109),
        Line(" is a neighbourhood", 700, 12, left=109, right=210),
        Line("3", 706, 7, left=210, right=214),
        Line("of x.", 700, 12, left=218, right=240),
        Line("Next line", 686, 12, left=72, right=120),
        Line("other column", 686, 12, left=320, right=400),
    ]
    assert list(paragraphs(pieces)) == ["U in R^n is a neighbourhood 3 of x.\nNext line\nother column"]


@pytest.mark.parametrize(
    ("base", "raised", "text"),
    [("10", "3", "10^3"), ("f", "\u22121", "f^\u22121"), ("x)", "k", "x)^k"), ("21", "st", "21st"), ("n", "o", "no")],
)
def test_powers_are_told_from_words(base: str, raised: str, text: str) -> None:
    pieces = [Line(base, 700, 12, left=72, right=90), Line(raised, 705, 8, left=90, right=95)]
    assert list(paragraphs(pieces)) == [text]


def test_chinese_lines_go_on_without_a_space() -> None:
    assert list(paragraphs([Line("这是一个没有空格的中文段落的第一行"), Line("第二行")])) == [
        "这是一个没有空格的中文段落的第一行第二行"
    ]
    assert list(paragraphs([Line("标题"), Line("第二行")])) == ["标题\n第二行"]


def test_a_new_column_begins_a_paragraph() -> None:
    lines = [Line(str(number), 700 - 14 * number, 12) for number in range(5)] + [
        Line("top", 700, 12),
        Line("next", 686, 12),
    ]
    assert list(paragraphs(lines)) == ["0\n1\n2\n3\n4", "top\nnext"]


def test_missed_spaces_are_put_in() -> None:
    def boxes(gaps: list[float]) -> list[tuple[float, float, float, float]]:
        left, found = 0.0, []
        for gap in gaps:
            left += gap
            found.append((left, 0.0, left + 5, 10.0))
            left += 5
        return found

    assert spaced("twowords", boxes([0, 0, 0, 2, 0, 0, 0, 0]))[0] == "two words"
    assert spaced("letterspaced", boxes([2.0] * 12))[0] == "letterspaced"
    assert spaced("3.14", boxes([0, 2, 0, 0]))[0] == "3.14"
