"""Evaluation: measures worked out by hand, questions read from JSON, and what is no question."""

import math
from collections.abc import Sequence
from typing import Any

import pytest

from knowledge.base import Locator, Passage, Source
from knowledge.evaluation import BadQuestion, Question, evaluate, measured, question_of
from knowledge.ranking import Mode


def found(*names: str, text: str = "nothing", headings: tuple[str, ...] = ()) -> list[Passage]:
    return [Passage(n, text, Source("b", n, name), Locator(headings=headings), 0.5) for n, name in enumerate(names, 1)]


def test_measures_of_one_wanted_file() -> None:
    row = measured(Question("q", files=frozenset({"a"})), found("x", "a", "a"))
    assert (row["recall@1"], row["recall@3"], row["all@5"], row["mrr@10"]) == (0, 1, 1, 0.5)
    assert row["ndcg@10"] == pytest.approx(1 / math.log2(3)) and "phrase@5" not in row


def test_measures_of_several_wanted_files_and_of_others_as_right() -> None:
    both = Question("q", files=frozenset({"a", "b"}))
    row = measured(both, found("a", "x", "x", "b"))
    assert (row["recall@3"], row["all@3"], row["any@3"], row["recall@5"], row["all@5"]) == (0.5, 0, 1, 1, 1)
    assert row["ndcg@10"] == pytest.approx((1 + 1 / math.log2(5)) / (1 + 1 / math.log2(3)))
    assert measured(Question("q", files=frozenset({"a"}), also=frozenset({"c"})), found("c"))["recall@1"] == 1


def test_phrases_are_wanted_all_or_one_that_is_accepted_in_five_passages_with_their_headings() -> None:
    question = Question("q", phrases=("Two Words", "0.7.0"), accepted=("other",))
    assert measured(question, found("a", text="two\n words", headings=("v 0.7.0",)))["phrase@5"] == 1
    assert measured(question, found("a", text="two words"))["phrase@5"] == 0
    assert measured(question, found("a", text="Another way"))["phrase@5"] == 1
    late = [*found("1", "2", "3", "4", "5"), *found("6", text="other")]
    assert measured(question, late)["phrase@5"] == 0 and measured(question, late)["any@10"] == 1


def test_modes_are_asked_alike_and_differences_named() -> None:
    questions = [Question("both", files=frozenset({"a"})), Question("one", files=frozenset({"a"})), Question("none")]

    def ask(question: Question, mode: Mode) -> Sequence[Passage]:
        return found("x", "a") if mode == "dense" and question.text == "one" else found("a")

    report = evaluate(questions, ask)
    assert report.figures("hybrid")["recall@1"] == 1 and report.figures("dense")["recall@1"] == 0.5
    assert report.differences() == [{"question": "one", "hybrid": 1, "dense": 2, "lexical": 1}]
    assert report.figures("hybrid")["cpu_ms_p50"] >= 0


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"question": "q", "file": "a"}, Question("q", files=frozenset({"a"}))),
        ({"question": "q", "file": None}, Question("q")),
        ({"question": "q", "answer_phrases": ["x"], "accept": "y"}, Question("q", phrases=("x",), accepted=("y",))),
        (
            {"question": "q", "file": "a", "also_files": ["b"], "phrase": "x"},
            Question("q", files=frozenset({"a"}), also=frozenset({"b"}), phrases=("x",)),
        ),
        (
            {"question": "q", "file": "a", "also_files": ["c"], "files": [["a", ["1"]], ["b", ["2"]]]},
            Question("q", files=frozenset({"a", "b"}), phrases=("1", "2")),
        ),
        (
            {
                "question": "q",
                "file": "a",
                "history": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "v"}],
            },
            Question("q", ("u",), frozenset({"a"})),
        ),
        ({"question": "q", "file": "a", "history": ["u"]}, Question("q", ("u",), frozenset({"a"}))),
    ],
)
def test_a_line_is_this_question(row: Any, expected: Question) -> None:
    assert question_of(row) == expected


@pytest.mark.parametrize(
    "row",
    [
        *([], "q", None, {}, {"question": ""}, {"question": 3}),
        *({"question": "q", "file": 3}, {"question": "q", "files": [["a"]]}, {"question": "q", "files": [[1, []]]}),
        *({"question": "q", "history": [3]}, {"question": "q", "history": [{"role": "user"}]}),
        *({"question": "q", "accept": [1]}, {"question": "q", "files": [["a", [1]]]}),
    ],
)
def test_what_is_no_question_is_refused(row: Any) -> None:
    with pytest.raises(BadQuestion):
        question_of(row)
