"""Questions made of sentences, and question sets read: a label must be true, or the model learns a lie."""

import json
import random
from pathlib import Path

import pytest

from starter.questions import FUNCTION_WORDS, content_words, fits, is_clear, make, sentences, squad

TEXT = (
    "The orchard was planted in 1987 by Dr. Ada Lund, e.g. for cider. A full crate weighs 18 kilograms.\n"
    "- pip install apples==2.1.0\n"
    'It is sold in the U.S. and in Norway. "Nobody knows why."'
)
SENTENCE = "A full crate of Gravenstein apples weighs 18 kilograms after the harvest in September."


def test_sentences_keep_their_letters_and_their_abbreviations() -> None:
    assert sentences(TEXT) == [
        "The orchard was planted in 1987 by Dr. Ada Lund, e.g. for cider.",
        "A full crate weighs 18 kilograms.",
        "- pip install apples==2.1.0",
        "It is sold in the U.S. and in Norway.",
        '"Nobody knows why."',
    ]


def test_endings_and_case_do_not_tell_words_apart() -> None:
    assert content_words("Weighing the Crates") == content_words("crate weighs")
    assert content_words(" ".join(FUNCTION_WORDS)) == set()


@pytest.mark.parametrize("seed", range(40))
def test_a_made_question_is_of_its_sentence(seed: int) -> None:
    question = make(SENTENCE, ("Harvest",), random.Random(seed))
    common = content_words(question) & content_words(SENTENCE)
    assert len(common) >= 1
    assert question != SENTENCE
    assert make(SENTENCE, ("Harvest",), random.Random(seed)) == question


def test_what_two_sentences_answer_is_not_clear() -> None:
    other = "A full crate of pears weighs 21 kilograms."
    assert is_clear("How heavy is a crate of Gravenstein apples?", SENTENCE, [SENTENCE, other])
    assert not is_clear("full crate weighs", SENTENCE, [SENTENCE, other])
    assert not is_clear("Who knows?", SENTENCE, [SENTENCE, other])


def test_short_and_empty_lines_make_no_questions() -> None:
    assert fits(SENTENCE)
    assert not fits("See below.")
    assert not fits("It is what it is, and that is that and more.")


def test_squad_answers_become_their_sentences(tmp_path: Path) -> None:
    weight = {"question": "How heavy is a crate? ", "answers": [{"text": "18", "answer_start": TEXT.index("18 kilo")}]}
    over = {"question": "What?", "answers": [{"text": "cider. A full", "answer_start": TEXT.index("cider")}]}
    none = {"question": "Why?", "answers": []}
    data = {"data": [{"title": "Orchard", "paragraphs": [{"context": TEXT, "qas": [weight, over, none]}]}]}
    file = tmp_path / "squad.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    assert [(asked.question, asked.sentence, asked.article) for asked in squad(file)] == [
        ("How heavy is a crate?", "A full crate weighs 18 kilograms.", "Orchard"),
        ("Why?", "", "Orchard"),
    ]
