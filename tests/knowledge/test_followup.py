"""A question within a conversation: what was said before counts along, and the less the longer ago."""

from knowledge.followup import FADING, JOINING, SPELT, TURNS, asked


def test_a_question_alone_is_itself() -> None:
    found = asked("What is EasyCV?")
    assert found.text == "What is EasyCV?" and found.texts == (("What is EasyCV?", 1.0),)
    assert found.words == {"what": JOINING, "is": JOINING, "easycv": 1.0}


def test_earlier_turns_count_less_and_the_last_one_is_read_with_it() -> None:
    found = asked("And with eight?", ["Who made Swin?", "How fast is Swin on one card?"])
    assert found.text == "How fast is Swin on one card?\nAnd with eight?"
    assert found.texts == (("And with eight?", 1.0), ("How fast is Swin on one card?", FADING))
    assert found.words["eight"] == 1.0 and found.words["card"] == FADING
    assert found.words["mad"] == FADING**2 and found.words["swin"] == FADING


def test_blank_turns_and_those_long_ago_do_not_count() -> None:
    found = asked("x", [f"word{turn}" for turn in range(10)] + ["  "])
    assert len(found.words) == 1 + TURNS


def test_characters_of_a_script_without_spaces_count_less_than_names() -> None:
    words = asked("Uvicorn 的关系").words
    assert words["uvicorn"] == 1.0 and words["关"] == words["关系"] == SPELT and words["的"] == JOINING * SPELT
