"""Word documents: order, headings, lists, tables, everything text can be wrapped in, and hostile archives."""

import io
import struct
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from knowledge.loaders import archive
from knowledge.loaders.docx import read
from tests.knowledge.loaders.reading import reading
from tests.knowledge.make_files import STRICT, W, docx_bytes, docx_parts, paragraph, pdf, relations_of, word

extract, failure = reading(read, "file.docx")


def texts(tmp_path: Path, body: str, **others: Any) -> list[str]:
    return [block.text for block in extract(tmp_path, docx_bytes(body, **others)).blocks]


def test_a_document_by_python_docx(tmp_path: Path) -> None:
    def build(document: Any) -> None:
        document.add_heading("The report", 0)
        document.add_paragraph("Before.")
        document.add_heading("First", 1)
        document.add_heading("Inner", 2)
        document.add_paragraph("one", style="List Bullet")
        document.add_paragraph("two", style="List Number")
        document.add_paragraph("After the list.")
        document.add_heading("Second", 1)
        table = document.add_table(rows=3, cols=3)
        for row in range(3):
            for column in range(3):
                table.cell(row, column).text = f"{row}{column}"
        table.cell(0, 0).merge(table.cell(0, 1)).text = "wide"
        table.cell(1, 2).merge(table.cell(2, 2)).text = "tall|pipe"
        document.add_paragraph("End.")

    blocks = read(word(tmp_path / "a.docx", build), lambda page, pages: None).blocks
    assert [(block.kind, block.text, block.locator.headings) for block in blocks] == [
        ("text", "Before.", ("The report",)),
        ("text", "- one\n- two", ("The report", "First", "Inner")),
        ("text", "After the list.", ("The report", "First", "Inner")),
        (
            "table",
            "| wide |  | 02 |\n| --- | --- | --- |\n| 10 | 11 | tall\\|pipe |\n| 20 | 21 |  |",
            ("The report", "Second"),
        ),
        ("text", "End.", ("The report", "Second")),
    ]


def test_text_is_found_in_whatever_it_is_wrapped(tmp_path: Path) -> None:
    run = "<w:r><w:t>{}</w:t></w:r>"
    wrapped = "".join(
        f"<w:{name}>{run.format(name)} </w:{name}>" for name in ("hyperlink", "ins", "smartTag", "moveTo", "fldSimple")
    )
    body = (
        f"<w:p>{wrapped}<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>"
        f"<w:moveFrom>{run.format('moved')}</w:moveFrom><w:r><w:instrText>INCLUDETEXT</w:instrText></w:r></w:p>"
        f"<w:sdt><w:sdtPr><w:alias/></w:sdtPr><w:sdtContent>{paragraph('control')}</w:sdtContent></w:sdt>"
        f"<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t></w:r></w:p>"
    )
    assert texts(tmp_path, body) == ["hyperlinkinssmartTagmoveTofldSimple", "control", "a\tb\nc-d"]


def test_a_text_box_is_read_once(tmp_path: Path) -> None:
    box = f"<w:txbxContent>{paragraph('boxed')}{paragraph('more')}</w:txbxContent>"
    alternatives = (
        'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><mc:Choice><w:drawing>'
        f"{box}</w:drawing></mc:Choice><mc:Fallback><w:pict>{box}</w:pict></mc:Fallback></mc:AlternateContent>"
    )
    body = f"<w:p><w:r><w:t>anchor</w:t><mc:AlternateContent {alternatives}</w:r></w:p>"
    assert texts(tmp_path, body) == ["anchor", "boxed", "more"]
    table = f"<w:tbl><w:tr><w:tc>{body}</w:tc><w:tc>{paragraph('x')}</w:tc></w:tr></w:tbl>"
    assert texts(tmp_path, table) == ["| anchor boxed more | x |\n| --- | --- |"]


def test_headings_by_outline_level_and_localized_style(tmp_path: Path) -> None:
    styles = (
        '<w:styles xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        '<w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>'
        '<w:style w:styleId="Mine"><w:name w:val="Mine"/><w:basedOn w:val="berschrift1"/></w:style>'
        '<w:style w:styleId="Loop"><w:name w:val="x"/><w:basedOn w:val="Loop"/></w:style></w:styles>'
    )
    body = (
        paragraph("One", '<w:pStyle w:val="Mine"/>')
        + paragraph("Two", '<w:outlineLvl w:val="1"/>')
        + paragraph("text", '<w:pStyle w:val="Loop"/>')
        + paragraph("Alone", '<w:pStyle w:val="berschrift1"/>')
    )
    parts: dict[str, bytes | str] = {
        "word/styles.xml": styles,
        "word/_rels/document.xml.rels": relations_of(styles="styles.xml"),
    }
    blocks = extract(tmp_path, docx_bytes(body, parts=parts)).blocks
    assert [(block.text, block.locator.headings) for block in blocks] == [("text", ("One", "Two")), ("Alone", ())]


def test_notes_come_last_below_the_heading_that_has_them(tmp_path: Path) -> None:
    body = (
        paragraph("Title", '<w:outlineLvl w:val="0"/>')
        + '<w:p><w:r><w:t>text</w:t><w:footnoteReference w:id="2"/></w:r></w:p>'
        + paragraph("end")
    )
    notes = (
        '<w:footnotes xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        f'<w:footnote w:id="1">{paragraph("separator")}</w:footnote>'
        f'<w:footnote w:id="2">{paragraph("note")}</w:footnote>'
        "</w:footnotes>"
    )
    parts: dict[str, bytes | str] = {
        "word/footnotes.xml": notes,
        "word/_rels/document.xml.rels": relations_of(footnotes="/word/footnotes.xml"),
    }
    blocks = extract(tmp_path, docx_bytes(body, parts=parts)).blocks
    assert [block.text for block in blocks] == ["text", "end", "note"]
    assert blocks[2].locator.headings == ("Title",)


def test_tables_in_tables_and_frames(tmp_path: Path) -> None:
    cell = "<w:tc>{}</w:tc>"
    inner = f"<w:tbl><w:tr>{cell.format(paragraph('in'))}{cell.format(paragraph('ner'))}</w:tr></w:tbl>"
    outer = f"<w:tbl><w:tr>{cell.format(paragraph('a') + inner)}{cell.format(paragraph('b'))}</w:tr></w:tbl>"
    assert texts(tmp_path, outer) == ["| a in ner | b |\n| --- | --- |"]
    assert texts(tmp_path, f"<w:tbl><w:tr>{cell.format(paragraph('framed') + inner)}</w:tr></w:tbl>")[0] == "framed"
    wide = '<w:tc><w:tcPr><w:gridSpan w:val="2147483647"/></w:tcPr>' + paragraph("x") + "</w:tc>"
    assert len(texts(tmp_path, f"<w:tbl><w:tr>{wide}{cell.format(paragraph('y'))}</w:tr></w:tbl>")[0]) < 2000


def test_formulas_are_text(tmp_path: Path) -> None:
    math = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    squared = "<m:sSup><m:e><m:r><m:t>c</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup>"
    body = f"<w:p><w:r><w:t>so</w:t></w:r><m:oMath {math}><m:r><m:t>E=m</m:t></m:r>{squared}</m:oMath></w:p>"
    assert texts(tmp_path, body) == ["so E=m c^2"]


def test_strict_and_utf16_documents(tmp_path: Path) -> None:
    assert texts(tmp_path, paragraph("strict"), namespace=STRICT) == ["strict"]
    main = (
        '<?xml version="1.0" encoding="UTF-16"?><w:document xmlns:w="x"><w:body>' + paragraph("你好") + "</w:body></w:document>"
    )
    content = docx_parts({"word/document.xml": main.encode("utf-16")})
    assert extract(tmp_path, content).blocks[0].text == "你好"


def test_no_text_is_no_block(tmp_path: Path) -> None:
    assert texts(tmp_path, "<w:p/><w:tbl><w:tr><w:tc><w:p/></w:tc><w:tc><w:p/></w:tc></w:tr></w:tbl>") == []


def test_what_is_no_word_document(tmp_path: Path) -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512)
    sheet = docx_parts({"word/document.xml": "<workbook/>"})
    assert failure(tmp_path, b"").code == "empty"
    assert failure(tmp_path, ole + "EncryptedPackage".encode("utf-16-le")).code == "encrypted"
    assert "save it as .docx" in str(failure(tmp_path, ole + "WordDocument".encode("utf-16-le")))
    for content in (ole, sheet, pdf(["x"]), b"text", docx_parts({})):
        assert failure(tmp_path, content).code == "wrong_type"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    prolog = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE w [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    main = f'{prolog}<w:document xmlns:w="x"><w:body><w:p>&x;</w:p></w:body></w:document>'
    error = failure(tmp_path, docx_parts({"word/document.xml": main.encode(encoding)}))
    assert (error.code, "document type" in str(error)) == ("broken", True)


def test_broken_archives_are_told(tmp_path: Path) -> None:
    whole = docx_bytes(paragraph("text " * 500))
    assert failure(tmp_path, whole[: len(whole) // 2]).code == "broken"
    assert failure(tmp_path, docx_parts({"word/document.xml": "<w:document"})).code == "broken"
    with zipfile.ZipFile(io.BytesIO(whole)) as file:
        entry = file.getinfo("word/document.xml")
    start = entry.header_offset + 30 + len(entry.filename)
    for place in range(start, start + entry.compress_size, 7):
        flipped = bytearray(whole)
        flipped[place] ^= 0x55
        assert failure(tmp_path, bytes(flipped)).code == "broken"


def test_encrypted_and_odd_archives(tmp_path: Path) -> None:
    whole = bytearray(docx_bytes(paragraph("text")))
    for place in range(len(whole) - 4):
        if whole[place : place + 4] == b"PK\x01\x02":
            whole[place + 8] |= 1
    assert failure(tmp_path, bytes(whole)).code == "encrypted"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_BZIP2) as file:
        file.writestr("word/document.xml", "x")
    assert failure(tmp_path, out.getvalue()).code == "broken"


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    started = time.process_time()
    assert failure(tmp_path, docx_parts({f"{number}": "" for number in range(archive.MAX_ENTRIES + 1)})).code == "too_large"
    large = docx_bytes("<w:p/>" + " " * (archive.MAX_PART + 1))
    assert failure(tmp_path, large).code == "too_large"
    assert failure(tmp_path, docx_bytes("<w:p>" * 100_000)).code == "broken"
    assert time.process_time() - started < 10


def test_a_lying_size_does_not_let_more_out(tmp_path: Path) -> None:
    whole = bytearray(docx_bytes(paragraph("text " * 5000)))
    for place in range(len(whole) - 4):
        if whole[place : place + 4] == b"PK\x01\x02":
            whole[place + 24 : place + 28] = struct.pack("<I", 10)
    assert failure(tmp_path, bytes(whole)).code == "broken"


def test_a_bomb_beside_the_text_is_never_opened(tmp_path: Path) -> None:
    content = docx_bytes(paragraph("text"), parts={"word/media/image1.emf": bytes(archive.MAX_TOTAL + 1)})
    started = time.process_time()
    assert extract(tmp_path, content).blocks[0].text == "text"
    assert time.process_time() - started < 0.5


def test_an_honest_long_document_of_high_ratio_is_read(tmp_path: Path) -> None:
    body = "".join(paragraph(f"The same sentence again and again, number {number % 10}.") for number in range(20_000))
    assert len(texts(tmp_path, body)) == 20_000


def styled(name: str) -> dict[str, str]:
    """The parts of a document with a paragraph style "x" of this name."""
    style = f'<w:styles {W}><w:style w:type="paragraph" w:styleId="x"><w:name w:val="{name}"/></w:style></w:styles>'
    return {"word/styles.xml": style, "word/_rels/document.xml.rels": relations_of(styles="styles.xml")}


ROWS = "".join(
    f"<w:tr>{''.join(f'<w:tc>{paragraph(cell)}</w:tc>' for cell in cells)}</w:tr>" for cells in (("a", "b"), ("c", "d"))
)
TABLE = "| a | b |\n| --- | --- |\n| c | d |"


@pytest.mark.parametrize("name", ["caption", "Beschriftung", "题注"])
def test_a_caption_is_told_by_its_style(tmp_path: Path, name: str) -> None:
    said, table = paragraph("Our sales", '<w:pStyle w:val="x"/>'), f"<w:tbl>{ROWS}</w:tbl>"
    for body in (said + table, table + said):
        assert texts(tmp_path, body, parts=styled(name)) == [f"Our sales\n{TABLE}"]
    assert texts(tmp_path, table + said, parts=styled("Quote")) == [TABLE, "Our sales"]


def test_the_caption_of_a_picture_is_none_of_a_table(tmp_path: Path) -> None:
    drawn = "<w:p><w:r><w:drawing><a:blip xmlns:a='a'/></w:drawing></w:r></w:p>"
    table = f"<w:tbl>{ROWS}</w:tbl>"
    for above, words in ((drawn, "Our office"), ("", "Figure 2: Our office"), ("", "Abbildung 2: Unser Haus")):
        body = above + paragraph(words, '<w:pStyle w:val="x"/>') + table
        assert texts(tmp_path, body, parts=styled("caption")) == [words, TABLE]


def cells(*row: tuple[str, str]) -> str:
    """A row of cells: their text and properties."""
    return f"<w:tr>{''.join(f'<w:tc><w:tcPr>{told}</w:tcPr>{paragraph(text)}</w:tc>' for text, told in row)}</w:tr>"


def test_a_header_of_two_rows_is_one_and_a_title_is_a_caption(tmp_path: Path) -> None:
    wide, begin, on = '<w:gridSpan w:val="2"/>', '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    title = cells(("Sales", '<w:gridSpan w:val="3"/>'))
    rows = cells(("Region", begin), ("2023", wide)) + cells(("", on), ("H1", ""), ("H2", ""))
    rows += cells(("North", ""), ("1", ""), ("2", ""))
    assert texts(tmp_path, f"<w:tbl>{title}{rows}</w:tbl>") == [
        "Sales\n| Region | 2023 H1 | H2 |\n| --- | --- | --- |\n| North | 1 | 2 |"
    ]
    # A cell that goes on below what would be the header: none of this is one.
    rows = cells(("a", begin), ("b", wide)) + cells(("", on), ("c", ""), ("d", begin)) + cells(("e", wide), ("", on))
    assert texts(tmp_path, f"<w:tbl>{rows}</w:tbl>") == ["| a | b |  |\n| --- | --- | --- |\n|  | c | d |\n| e |  |  |"]


def test_rows_that_word_repeats_are_the_header_and_rows_may_begin_late(tmp_path: Path) -> None:
    body = ROWS.replace("<w:tr>", "<w:tr><w:trPr><w:tblHeader/></w:trPr>")
    late = cells(("e", "")).replace("<w:tr>", '<w:tr><w:trPr><w:gridBefore w:val="1"/></w:trPr>')
    assert texts(tmp_path, f"<w:tbl>{body}{late}</w:tbl>") == ["| a c | b d |\n| --- | --- |\n|  | e |"]
    form = cells(("Name:", ""), ("Ann", "")) + cells(("Age:", ""), ("48", ""))
    assert texts(tmp_path, f"<w:tbl>{form}</w:tbl>") == ["|  |  |\n| --- | --- |\n| Name: | Ann |\n| Age: | 48 |"]


def run(text: str, properties: str = "") -> str:
    """The XML of a run."""
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def test_signs_and_what_is_raised_hidden_or_above(tmp_path: Path) -> None:
    high = '<w:vertAlign w:val="superscript"/>'
    powers = run("10") + run("-", high) + run("6", high) + run(" m, the 1") + run("st", high) + run(", a word") + run("1", high)
    signs = "".join(
        f'<w:r><w:sym w:font="{font}" w:char="{place}"/></w:r>'
        for font, place in (
            ("Symbol", "F0B3"),
            ("Symbol", "F061"),
            ("Wingdings", "F0FC"),
            ("Arial", "00B5"),
            ("Webdings", "F061"),
            ("Symbol", "x"),
        )
    )
    ruby = f"<w:r><w:ruby><w:rt>{run('とう')}</w:rt><w:rubyBase>{run('東')}</w:rubyBase></w:ruby></w:r>"
    hidden = run("hidden", "<w:vanish/>") + run("seen", '<w:vanish w:val="0"/>')
    body = "".join(f"<w:p>{inside}</w:p>" for inside in (powers, signs, ruby, hidden))
    assert texts(tmp_path, body) == ["10^-6 m, the 1st, a word 1", "≥α✓µ", "東(とう)", "seen"]
