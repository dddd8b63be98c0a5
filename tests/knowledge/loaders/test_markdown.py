"""Markdown to blocks: headings as paths, code and tables whole, source form, lines, and slow cases."""

import time
from pathlib import Path

import pytest

from knowledge.loaders.base import Block
from knowledge.loaders.markdown import blocks_of, read, title

DOCUMENT = """\
---
title: A guide
tag: !!python/object:os.system
---
Before any heading.

# Guide

First paragraph
goes on with `<b>code</b>` and [a link](https://example.com/page).

## Install ##

* one
* two

  more of two

```python
# no heading
x = 1

y = 2
```

Usage
-----

| name | value |
|------|-------|
| a    | 1     |

> quoted

    indented code

[ref]: https://example.com/ref

# Empty
## Also empty
"""


def blocks(text: str) -> list[Block]:
    return list(blocks_of(text))


def test_blocks_in_order_with_headings_and_lines() -> None:
    found = [(b.kind, b.text.split("\n")[0], b.locator.headings, b.locator.first_line) for b in blocks(DOCUMENT)]
    usage = ("Guide", "Usage")
    assert found == [
        ("text", "---", (), 1),
        ("text", "Before any heading.", (), 5),
        ("text", "First paragraph", ("Guide",), 9),
        ("text", "* one", ("Guide", "Install"), 14),
        ("code", "```python", ("Guide", "Install"), 19),
        ("table", "| name | value |", usage, 29),
        ("text", "> quoted", usage, 33),
        ("code", "    indented code", usage, 35),
        ("text", "[ref]: https://example.com/ref", usage, 37),
        ("text", "Also empty", ("Empty",), 40),
    ]


def test_blocks_hold_their_source() -> None:
    lines = DOCUMENT.split("\n")
    for block in blocks(DOCUMENT)[:-1]:
        first, last = block.locator.first_line, block.locator.last_line
        assert first is not None
        assert block.text == "\n".join(lines[first - 1 : last])


def test_a_table_has_its_caption_and_may_be_html() -> None:
    table = "| a | b |\n| - | - |\n| 1 | 2 |"
    (found,) = blocks(f"Table 3: *sizes*\n\n{table}\n")
    assert (found.text, found.kind) == (f"Table 3: *sizes*\n\n{table}", "table")
    assert (found.locator.first_line, found.locator.last_line) == (1, 5)
    found, after = blocks("表 1 尺寸\n\n<table>\n<tr><th rowspan=2>a<th>b</tr>\n<tr><td>1</td></tr>\n</table>\n\nafter\n")
    assert found.text == "表 1 尺寸\n\n| a | b |\n| --- | --- |\n|  | 1 |"
    assert (found.kind, found.locator.first_line, found.locator.last_line) == ("table", 1, 6)
    assert after.text == "after"
    assert [block.kind for block in blocks(f"No caption.\n\n{table}")] == ["text", "table"]


def test_html_is_reduced_to_what_is_seen() -> None:
    source = "<div align='center'>\n<b>Bold</b> <!-- hidden --> &lt;text&gt;<br>next\n<script>alert(1)</script></div>"
    (block,) = blocks(source)
    assert block.text.split() == ["Bold", "<text>", "next"]


def test_powers_stay_powers_and_a_heading_ends_before_its_name() -> None:
    (found,) = blocks("# The end ## {#end}\n\n10<sup>6</sup> m, the 1<sup>st</sup>, `10<sup>6</sup>`, H<sub>2</sub>O")
    assert (found.text, found.locator.headings) == ("10^6 m, the 1st, `10<sup>6</sup>`, H2O", ("The end",))


def test_pictures_become_their_words() -> None:
    (block,) = blocks("[![build](https://x/badge.svg)](https://x/ci) ![a cat](cat.png 'title') <img src='x' alt='a dog'>")
    assert block.text == "[build](https://x/ci) a cat a dog"


def test_what_only_looks_like_html_stays() -> None:
    for text in ("List<String> and <your-key>", "see <https://example.com>", "`<b>` in code", "a <!-- that never ends"):
        assert blocks(text)[0].text == text


def test_comments_leave_no_block() -> None:
    assert blocks("<!-- only\na comment -->") == []
    assert blocks("---\n\n***") == []


def test_headings_are_shown_without_markup() -> None:
    assert title("`code` and **bold** [link](http://x) snake_case_name { #anchor }") == "code and bold link snake_case_name"


def test_a_line_of_dashes_later_is_no_front_matter() -> None:
    assert [block.locator.headings for block in blocks("Title\n---\n\ntext")] == [("Title",)]
    assert len(blocks("---\n\ntext\n\n---\n")) == 1


def test_a_long_list_is_divided_between_items() -> None:
    found = blocks("\n".join(f"- item {number} with some words\n  and more" for number in range(500)))
    assert len(found) > 3
    assert all(block.text.startswith("- item") for block in found)
    assert sum(block.text.count("- item") for block in found) == 500


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        "*a **b " * 30_000,
        "[a](" * 30_000,
        "`" * 50_000 + "a",
        "".join("`" * (number % 300) + " " for number in range(3000)),
        "<!--" * 30_000,
        "<b" * 30_000,
        "![" * 30_000,
        ">" * 20_000,
        "#" * 50_000,
        "\n".join(" " * depth + "- x" for depth in range(1500)),
        "<" * 50_000,
        "&" * 50_000,
        "1<sup>" * 20_000 + "</sup>",
        "a\n" * 50_000,
        "| a " * 20_000 + "\n" + "|---" * 20_000,
    ],
    ids=lambda text: text[:4].strip(),
)
def test_slow_cases_are_not_slow(text: str) -> None:
    started = time.process_time()
    blocks(text)
    assert time.process_time() - started < 5


def test_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_bytes("# Größe\n\ntext\u200b".encode())
    extract = read(path, lambda page, pages: None)
    assert extract.blocks[0].text == "text"
    assert extract.blocks[0].locator.headings == ("Größe",)
    assert "1 hidden" in extract.warnings[0]
