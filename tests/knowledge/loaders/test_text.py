"""Bytes to characters in many encodings, what is taken out, what is refused, and paragraphs with their lines."""

import random
import time
from pathlib import Path

import pytest

from knowledge.base import UnreadableFile
from knowledge.loaders import magic
from knowledge.loaders.cleaning import Cleaner
from knowledge.loaders.encodings import decode
from knowledge.loaders.text import read
from tests.knowledge.loaders.reading import reading

extract, _ = reading(read, "file.txt")

CHINESE = "第一章 总则。为了说明这个文件的编码，我们在这里写下一些常用的文字，大家都可以看到。"
TRADITIONAL = "第一章 總則。為了說明這個檔案的編碼，我們在這裡寫下一些常用的文字，大家都可以看到。"
JAPANESE = "これは日本語の文章です。文字コードを調べるために、ひらがなとカタカナと漢字を書きます。"
KOREAN = "이 문서는 한국어로 작성되었습니다. 문자 인코딩을 확인하기 위해 몇 가지 문장을 적습니다."
RUSSIAN = "Это предложение написано на русском языке, чтобы проверить, как программа узнаёт кодировку."
GREEK = "Αυτή η πρόταση είναι γραμμένη στα ελληνικά για να ελέγξουμε την κωδικοποίηση του κειμένου."
GERMAN = "Die Übersicht zählt für jede Größe die schönsten Städte auf; größere Flüsse können fehlen."
SPANISH = "El niño comió una manzana en la estación; mañana volverá a jugar con su compañero de escuela."
TURKISH = "Bu cümle, yazılım kodlamasını doğru tanıyıp tanımadığını görmek için Türkçe yazılmıştır."
CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy, a proto se vrátil zpět do své stáje."
THAI = "ประโยคนี้เขียนเป็นภาษาไทยเพื่อทดสอบว่าโปรแกรมอ่านการเข้ารหัสได้ถูกต้องหรือไม่"
HEBREW = "המשפט הזה נכתב בעברית כדי לבדוק אם התוכנה מזהה נכון את קידוד הטקסט."
ARABIC = "كتبت هذه الجملة باللغة العربية للتحقق من أن البرنامج يتعرف على ترميز النص بشكل صحيح."

ENCODED = [
    *((CHINESE, name) for name in ("gbk", "gb18030", "hz", "utf-16-le", "utf-16-be", "utf-16", "utf-32", "utf-8-sig")),
    *((TRADITIONAL, name) for name in ("big5", "utf-16-le")),
    *((JAPANESE, name) for name in ("shift_jis", "euc_jp", "iso2022_jp", "utf-16-be")),
    *((KOREAN, name) for name in ("euc_kr", "cp949", "iso2022_kr", "utf-16-le")),
    *((RUSSIAN, name) for name in ("cp1251", "koi8_r", "cp866", "iso8859_5", "utf-16-le")),
    *((GREEK, name) for name in ("cp1253", "iso8859_7")),
    *((GERMAN, name) for name in ("latin-1", "cp1252", "utf-16-le", "utf-32-le", "utf-32-be")),
    *((SPANISH, name) for name in ("cp1252",)),
    *((TURKISH, name) for name in ("cp1254",)),
    *((CZECH, name) for name in ("cp1250", "iso8859_2")),
    *((THAI, name) for name in ("cp874",)),
    *((HEBREW, name) for name in ("cp1255",)),
    *((ARABIC, name) for name in ("cp1256",)),
]


@pytest.mark.parametrize(("text", "encoding"), ENCODED, ids=lambda value: value if len(value) < 12 else value[:6])
def test_encodings(text: str, encoding: str) -> None:
    decoded, warnings = decode(text.encode(encoding))
    assert decoded == text
    assert bool(warnings) == (encoding not in ("utf-8-sig", "utf-16", "utf-32")), warnings


def test_utf8_needs_no_warning() -> None:
    assert decode(CHINESE.encode()) == (CHINESE, ())
    assert decode(b"plain") == ("plain", ())


def test_a_mistake_in_utf8_does_not_make_it_another_encoding() -> None:
    text, warnings = decode(CHINESE.encode() + b"\xff" + CHINESE.encode())
    assert text == CHINESE + "\ufffd" + CHINESE
    assert warnings == ("1 places could not be read as utf-8 and were replaced",)


def test_the_guess_looks_at_a_sample_only() -> None:
    started = time.process_time()
    text, _ = decode((GERMAN * 100_000).encode("cp1252"))
    assert text == GERMAN * 100_000
    assert time.process_time() - started < 2


def test_no_bytes_raise_anything_else(tmp_path: Path) -> None:
    dice = random.Random(7)
    for size in (1, 2, 3, 10, 100, 1000, 5000):
        for _ in range(20):
            try:
                extract(tmp_path, dice.randbytes(size))
            except UnreadableFile as error:
                assert error.code == "wrong_type"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x7fELF\x02\x01\x01" + bytes(100), "a program"),
        (b"PK\x03\x04" + bytes(100), "ZIP"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "a picture"),
        (b"%PDF-1.4\n", "a PDF document"),
        (b"{\\rtf1 text}", "Rich Text"),
        (bytes(range(1, 32)) * 40, "control characters"),
        (b"\xff" * 1000, "again and again"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(UnreadableFile, match=words) as caught:
        extract(tmp_path, content)
    assert caught.value.code == "wrong_type"


def test_paragraphs_know_their_lines(tmp_path: Path) -> None:
    blocks = extract(tmp_path, b"\n\none\r\ntwo\r\n\r\n \t\r\nthree\n").blocks
    assert [block.text for block in blocks] == ["one\ntwo", "three"]
    assert [(block.locator.first_line, block.locator.last_line) for block in blocks] == [(3, 4), (7, 7)]


def test_a_log_is_divided_at_line_ends(tmp_path: Path) -> None:
    lines = [f"{number} something happened" for number in range(1000)]
    blocks = extract(tmp_path, "\n".join(lines).encode()).blocks
    assert "\n".join(block.text for block in blocks) == "\n".join(lines)
    assert max(len(block.text) for block in blocks) < 5000
    assert blocks[1].locator.first_line == (blocks[0].locator.last_line or 0) + 1


def test_a_giant_line_is_read_in_linear_time(tmp_path: Path) -> None:
    started = time.process_time()
    assert len(extract(tmp_path, "数据".encode() * 1_000_000).blocks[0].text) == 2_000_000
    assert time.process_time() - started < 5


def test_blank_is_no_block(tmp_path: Path) -> None:
    assert extract(tmp_path, b" \n\t\n" * 100).blocks == ()
    assert extract(tmp_path, bytes(1000)).blocks == ()


def test_hidden_characters_are_removed_and_counted() -> None:
    cleaner = Cleaner()
    assert cleaner.clean("a\u200bb\u202ec\U000e0041\ufeffd\x00e\x07f\ud800g\xadh") == "abcdefgh"
    assert cleaner.warnings() == (
        "2 control characters removed",
        "4 hidden characters removed (zero-width, text direction, tags)",
    )


def test_joiners_stay_where_they_mean_something() -> None:
    for text in ("می\u200cخواهم", "👨\u200d👩\u200d👧", "क\u094d\u200dष"):
        assert Cleaner().clean(text) == text
    assert Cleaner().clean("pass\u200cword\u200d") == "password"


def test_cleaning_keeps_lines_and_composes() -> None:
    cleaner = Cleaner()
    assert cleaner.clean("a\r\nb\rc\td\u2028e") == "a\nb\nc\td\ne"
    assert cleaner.clean("e\u0301 ﬁ ①") == "é ﬁ ①"
    assert cleaner.clean("\x1b[31mred\x1b[0m \x1b]8;;http://x\x07link") == "red link"
    assert cleaner.warnings() == ()


def test_stacked_marks_are_not_quadratic() -> None:
    started = time.process_time()
    Cleaner().clean("a" + "\u0316\u0301" * 500_000)
    assert time.process_time() - started < 2


def test_other_kind_is_a_sentence() -> None:
    assert magic.other_kind(b"GIF89a", "a PDF document") == "the file is not a PDF document, it is a picture"
    assert magic.other_kind(b"hello", "a PDF document") == "the file is not a PDF document"
