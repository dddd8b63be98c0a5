"""The order of what was found: scores in [0, 1], titles that others name, nothing twice."""

from dataclasses import replace

import numpy as np
import pytest

from knowledge import ranking
from knowledge.base import Locator, Passage, Source
from knowledge.ranking import KEPT, LINK, PAIR, PAIRED


def passage(chunk: int, text: str, score: float, title: str = "", document: int = 0) -> Passage:
    where = Locator(headings=(title,) if title else (), first_line=chunk, last_line=chunk + 1)
    return Passage(chunk, text, Source("b", document or chunk, f"{document or chunk}.txt"), where, score, tokens=10)


def tells(passages: list[Passage]) -> dict[str, float]:
    return {term: 10.0 for one in passages for term in ranking.title_terms(one)}


def test_a_language_the_model_does_not_know_is_left_to_the_words() -> None:
    dense, words = np.array([0.9, -0.5]), np.array([0.1, 1.0])
    assert ranking.fused(dense, words, ranking.worth("hybrid", 0.0)) == pytest.approx([0.1, 1.0])
    assert ranking.fused(dense, words, ranking.worth("hybrid", 1.0))[1] == pytest.approx(1 - ranking.DENSE)
    assert ranking.fused(dense, words, ranking.worth("dense", 0.2)) == pytest.approx([0.9, 0.0])
    assert ranking.fused(dense, words, ranking.worth("lexical", 0.2)) == pytest.approx([0.1, 1.0])


def test_words_that_stand_together_in_the_question_lift_a_passage_that_holds_them_so() -> None:
    wanted = ranking.pairs("When was the Second Oil-Crisis of 1979?")
    assert wanted == [" second oil ", " oil crisis "]
    apart = passage(1, "Oil was short, a second time, in the crisis.", 0.5)
    titled = replace(passage(2, "In 1979.", 0.49), locator=Locator(headings=("Second oil crisis",)))
    half = passage(3, "The first oil\ncrisis.", 0.48)
    found = ranking.paired([apart, titled, half], wanted)
    assert [one.chunk_id for one in found] == [2, 3, 1]
    assert [one.score for one in found] == pytest.approx([0.49 + PAIR * 0.51, 0.48 + PAIR * 0.26, 0.5])


def test_a_question_without_such_words_changes_nothing_nor_does_what_stands_far_down() -> None:
    few = [passage(n, "An oil crisis.", 0.5) for n in range(PAIRED + 1)]
    assert ranking.pairs("What is EasyCV?") == [] and ranking.paired(few, []) == few
    assert ranking.paired(few, [" oil crisis "])[-1].score == 0.5 < ranking.paired(few, [" oil crisis "])[-2].score


def test_a_passage_whose_title_a_better_one_names_comes_further_up() -> None:
    first = [passage(1, "Its author was Haymo of Faversham, a friar.", 0.8, "A book")]
    rest = [passage(n, "Nothing.", 0.7 - n / 100, f"Other {n}") for n in range(2, 8)]
    named = passage(20, "A friar.", 0.4, "Haymo of Faversham")
    found = ranking.second_look([*first, *rest, named], tells([*first, *rest, named]))
    assert [one.chunk_id for one in found][: KEPT + 1] == [1, 2, 3, 20]
    assert found[KEPT].score <= found[KEPT - 1].score and found[KEPT].score <= 0.4 + LINK
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_a_common_title_gains_little_and_its_own_section_nothing() -> None:
    first = [passage(1, "See Usage.", 0.8, "Start")]
    rest = [passage(n, "Nothing.", 0.7, f"Other {n}") for n in range(2, 6)]
    usage = passage(20, "x", 0.5, "Usage")
    common = {**tells([*first, *rest]), "usag": 0.3}
    assert ranking.second_look([*first, *rest, usage], common)[-1].chunk_id == 20
    again = replace(usage, locator=first[0].locator)
    assert ranking.second_look([*first, *rest, again], tells([*first, *rest]))[-1].score == 0.5


def test_few_passages_stay_as_they_are() -> None:
    few = [passage(1, "a", 0.5), passage(2, "b", 0.4)]
    assert ranking.second_look(few, {}) == few and ranking.second_look([], {}) == []


def test_what_a_reranker_says_is_the_score() -> None:
    found = ranking.reranked([passage(1, "a", 0.9), passage(2, "b", 0.5)], [0.1, 0.7])
    assert [(one.chunk_id, one.score, one.scores["rerank"]) for one in found] == [(2, 0.7, 0.7), (1, 0.1, 0.1)]
