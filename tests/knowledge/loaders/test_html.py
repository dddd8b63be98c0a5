"""Web pages: what a reader sees of them, in blocks; encodings; pages that want to do harm."""

import time
from pathlib import Path

import pytest

from knowledge.base import UnreadableFile
from knowledge.loaders import html as loader
from knowledge.loaders.base import Block
from tests.knowledge.make_files import pdf


def blocks(tmp_path: Path, content: str | bytes) -> list[Block]:
    path = tmp_path / "page.html"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(loader.read(path, lambda *_: None).blocks)


def texts(tmp_path: Path, content: str | bytes) -> list[str]:
    return [block.text for block in blocks(tmp_path, content)]


def test_text_stands_below_its_headings(tmp_path: Path) -> None:
    page = (
        "<!doctype html><html><head><title>Site - Birds</title><style>p {}</style></head><body><p>Before</p>"
        "<h1><div>The <em>birds</em></div></h1><p>One<br>two <a href='x'>three</a> &amp; &lt;four&gt;</p>"
        "<h2>Owls</h2><div>At night.</div><h2>Nothing</h2></body></html>"
    )
    assert [(block.text, block.locator.headings) for block in blocks(tmp_path, page)] == [
        ("Before", ("Site - Birds",)),
        ("One\ntwo three & <four>", ("Site - Birds", "The birds")),
        ("At night.", ("Site - Birds", "The birds", "Owls")),
        ("Nothing", ("Site - Birds", "The birds")),
    ]


def test_a_title_that_is_the_heading_is_told_once(tmp_path: Path) -> None:
    page = "<title>Birds | Site</title><h1>Birds</h1><p>text"
    assert [block.locator.headings for block in blocks(tmp_path, page)] == [("Birds",)]


def test_lists_and_code_keep_their_form(tmp_path: Path) -> None:
    page = (
        "<ul><li>a<li><p>b</p><p>more</p><ol start=3><li>c<li>d</ol><li>e</ul>"
        "<pre><code>if x:\n    y &lt; 1\n</code></pre><dl><dt>term<dd>meaning</dl>"
    )
    found = blocks(tmp_path, page)
    assert [(block.text, block.kind) for block in found] == [
        ("- a\n- b\n  more\n  3. c\n  4. d\n- e", "text"),
        ("if x:\n    y < 1", "code"),
        ("term", "text"),
        ("meaning", "text"),
    ]


def test_tables_are_markdown_and_merged_cells_stand_once(tmp_path: Path) -> None:
    page = (
        "<table><caption>Prices</caption><thead><tr><th>A<th colspan=2>B|C</tr></thead>"
        "<tr><td rowspan=2>1<td>2<td><p>3</p><p>x</p><tr><td>4<td>5</table>"
        "<p>Table 2. Sizes</p><table><tr><td>k<td>v<tr><td>m<td>n</table>"
    )
    found = blocks(tmp_path, page)
    assert [block.kind for block in found] == ["table", "table"]
    assert found[0].text == "Prices\n| A | B\\|C |  |\n| --- | --- | --- |\n| 1 | 2 | 3 x |\n|  | 4 | 5 |"
    assert found[1].text == "Table 2. Sizes\n| k | v |\n| --- | --- |\n| m | n |"


def test_a_table_for_layout_is_no_table(tmp_path: Path) -> None:
    page = "<table><tr><td><h2>News</h2><p>first<table><tr><td>in<td>ner</tr></table></td><td>side | bar</td></tr></table>"
    assert [(block.text, block.kind) for block in blocks(tmp_path, page)] == [
        ("first", "text"),
        ("| in | ner |\n| --- | --- |", "table"),
        ("side | bar", "text"),
    ]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            "<tr><th>A<th>B<tr><td>in <table><tr><td>x<td>1<tr><td>y<td>2</table> out<td>c",
            ["A | B", "---", "in x 1; y 2; out | c"],
        ),
        ("<tr><th>A<th>B<tr><td><h3>Plan</h3><td><ul><li>c<li>d</ul><ol><li>e</ol>", ["A | B", "---", "Plan | - c - d 1. e"]),
        ("<thead><tr><th>A<th>B<tfoot><tr><td>sum<td>3<tbody><tr><td>a<td>3", ["A | B", "---", "a | 3", "sum | 3"]),
        ("<tr><td rowspan=0>a<td>b<tr><td>c<tbody><tr><td>d<td>e", ["a | b", "---", " | c", "d | e"]),
        ("<tr><th>High<td>3 m<tr><th>Wide<td>4 m", [" | ", "---", "High | 3 m", "Wide | 4 m"]),
        ("<tr><td>Hours<tr><td>Mon<td>9-5<tr><td>Tue<td>9-6", ["Mon | 9-5", "---", "Tue | 9-6"]),
        ("<tr><td>10<td>20<tr><td>30<td>40", [" | ", "---", "10 | 20", "30 | 40"]),
        ("<tr><td>Year<td>2020<tr><td>a<td>40", ["Year | 2020", "---", "a | 40"]),
    ],
)
def test_a_table_says_what_a_browser_shows(tmp_path: Path, rows: str, told: list[str]) -> None:
    (block,) = blocks(tmp_path, f"<table>{rows}</table>")
    assert block.text.removeprefix("Hours\n").split("\n") == ["| --- | --- |" if row == "---" else f"| {row} |" for row in told]


def test_a_header_of_two_rows_is_one_and_a_title_is_a_caption(tmp_path: Path) -> None:
    page = (
        "<table><tr><th colspan=5>Sales</th></tr><tr><th rowspan=2>Region<th colspan=2>2023<th colspan=2>2024</tr>"
        "<tr><th>H1<th>H2<th>H1<th>H2</tr><tr><th>North<td>1<td>2<td>3<td>4</tr></table>"
    )
    assert texts(tmp_path, page) == [
        "Sales\n| Region | 2023 H1 | H2 | 2024 H1 | H2 |\n| --- | --- | --- | --- | --- |\n| North | 1 | 2 | 3 | 4 |"
    ]


def test_one_column_is_a_table_where_the_page_says_so(tmp_path: Path) -> None:
    assert texts(tmp_path, "<table><tr><th>Name<tr><td>Ann</table>") == ["| Name |\n| --- |\n| Ann |"]
    assert texts(tmp_path, "<table role=presentation><tr><th>Name<td>x<tr><td>Ann</table>") == ["Name", "x", "Ann"]


def test_a_figures_caption_is_that_of_its_table(tmp_path: Path) -> None:
    table = "<table><tr><td>a<td>b</table>"
    below, above, picture = (
        texts(tmp_path, f"<figure>{inside}</figure>")
        for inside in (
            f"{table}<figcaption><p>Our <b>sales</b></figcaption>",
            f"<figcaption>Our sales</figcaption>{table}",
            "<img alt='A bird'><figcaption>Our sales</figcaption>",
        )
    )
    assert below == above == ["Our sales\n| a | b |\n| --- | --- |"]
    assert picture == ["A bird", "Our sales"]
    assert len(texts(tmp_path, f"<figure>{table}{table}<figcaption>Both</figcaption></figure>")) == 3


def test_numbers_of_lines_and_links_of_headings_are_no_text(tmp_path: Path) -> None:
    page = (
        "<h1>Birds<a class=headerlink href='#b'>\xb6</a></h1><table class=highlighttable><tr><td class=linenos><pre>1\n2</pre>"
        "<td class=code><pre>a = 1\n  b = 2</pre></table><div aria-hidden=true>body<i aria-hidden=true>icon</i></div>"
    )
    assert [(block.text, block.kind, block.locator.headings) for block in blocks(tmp_path, page)] == [
        ("a = 1\n  b = 2", "code", ("Birds",)),
        ("body", "text", ("Birds",)),
    ]


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        ("10<sup>6</sup> m, x<sup>n</sup>, (a)<sup>2</sup>", "10^6 m, x^n, (a)^2"),
        ("word<sup>1</sup>, the 1<sup>st</sup>, H<sub>2</sub>O, x<sup>[3]</sup>", "word 1, the 1st, H2O, x[3]"),
        ("word<a role=doc-noteref href='#n'>2</a>, <a href='x'>3</a>", "word 2, 3"),
        ("<ruby>大<rp>(</rp><rt>おお</rt><rp>)</rp>阪<rt>さか</rt></ruby>です", "大阪(おおさか)です"),
        ("<math><mi>x</mi><mo>=</mo><mfrac><mn>1</mn><msqrt><mn>2</mn></msqrt></mfrac></math>.", "x=1 / √(2)."),
        ("<math alttext='x^2'><msup><mi>x</mi><mn>2</mn></msup><annotation>x</annotation></math>.", "x^2."),
        ("<math><msup><mi>x</mi><mn>2</mn></msup><annotation>x</annotation></math>.", "x^2."),
    ],
)
def test_what_is_raised_or_above_keeps_its_meaning(tmp_path: Path, markup: str, words: str) -> None:
    assert texts(tmp_path, f"<p>{markup}</p>") == [words]


def test_what_nobody_sees_is_left_out(tmp_path: Path) -> None:
    page = (
        "<nav>menu</nav><script>alert(1)</script><p hidden>a</p><div style='display: none'>b<div>c</div></div><!-- d -->"
        "<svg><title>e</title></svg><template>f</template><p>seen</p><img src='http://127.0.0.1:1/x.png' alt='a bird'>"
    )
    assert texts(tmp_path, page) == ["seen", "a bird"]


@pytest.mark.parametrize(
    "page",
    [
        "<meta charset=shift_jis><p>日本語の文章です".encode("shift_jis"),
        "<meta http-equiv=Content-Type content='text/html; charset=Shift_JIS'><p>日本語の文章です".encode("shift_jis"),
        "<p>日本語の文章です".encode("utf-16"),
        "<meta charset=shift_jis><p>日本語の文章です".encode(),
    ],
)
def test_the_encoding_is_the_declared_one_or_that_of_the_bytes(tmp_path: Path, page: bytes) -> None:
    assert texts(tmp_path, page) == ["日本語の文章です"]


def test_an_old_page_means_what_windows_does(tmp_path: Path) -> None:
    assert texts(tmp_path, b"<meta charset=iso-8859-1><p>\x93quoted\x94") == ["“quoted”"]


@pytest.mark.parametrize(
    "nested",
    [
        "<div>",
        "<b>",
        "<ul><li>",
        "<table><tr><td>",
        "<blockquote><p>",
        "<table><tr><th>a<th>b<tr><td>",
        "<h1><div>",
        "<figure>",
        "<math>",
        "<sup>",
    ],
)
def test_deep_nesting_is_no_matter(tmp_path: Path, nested: str) -> None:
    started = time.process_time()
    assert "the deepest" in texts(tmp_path, nested * 200_000 + "the deepest")[-1]
    assert time.process_time() - started < 20


def test_a_claimed_span_is_not_believed(tmp_path: Path) -> None:
    page = "<table><tr><td colspan=2000000000 rowspan=2000000000>a<td>b<tr><td>c<td>d</table>"
    assert max(map(len, texts(tmp_path, page))) < 10_000


def test_what_is_no_page_is_told(tmp_path: Path) -> None:
    for content in (pdf(["x"]), b"\x7fELF" + bytes(100), bytes(range(1, 30)) * 100):
        with pytest.raises(UnreadableFile) as caught:
            blocks(tmp_path, content)
        assert caught.value.code == "wrong_type"
    assert blocks(tmp_path, "") == []
