"""Terms that are one slip away from another, and a search that reads them so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge import spelling, terms
from knowledge.followup import GUESSED, asked, respelt
from knowledge.lexical import Lexical


@pytest.mark.parametrize("slip", ["survivial", "survval", "survivel", "surivval", "survivalt"])
def test_a_slip_is_one_step_from_the_word(slip: str) -> None:
    assert "survival" in spelling.near(slip)


@pytest.mark.parametrize("term", ["", "pears", "东京东京东京", "v1.2.3.4", "snake_case", "naïvety"])
def test_what_is_short_or_no_word_of_letters_is_left_alone(term: str) -> None:
    assert spelling.near(term) == []


@given(st.text(alphabet="abyz", min_size=6, max_size=12))
def test_no_term_is_given_twice_nor_itself_and_all_begin_alike(term: str) -> None:
    found = spelling.near(term)
    assert len(set(found)) == len(found) and term not in found and {one[0] for one in found} == {term[0]}
    assert all(abs(len(one) - len(term)) <= 1 for one in found)


def of(*texts: str) -> Lexical:
    index = Lexical()
    index.add(range(1, len(texts) + 1), [terms.pack(terms.terms(text)) for text in texts])
    return index


def test_only_what_no_passage_holds_is_read_as_another_and_then_as_the_commonest() -> None:
    index = of("a tackled player", "a tacklet", "tackling a runner")
    assert index.meant(terms.terms("tackel runner tacklet zebras")) == {"tackel": "tackl"}
    assert index.meant([]) == {} and Lexical().meant(["tackel"]) == {}


def test_what_was_meant_counts_less_and_never_less_than_where_it_was_asked_for_too() -> None:
    question = asked("tackel and tackle")
    words = respelt(question, {"tackel": "tackl"}).words
    assert "tackel" not in words and words["tackl"] == question.words["tackl"] == 1.0
    assert respelt(asked("tackel"), {"tackel": "tackl"}).words == {"tackl": GUESSED}
