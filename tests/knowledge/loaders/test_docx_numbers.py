"""The numbers that Word counts itself: as they are written, where they go on, where they begin anew."""

from pathlib import Path

import pytest

from knowledge.loaders.docx import read
from knowledge.loaders.docx_numbers import formatted
from tests.knowledge.loaders.reading import reading
from tests.knowledge.make_files import docx_bytes, paragraph, relations_of

extract, _ = reading(read, "file.docx")

NAMESPACE = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def level(depth: int, text: str, form: str = "decimal", more: str = "") -> str:
    return f'<w:lvl w:ilvl="{depth}"><w:numFmt w:val="{form}"/><w:lvlText w:val="{text}"/>{more}</w:lvl>'


def numbering(levels: str, nums: str = '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>') -> str:
    return f'<w:numbering {NAMESPACE}><w:abstractNum w:abstractNumId="0">{levels}</w:abstractNum>{nums}</w:numbering>'


def numbered(text: str, depth: int = 0, number: int = 1) -> str:
    return paragraph(text, f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="{number}"/></w:numPr>')


def told(tmp_path: Path, body: str, numbers: str, styles: str = "") -> list[tuple[str, tuple[str, ...]]]:
    parts: dict[str, bytes | str] = {
        "word/numbering.xml": numbers,
        "word/styles.xml": f"<w:styles {NAMESPACE}>{styles}</w:styles>",
        "word/_rels/document.xml.rels": relations_of(numbering="numbering.xml", styles="styles.xml"),
    }
    return [(block.text, block.locator.headings) for block in extract(tmp_path, docx_bytes(body, parts=parts)).blocks]


CONTRACT = level(0, "%1.") + level(1, "%1.%2") + level(2, "(%3)", "lowerLetter")


def test_clauses_have_the_numbers_that_word_shows(tmp_path: Path) -> None:
    body = "".join(
        [
            numbered("Terms"),
            numbered("Supplier means A.", 1),
            numbered("Price means B:", 1),
            numbered("net", 2),
            numbered("gross", 2),
            paragraph("Between."),
            numbered("Delivery"),
            numbered("", 1),
            numbered("On time.", 1),
            numbered("always", 2),
        ]
    )
    texts = [text for text, _ in told(tmp_path, body, numbering(CONTRACT))]
    assert texts == [
        "1. Terms\n  1.1 Supplier means A.\n  1.2 Price means B:\n    (a) net\n    (b) gross",
        "Between.",
        "2. Delivery\n  2.2 On time.\n    (a) always",
    ]


def test_headings_are_numbered_by_their_styles(tmp_path: Path) -> None:
    styles = (
        '<w:style w:styleId="H1"><w:name w:val="heading 1"/><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
        '<w:style w:styleId="H2"><w:name w:val="heading 2"/><w:basedOn w:val="H1"/></w:style>'
    )
    levels = level(0, "第%1章", "chineseCountingThousand", '<w:pStyle w:val="H1"/>') + level(
        1, "%1.%2", more='<w:isLgl/><w:pStyle w:val="H2"/>'
    )
    body = "".join(
        paragraph(text, f'<w:pStyle w:val="{style}"/>')
        for text, style in [("总则", "H1"), ("目的", "H2"), ("范围", "H2"), ("附则", "H1"), ("施行", "H2"), ("正文", "None")]
    )
    off = paragraph("无号", '<w:pStyle w:val="H1"/><w:numPr><w:numId w:val="0"/></w:numPr>') + paragraph("末")
    found = told(tmp_path, body + off, numbering(levels), styles)
    assert found == [
        ("1.1 目的", ("第一章 总则",)),
        ("1.2 范围", ("第一章 总则",)),
        ("正文", ("第二章 附则", "2.1 施行")),
        ("末", ("无号",)),
    ]


def test_lists_go_on_or_begin_anew(tmp_path: Path) -> None:
    num = '<w:num w:numId="{}"><w:abstractNumId w:val="0"/>{}</w:num>'
    anew = '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/></w:lvlOverride>'
    own = f'<w:lvlOverride w:ilvl="0">{level(0, "Rule %1:", "upperRoman")}</w:lvlOverride>'
    nums = num.format(1, "") + num.format(2, "") + num.format(3, anew) + num.format(4, own)
    body = "".join(numbered(f"n{number}", 0, number) for number in (1, 2, 3, 1, 4, 4))
    (text, _), *_ = told(tmp_path, body, numbering(level(0, "Article %1"), nums))
    assert text.split("\n") == ["Article 1 n1", "Article 2 n2", "Article 5 n3", "Article 6 n1", "Rule I: n4", "Rule II: n4"]


def test_a_level_may_go_on_below_the_next(tmp_path: Path) -> None:
    levels = level(0, "Part %1", "upperLetter") + level(1, "§ %2", more='<w:lvlRestart w:val="0"/>')
    body = numbered("a") + numbered("x", 1) + numbered("b") + numbered("y", 1)
    assert told(tmp_path, body, numbering(levels))[0][0] == "Part A a\n  § 1 x\nPart B b\n  § 2 y"


def test_a_list_may_be_defined_by_a_style(tmp_path: Path) -> None:
    numbers = (
        f'<w:numbering {NAMESPACE}><w:abstractNum w:abstractNumId="0">{level(0, "Art. %1")}<w:styleLink w:val="Law"/>'
        '</w:abstractNum><w:abstractNum w:abstractNumId="1"><w:numStyleLink w:val="Law"/></w:abstractNum>'
        '<w:num w:numId="7"><w:abstractNumId w:val="0"/></w:num><w:num w:numId="8"><w:abstractNumId w:val="1"/></w:num>'
        "</w:numbering>"
    )
    styles = '<w:style w:type="numbering" w:styleId="Law"><w:pPr><w:numPr><w:numId w:val="7"/></w:numPr></w:pPr></w:style>'
    assert told(tmp_path, numbered("one", 0, 8) + numbered("two", 0, 8), numbers, styles)[0][0] == "Art. 1 one\nArt. 2 two"


def test_plain_lists_stay_lists(tmp_path: Path) -> None:
    levels = level(0, "%1.") + level(1, "%2)", "lowerLetter") + level(2, "•", "bullet")
    body = numbered("a") + numbered("b", 1) + numbered("c", 2) + numbered("d", 5) + numbered("e", 0, 99)
    assert told(tmp_path, body, numbering(levels))[0][0] == "- a\n  - b\n    - c\n          - d\n- e"


def test_cells_of_tables_are_counted(tmp_path: Path) -> None:
    cell = "<w:tc>{}</w:tc>"
    rows = "".join(f"<w:tr>{cell.format(numbered('', 0))}{cell.format(paragraph(name))}</w:tr>" for name in ("x", "y", "z"))
    table = f"<w:tbl>{rows}</w:tbl>"
    texts = [text for text, _ in told(tmp_path, table + numbered("after"), numbering(level(0, "R%1")))]
    assert texts == ["| R1 | x |\n| --- | --- |\n| R2 | y |\n| R3 | z |", "R4 after"]


def test_odd_numberings_are_no_error(tmp_path: Path) -> None:
    levels = level(0, "%1.%9") + '<w:lvl w:ilvl="99"/><w:lvl/>'
    nums = '<w:num/><w:num w:numId="1"><w:abstractNumId w:val="0"/><w:lvlOverride/></w:num><w:num w:numId="2"/>'
    body = numbered("a") + numbered("b", 0, 2) + numbered("c", 7)
    assert told(tmp_path, body, numbering(levels, nums))[0][0] == "1.1 a\n- b\n              - c"


@pytest.mark.parametrize(
    ("count", "form", "text"),
    [
        (7, "decimal", "7"),
        (7, "decimalZero", "07"),
        (1994, "upperRoman", "MCMXCIV"),
        (4, "lowerRoman", "iv"),
        (0, "lowerRoman", "0"),
        (28, "upperLetter", "BB"),
        (0, "lowerLetter", "0"),
        (22, "ordinal", "22nd"),
        (12, "ordinal", "12th"),
        (10, "chineseCounting", "十"),
        (21, "japaneseCounting", "二十一"),
        (15, "ideographDigital", "十五"),
        (120, "chineseCounting", "120"),
        (3, "ideographTraditional", "丙"),
        (11, "ideographTraditional", "11"),
        (3, "decimalEnclosedCircle", "③"),
        (5, "hebrew1", "5"),
        (5, "bullet", ""),
    ],
)
def test_numbers_are_written_as_word_does(count: int, form: str, text: str) -> None:
    assert formatted(count, form) == text
