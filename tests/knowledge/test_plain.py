"""The wording without its markup: no word is lost but addresses, nothing grows, and no text takes long."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.plain import plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Contents . . . . . . 12", "Contents . 12"),
        ("Vision.......5", "Vision.5"),
        ("wait... what", "wait... what"),
        ("Title\n=====\n\nText", "Title\n=\n\nText"),
        ("| a | b |\n|---|:-:|\n| c | d |", "| a | b |\n| c | d |"),
        ("a | b\n--- | ---\n1 | 2", "a | b\n1 | 2"),
        ("|  | 2023 | 2022 |\n| Sales | $ 63,355 | (7.5 %) |  |", "|  |\n| Sales |  |"),
        ("| item 4 | 12 | new |", "| item 4 | 12 | new |"),
        ("| -5 |\n| - |", "| -5 |\n"),
        ("see [the guide](../docs/guide.md#top).", "see the guide."),
        ('[a](http://x.y/z_(1) "Title") and ![b](c.png)', "a and b"),
        ("[![logo](img/x.png)](https://a.b) text", "logo text"),
        ("x[0](y) and f[1](a, b)", "x[0](y) and f[1](a, b)"),
        ("**bold** and `code`", "bold and code"),
        ("中文**粗体**。", "中文粗体。"),
        ("2**3 and g(**b)", "2**3 and g(**b)"),
        ("```python\nx = 1\n```", "python\nx = 1\n"),
        ("- one\n- two", "- one\n- two"),
        ("", ""),
    ],
)
def test_markup_is_taken_away(text: str, expected: str) -> None:
    assert plain(text) == expected


@given(st.text("ab1 |-:*`=.[]!\n中"))
def test_no_word_is_lost(text: str) -> None:
    assert re.findall(r"[^\W\d_]", plain(text)) == re.findall(r"[^\W\d_]", text)
    assert "|" in text or re.findall(r"\d", plain(text)) == re.findall(r"\d", text)
    assert len(plain(text)) <= len(text)


@given(st.text("ab [](/.)!\n"))
def test_of_links_the_words_stay(text: str) -> None:
    assert plain(f"{text} [words](to/somewhere.md) end").endswith(" words end")


@pytest.mark.parametrize(
    "part", ["[", "[a](", "[a](/", '[a](/b "', "](((", "|-", "-:|", "| ", " ", "**", "**a", "`", ". ", "-"]
)
def test_a_text_of_one_sign_takes_no_longer_than_it_is_long(part: str) -> None:
    text = part * 100_000  # read again from each of its places, it would take minutes
    assert len(plain(text)) <= len(text)
