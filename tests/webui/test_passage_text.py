"""Passages as HTML: tables as tables, the rest untouched, nothing of it markup of its own."""

import pytest

from webui.passage_text import reflowed, shown

TABLE = "| A |  |\n| --- | --- |\n| 1 \\| <b> | 2 |"
HTML = (
    '<table class="rows"><thead><tr><th>A</th><td></td></tr></thead>'
    "<tbody><tr><td>1 | &lt;b&gt;</td><td>2</td></tr></tbody></table>"
)


def test_a_table_between_words_is_a_table() -> None:
    assert shown(f"Table 1: <i>\n{TABLE}\nAfter\nit.") == f"Table 1: &lt;i&gt;{HTML}After&#10;it."
    assert shown(TABLE) == HTML


@pytest.mark.parametrize(
    "text", ["", "plain <b>\nlines", "| one row | only |", "| a | b |\n| c | d |", "| --- |", "a | b\n--- | ---"]
)
def test_what_is_no_table_stays_as_it_stands(text: str) -> None:
    assert "<" not in shown(text)
    assert shown(text).count("&#10;") == text.count("\n")


LONG = "The first line of a paragraph ends where the page does,"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([LONG, "and goes on in the", "Next"], [f"{LONG} and goes on in the", "Next"]),
        ([LONG, "", "A new paragraph."], [LONG, "", "A new paragraph."]),
        ([LONG, "• an entry", "2) another one"], [LONG, "• an entry", "2) another one"]),
        (["A heading", LONG, "  goes on."], ["A heading", f"{LONG} goes on."]),
        (
            ["| a | b |", "| --- | --- |", f"| {LONG} | {LONG} |", "words"],
            ["| a | b |", "| --- | --- |", f"| {LONG} | {LONG} |", "words"],
        ),
        ([f"| {LONG} | {LONG} |", LONG, "goes on."], [f"| {LONG} | {LONG} |", f"{LONG} goes on."]),
        (
            ["果园里的苹果在九月采摘，然后存放在阴凉的地下室里，", "直到冬天。"],
            ["果园里的苹果在九月采摘，然后存放在阴凉的地下室里，直到冬天。"],
        ),
        (["short", "lines", "stay"], ["short", "lines", "stay"]),
        ([""], [""]),
    ],
)
def test_the_lines_of_a_page_go_on(lines: list[str], found: list[str]) -> None:
    assert reflowed("\n".join(lines)).split("\n") == found
