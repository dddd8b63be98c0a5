"""The order of what was found: scores in [0, 1], titles that others name, neighbours in one, nothing twice."""

from dataclasses import replace

import pytest

from knowledge import ranking
from knowledge.base import Locator, Passage, Source
from knowledge.ranking import KEPT, LINK


def passage(chunk: int, text: str, score: float, title: str = "", document: int = 0) -> Passage:
    where = Locator(headings=(title,) if title else (), first_line=chunk, last_line=chunk + 1)
    return Passage(chunk, text, Source("b", document or chunk, f"{document or chunk}.txt"), where, score, tokens=10)


def tells(passages: list[Passage]) -> dict[str, float]:
    return {term: 10.0 for one in passages for term in ranking.title_terms(one)}


def test_a_language_the_model_does_not_know_is_left_to_the_words() -> None:
    assert ranking.fused(0.9, 0.1, ranking.worth("hybrid", 0.0)) == pytest.approx(0.1)
    assert ranking.fused(-0.5, 1.0, ranking.worth("hybrid", 1.0)) == pytest.approx(1 - ranking.DENSE)
    assert ranking.fused(0.9, 0.1, ranking.worth("dense", 0.2)) == pytest.approx(0.9)
    assert ranking.fused(0.9, 0.1, ranking.worth("lexical", 0.2)) == pytest.approx(0.1)


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


def test_neighbours_become_one_in_the_order_of_the_text_without_saying_twice_what_they_share() -> None:
    later = passage(8, "Two. Three.", 0.9, "T", 1)
    earlier = passage(7, "One. Two.", 0.6, "T", 1)
    far = passage(3, "Far.", 0.7, "T", 1)
    found = ranking.merged([later, far, earlier], 5)
    assert [one.text for one in found] == ["One. Two. Three.", "Far."]
    assert found[0].score == 0.9 and found[0].tokens == 20 and found[0].chunk_id == 8
    assert (found[0].locator.first_line, found[0].locator.last_line) == (7, 9)


def test_other_sections_other_documents_and_third_neighbours_stay_apart() -> None:
    assert len(ranking.merged([passage(1, "a", 0.9, "A", 1), passage(2, "b", 0.8, "B", 1)], 5)) == 2
    assert len(ranking.merged([passage(1, "a", 0.9, "A", 1), passage(2, "b", 0.8, "A", 2)], 5)) == 2
    assert len(ranking.merged([passage(1, "a", 0.9, "A", 1), passage(2, "b", 0.5, "A", 1)], 5)) == 2
    run = [passage(n, f"text{n}", 0.9, "A", 1) for n in range(1, 4)]
    assert [one.text for one in ranking.merged(run, 5)] == ["text1\ntext2", "text3"]
    assert len(ranking.merged([passage(n * 3, "t", 0.9) for n in range(9)], 4)) == 4


def test_one_document_has_its_share_while_others_tell_nearly_as_much() -> None:
    flood = [passage(n * 3, f"flood {n}", 0.9 - n / 100, document=1) for n in range(1, 9)]
    other = [passage(60, "other", 0.7, document=2), passage(70, "third", 0.65, document=3)]
    found = ranking.merged([*flood, *other], 4, 0.5)
    assert [one.source.document_id for one in found] == [1, 1, 2, 3]
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert [one.source.document_id for one in ranking.merged([*flood, *other], 4)] == [1] * 4


def test_a_document_alone_or_far_better_than_all_others_is_not_capped() -> None:
    flood = [passage(n * 3, f"flood {n}", 0.9 - n / 100, document=1) for n in range(1, 9)]
    assert len(ranking.merged(flood, 4, 0.5)) == 4
    weak = passage(60, "weak", 0.9 * ranking.NEAR - 0.1, document=2)
    assert [one.source.document_id for one in ranking.merged([*flood, weak], 4, 0.5)] == [1] * 4
    assert len(ranking.merged([flood[0], weak], 1, 0.1)) == 1


def test_what_a_reranker_says_is_the_score() -> None:
    found = ranking.reranked([passage(1, "a", 0.9), passage(2, "b", 0.5)], [0.1, 0.7])
    assert [(one.chunk_id, one.score, one.scores["rerank"]) for one in found] == [(2, 0.7, 0.7), (1, 0.1, 0.1)]
