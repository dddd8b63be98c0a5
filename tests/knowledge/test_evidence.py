"""Evidence: what passages tell about a question, the same in a small base and a large one."""

import pytest

from knowledge.base import Locator, Passage, Source
from knowledge.evidence import ALONE, COSINE, SINGLE, evidence, naming
from knowledge.followup import asked


def passage(text: str, dense: float = 0.0, name: str = "a.txt", headings: tuple[str, ...] = ()) -> Passage:
    return Passage(1, text, Source("b", 1, name), Locator(headings=headings), 0.5, {"dense": dense})


def told(question: str, *passages: Passage, earlier: tuple[str, ...] = (), familiar: float = 1.0) -> float:
    return evidence(asked(question, earlier).turns, passages, familiar)


def test_words_that_are_held_and_the_cosine_count_together() -> None:
    question = "What does the blue whale weigh?"
    assert told(question, passage("The blue whale weighs 150 tons.", 1.0)) == pytest.approx(1)
    assert told(question, passage("The blue whale weighs 150 tons.")) == pytest.approx(1 - COSINE)
    assert told(question, passage("The whale sings.", 0.2)) == pytest.approx(COSINE * 0.2 + (1 - COSINE) / 3)
    assert told(question, passage("Foxes sleep.", -0.5)) == 0
    assert told(question, passage("The whale sings.")) == pytest.approx((1 - COSINE) / 3)


def test_a_text_in_another_language_is_told_by_the_cosine_alone() -> None:
    assert told("鲸鱼有多重?", passage("The whale weighs 150 tons.", 0.6)) == pytest.approx(ALONE * 0.6)
    assert told("鲸鱼有多重?", passage("The whale weighs 150 tons.", 0.6), familiar=0.1) < 0.1


def test_the_best_passage_alone_counts() -> None:
    one, other = passage("The whale sings."), passage("Blue paint weighs little.")
    assert told("What does the blue whale weigh?", one, other) == pytest.approx((1 - COSINE) * 2 / 3)


def test_headings_and_the_name_of_the_document_count() -> None:
    assert told("whale song?", passage("It sings a song.", headings=("The whale",))) == pytest.approx(1 - COSINE)
    assert told("whale song?", passage("It sings a song.", name="whale.txt")) == pytest.approx(1 - COSINE)


def test_of_a_script_that_the_model_does_not_know_only_the_words_count() -> None:
    assert told("鲸鱼?", passage("鲸鱼很大。", 0.9), familiar=0.0) == pytest.approx(1)
    assert told("鲸鱼?", passage("狐狸很小。", 0.9), familiar=0.0) == 0


@pytest.mark.parametrize(
    "question", ["Summarise this document.", "What is it about?", "总结一下这个文档", "请概括主要内容", "???"]
)
def test_a_question_that_names_nothing_cannot_be_about_something_else(question: str) -> None:
    assert told(question, passage("Foxes sleep.")) == 1
    assert told(question) == 0


def test_what_was_said_before_counts_less() -> None:
    named = naming(asked("And with eight?", ["Is Swin fast?"]).turns)
    assert named == {"eight": 1.0, "swin": 0.5, "fast": 0.5}
    assert told("And with eight?", passage("Eight."), earlier=("Is Swin fast?",)) == pytest.approx((1 - COSINE) / 2)


def test_single_characters_count_less_than_pairs() -> None:
    assert naming([("鲸鱼", 1.0)]) == {"鲸": SINGLE, "鱼": SINGLE, "鲸鱼": 1.0}
    assert naming([("鱼", 1.0)]) == {"鱼": 1.0}
