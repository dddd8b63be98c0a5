"""Lines from right to left are read in their order, however a program drew them, and found again on their page."""

import re
from pathlib import Path

import pytest

from knowledge.loaders import page_view
from knowledge.loaders import pdf as loader
from knowledge.loaders.base import Block
from knowledge.loaders.bidi import Box
from knowledge.loaders.pdf_bidi import ordered
from tests.knowledge.make_files import glyph_pdf

STEP = 6.0
"""Points from glyph to glyph."""


def blocks(path: Path, glyphs: list[tuple[float, float, str]]) -> list[Block]:
    path.write_bytes(glyph_pdf(glyphs))
    return list(loader.read(path, lambda *_: None).blocks)


def row(signs: list[str], bottom: float = 700.0) -> list[tuple[float, float, str]]:
    """Return glyphs from left to right; a space is only a distance."""
    return [(72 + STEP * at, bottom, sign) for at, sign in enumerate(signs) if sign != " "]


def line(text: str) -> list[str]:
    """Return the signs of a line as they stand from left to right: ligatures of lam and alef, numbers the other way."""
    parts = re.findall(r"ل[اأإآ]|[A-Za-z0-9]+|.", text)
    return [sign for part in reversed(parts) for sign in (part if part.isascii() else [part])]


ARABIC = "حل المشكلات في 25 يوما من العام"
HEBREW = "שלום עולם עם 123 ספרים ומילה Latin בשורה"


@pytest.mark.parametrize("text", [ARABIC, HEBREW])
@pytest.mark.parametrize("order", ["from left", "from right", "words"])
def test_a_line_is_read_from_the_right_however_it_was_drawn(tmp_path: Path, text: str, order: str) -> None:
    glyphs = row(line(text))
    if order == "from right":
        glyphs = glyphs[::-1]
    elif order == "words":
        glyphs = glyphs[10:] + glyphs[:10]
    assert [block.text for block in blocks(tmp_path / "a.pdf", glyphs)] == [text]


def test_a_ligature_is_told_in_the_order_of_its_letters(tmp_path: Path) -> None:
    assert blocks(tmp_path / "a.pdf", row(line("الإنتاجية والآخر")))[0].text == "الإنتاجية والآخر"
    assert blocks(tmp_path / "b.pdf", row(list(reversed(["\ufefb", " ", "\ufe83", "\ufea3", "\ufeaa"]))))[0].text == "لا أحد"


def test_a_word_in_a_line_from_the_left_is_turned_alone(tmp_path: Path) -> None:
    glyphs = row([*"the word ", *"םולש", *" means peace and rest"])
    assert blocks(tmp_path / "a.pdf", glyphs)[0].text == "the word שלום means peace and rest"


def test_marks_stand_behind_their_letters(tmp_path: Path) -> None:
    glyphs = [*row([*"ادحأ دح"]), (72.0 + STEP, 700.0, "\u064b")]
    assert blocks(tmp_path / "a.pdf", glyphs)[0].text == "حد أحدًا"


def test_brackets_open_before_they_close(tmp_path: Path) -> None:
    for brackets in ("()", ")("):
        glyphs = row([*"ןורחא ", brackets[0], *"עצמא", brackets[1], *" ןושאר"])
        assert blocks(tmp_path / "a.pdf", glyphs)[0].text == "ראשון (אמצע) אחרון"


@pytest.mark.parametrize(
    ("drawn", "read"),
    [
        ("1,250.75 :ריחמ", "מחיר: 1,250.75"),
        ("17/05/2024 ךיראת", "תאריך 17/05/2024"),
        ("4.5% רועיש", "שיעור 4.5%"),
        ("12-15 םידומע", "עמודים 12-15"),
        ("20 10 םירפסמ", "מספרים 10 20"),
        ("17-05-2024 ماعلا", "العام 2024-05-17"),
        ("2.5 PDF הסרגה איה", "היא הגרסה 2.5 PDF"),
    ],
)
def test_numbers_keep_their_order(drawn: str, read: str) -> None:
    boxes: list[Box] = [(STEP * at, 0.0, STEP * (at + 1), 12.0) for at in range(len(drawn))]
    assert ordered(drawn, boxes, boxes.__getitem__).text == read


def test_words_that_are_all_in_one_place_stay_as_they_are_told() -> None:
    boxes: list[Box] = [(0.0, 0.0, 6.0, 12.0)] * 4 + [(6.0 + at, 0.0, 12.0 + at, 12.0) for at in range(6)]
    assert ordered("םולשhabibi", boxes, boxes.__getitem__).text == "שלוםhabibi"


def test_lines_from_the_left_are_not_touched() -> None:
    boxes: list[Box] = [(0.0, 0.0, 6.0, 12.0)] * 5
    assert ordered("a\r\nbc", boxes, boxes.__getitem__).places == [0, 1, 2, 3, 4]


def test_a_passage_from_right_to_left_is_boxed_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    signs = [line(ARABIC), line("لا أحد هنا الآن")]
    words = blocks(path, [*row(signs[0]), *row(signs[1], 600.0)])[0].text.split("\n")[1]
    ((_, _, places, located),) = page_view.find(path, lambda *_: None, words, 1)
    boxes = [box for _, page in places for box in page]
    assert located and boxes
    assert all(abs((1 - 600 / 842) - box[3]) < 0.01 for box in boxes)
    assert abs(min(box[0] for box in boxes) - 72 / 595) < 0.01
    assert abs(max(box[2] for box in boxes) - (72 + STEP * len(signs[1])) / 595) < 0.01
