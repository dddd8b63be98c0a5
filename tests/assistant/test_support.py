"""What an answer rests on: citations first, else the passages that hold its sentences, else nothing."""

import pytest

from assistant.support import Match, Support, matches, sentences, support
from tests.assistant.conftest import passage

WHALE = passage("The blue whale weighs up to 150 tons and eats krill all summer.", 1)
FOX = passage("The red fox weighs seven kilograms and hunts at night.", 2)
SAID = "The blue whale weighs 150 tons."


def test_a_cited_passage_is_support_and_nothing_is_matched_beside_it() -> None:
    assert support(f"{SAID} [1] It eats krill in summer.", [WHALE, FOX]) == Support("cited", (1,), (), 0, 2)


def test_invented_numbers_are_counted_and_are_no_support() -> None:
    found = support("Nobody knows [7], not even [9, 8].", [WHALE, FOX])
    assert found == Support("none", (), (), 3, 1)
    assert support("It weighs 150 tons [1][7].", [WHALE]).invalid == 1


def test_a_sentence_without_a_number_is_matched_where_it_stands_in_the_answer_as_shown() -> None:
    found = support(f"Well [9]! {SAID} The red fox weighs seven kilograms.", [FOX, WHALE])
    shown = f"Well! {SAID} The red fox weighs seven kilograms."
    assert (found.kind, found.invalid, found.sentences) == ("matched", 1, 3)
    assert [(shown[one.start : one.end], one.passage) for one in found.matched] == [
        (SAID, 2),
        ("The red fox weighs seven kilograms.", 1),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "The blue whale weighs 151 tons.",  # another figure
        "The blue whale weighs 150 tons, which surprised the tired Norwegian sailors greatly.",  # much that is not there
        "It weighs much.",  # could be about anything
        "The documents do not tell.",
        "",
    ],
)
def test_what_the_passages_do_not_hold_matches_nothing(text: str) -> None:
    assert matches(text, [WHALE, FOX]) == ()
    assert support(text, [WHALE, FOX]).kind == "none"


def test_chinese_sentences_are_matched() -> None:
    held = passage("蓝鲸是世界上最大的动物，体重可达150吨。", 1)
    assert matches("蓝鲸体重可达150吨。", [FOX, held]) == (Match(0, 11, 2),)
    assert matches("蓝鲸体重可达151吨。", [FOX, held]) == ()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three", ["One.", "Two!", "Three"]),
        ("It is 3.5 tons, says v1.2. So!", ["It is 3.5 tons, says v1.2.", "So!"]),
        ('He said "no." Then he left.', ['He said "no."', "Then he left."]),
        ("一。二！三", ["一。", "二！", "三"]),
        ("- one\n- two\n\n***\n", ["- one", "- two"]),
        ("", []),
    ],
)
def test_sentences(text: str, parts: list[str]) -> None:
    assert [text[start:end] for start, end in sentences(text)] == parts


def test_no_passages_support_nothing() -> None:
    assert support("list[7] is Python.", []) == Support("none", (), (), 0, 1)
