"""Passages as HTML: tables as tables, the rest untouched, nothing of it markup of its own."""

import pytest

from webui.passage_text import shown

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
