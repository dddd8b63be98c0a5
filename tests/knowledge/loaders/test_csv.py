"""Tables of text: their divider, their rows and lines, what is no table."""

from pathlib import Path

import pytest

from knowledge.base import UnreadableFile
from knowledge.loaders import csv as loader
from knowledge.loaders.base import Block
from knowledge.pieces import pieces_of


def blocks(tmp_path: Path, content: str | bytes) -> list[Block]:
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(loader.read(path, lambda *_: None).blocks)


@pytest.mark.parametrize("divider", [",", ";", "\t", "|"])
def test_the_divider_is_found_out(tmp_path: Path, divider: str) -> None:
    rows = [["name", "price"], ["Tea; or, coffee", "1.5"], ["Milk", '2 "a"']]
    text = "\n".join(divider.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    (found,) = blocks(tmp_path, text)
    assert found.text == '| name | price |\n| --- | --- |\n| Tea; or, coffee | 1.5 |\n| Milk | 2 "a" |'
    assert (found.kind, found.locator.first_line, found.locator.last_line) == ("table", 1, 3)


def test_rows_know_their_lines(tmp_path: Path) -> None:
    (found,) = blocks(tmp_path, "a,b\n" + "".join(f"{number},x\n" for number in range(2, 50)))
    rows = [piece for piece in pieces_of(found) if piece.text.startswith("| 30 ")]
    assert [piece.lines() for piece in rows] == [(30, 30)]
    assert next(iter(pieces_of(found))).lines() == (1, 1)


def test_the_header_is_repeated_and_rows_of_several_lines_keep_their_place(tmp_path: Path) -> None:
    found = blocks(tmp_path, 'a,b\n1,2\n\n3,4\n"two\nlines",5\n6,7\n')
    assert [(block.text.split("\n")[2:], block.locator.first_line, block.locator.last_line) for block in found] == [
        (["| 1 | 2 |"], 1, 2),
        (["| 3 | 4 |"], 4, 4),
        (["| two lines | 5 |"], 5, 6),
        (["| 6 | 7 |"], 7, 7),
    ]
    assert all(block.text.startswith("| a | b |\n| --- | --- |\n") for block in found)
    assert [next(piece.lines() for piece in pieces_of(block) if "6" in piece.text) for block in found[3:]] == [(7, 7)]


def test_long_tables_come_in_parts(tmp_path: Path) -> None:
    found = blocks(tmp_path, "a,b\n" + "".join(f"{number},x\n" for number in range(1200)))
    assert [block.locator.last_line for block in found] == [500, 1000, 1201]
    assert all(block.text.startswith("| a | b |") for block in found)


def test_another_table_below_has_its_own_header(tmp_path: Path) -> None:
    found = blocks(tmp_path, "a,b\n1,2\n\nRain in mm,,\nplace,may,june\nRome,3,4\n")
    assert found[1].text == "Rain in mm\n| place | may | june |\n| --- | --- | --- |\n| Rome | 3 | 4 |"


def test_lines_without_a_divider_are_text(tmp_path: Path) -> None:
    (found,) = blocks(tmp_path, "just\nlines\n")
    assert (found.text, found.kind, found.locator.last_line) == ("just\nlines", "text", 2)


def test_formulas_are_text(tmp_path: Path) -> None:
    (found,) = blocks(tmp_path, 'a,b\n=HYPERLINK(""http://127.0.0.1:1""),=cmd|\'/c calc\'!A1\n')
    assert "cmd\\|'/c calc'!A1" in found.text


def test_a_line_without_an_end_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="line 2 is longer than 1,048,576 characters") as caught:
        blocks(tmp_path, "a,b\n" + "x," * 10_000_000)
    assert caught.value.code == "too_large"
    with pytest.raises(UnreadableFile, match="damaged after line 1"):
        blocks(tmp_path, 'a,b\n"' + "x,\n" * 1_000_000)


def test_the_first_line_may_say_what_divides_the_cells(tmp_path: Path) -> None:
    (found,) = blocks(tmp_path, b"sep=|\r\nname|age, year\r\nAnn|3\r\n")
    assert (found.text, found.locator.first_line) == ("| name | age, year |\n| --- | --- |\n| Ann | 3 |", 2)


def test_a_quote_may_be_escaped(tmp_path: Path) -> None:
    (found,) = blocks(tmp_path, b'id,text\n1,"he said \\"hi, you\\" twice"\n2,plain\n')
    assert found.text.split("\n")[2:] == ['| 1 | he said "hi, you" twice |', "| 2 | plain |"]
    (found,) = blocks(tmp_path, b'id,place\n1,"C:\\"\n2,D:\\new\n')
    assert found.text.split("\n")[2:] == ["| 1 | C:\\ |", "| 2 | D:\\new |"]
