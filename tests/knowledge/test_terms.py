"""Terms: words, names and characters of any script, and the bytes they are kept in."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge import terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Running", ["run"]),
        ("studies study", ["studi", "studi"]),
        ("classes boxes", ["class", "box"]),
        ("predicts prediction predictable", ["predict", "predict", "predictabl"]),
        ("validates validating validation valid", ["valid", "valid", "valid", "valid"]),
        (
            "create creation section version nation formats",
            ["creat", "creation", "section", "version", "nation", "format"],
        ),
        ("use uses used using", ["use", "use", "use", "use"]),
        ("die dies died dying owed need going ring", ["die", "die", "die", "die", "owe", "need", "going", "ring"]),
        ("currently possibly accurately accurate", ["current", "possibl", "accur", "accur"]),
        ("multiply multiplies family families only", ["multipli", "multipli", "famili", "famili", "onli"]),
        ("controlled control cancellation canceled installed", ["control", "control", "cancel", "cancel", "instal"]),
        ("The CAFÉ's", ["the", "café", "s"]),
        ("ﬁne", ["fin"]),
        ("东京都", ["东", "京", "都", "东京", "京都"]),
        ("EasyCV是什么", ["easycv", "是", "什", "么", "是什", "什么"]),
        ("pip install pai-easycv", ["pip", "instal", "pai", "easycv", "pai-easycv"]),
        ("snake_case", ["snak", "cas", "snake_case"]),
        ("v0.3.1", ["v0", "3", "1", "v0.3.1"]),
        ("docs/a.md", ["doc", "a", "md", "docs/a.md"]),
        ("", []),
    ],
)
def test_a_text_has_these_terms(text: str, expected: list[str]) -> None:
    assert terms.terms(text) == expected


@given(st.text(alphabet="aAbs1_-./:+#@ \n", max_size=40))
def test_a_text_of_ascii_has_the_terms_it_has_beside_another(text: str) -> None:
    beside = terms.terms(f"{text} \u00e9")
    beside.remove("\u00e9")
    assert terms.terms(text) == beside


@given(st.lists(st.lists(st.text(max_size=8), max_size=30), max_size=12))
def test_what_is_packed_is_unpacked(texts: list[list[str]]) -> None:
    rows, keys, counts = terms.unpack([terms.pack(text) for text in texts])
    found = sorted(zip(rows.tolist(), keys.tolist(), counts.tolist(), strict=True))
    expected = {(row, terms.key(word)): 0 for row, text in enumerate(texts) for word in text}
    for row, text in enumerate(texts):
        for word in text:
            expected[row, terms.key(word)] += 1
    assert found == sorted((row, key, count) for (row, key), count in expected.items())


def test_a_word_said_very_often_is_counted_as_often_as_a_byte_holds() -> None:
    rows, keys, counts = terms.unpack([terms.pack(["a"] * 1000)])
    assert counts.tolist() == [terms.MOST] and keys.dtype == np.uint32 and rows.tolist() == [0]


@given(st.text())
def test_any_text_has_terms_that_can_be_packed(text: str) -> None:
    found = terms.of_passage(text, (text,), text)
    rows, keys, counts = terms.unpack([terms.pack(found)])
    assert len(keys) == len(set(found)) and set(rows.tolist()) <= {0}
    assert sorted(counts.tolist()) == sorted(min(count, terms.MOST) for count in Counter(found).values())


@pytest.mark.parametrize(
    "text", ["a" * 500_000, "_" * 500_000, "a_" * 250_000, "a." * 250_000, "a" + "." * 500_000, "东" * 500_000]
)
def test_a_line_without_spaces_is_read_once(text: str) -> None:
    assert len(terms.terms(text)) <= 2 * len(text) + 1
