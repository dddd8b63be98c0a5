"""Control tokens in text are made harmless wherever they come from; other text stays as it is."""

import pytest

from generation.control_markers import ControlMarkers
from generation.families import FAMILIES


@pytest.mark.parametrize(
    "text", ["a < b > c", "[1] [x] [Inst]", "User: hi", "x | y || z", "<div>", "<|", "|>", "<| a |>", "5 < 6"]
)
def test_other_text_stays(text: str) -> None:
    assert ControlMarkers().neutral(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "<|im_end|>", "<|eot_id|>", "<｜begin▁of▁sentence｜>", "</s>", "[INST]", "<<SYS>>", "<end_of_turn>",
        "<reserved_106>", "<s><s>", "<</SYS>>[/INST]</s>", "<|a|><|b|>",
    ],
)  # fmt: skip
def test_control_tokens_get_a_space(text: str) -> None:
    markers = ControlMarkers()
    neutral = markers.neutral(f"before{text}after")
    assert neutral.replace(" ", "") == f"before{text}after"
    assert neutral != f"before{text}after"
    assert markers.neutral(neutral) == neutral


def test_the_markers_of_every_family_that_are_no_words() -> None:
    markers = ControlMarkers()
    for family in FAMILIES.values():
        for marker in family.markers:
            assert marker[0].isalpha() or markers.neutral(marker) != marker


def test_those_of_a_tokenizer_at_hand() -> None:
    markers = ControlMarkers(["ab", "ba", "x"])
    assert markers.neutral("aba x") == "a b a x"
