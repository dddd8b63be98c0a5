"""Lexical search in memory: what BM25 by hand gives, whatever came and went and however it was merged."""

import math
import random
import re
from collections import Counter

import pytest

from knowledge import followup, lexical, terms
from knowledge.followup import without
from knowledge.lexical import Lexical
from knowledge.postings import LENGTH, SATURATION

WORDS = ["apple", "pear", "plum", "fig", "quince", "苹果", "v1.2", "snake_case", "fig"]


def by_hand(texts: dict[int, str], question: str) -> dict[int, float]:
    counts = {number: Counter(terms.terms(text)) for number, text in texts.items()}
    lengths = {
        number: sum(many for term, many in count.items() if re.search("[^\\d.]", term)) for number, count in counts.items()
    }
    mean = max(1.0, sum(lengths.values()) / len(lengths))
    found: dict[int, float] = {}
    whole = 0.0
    for word in dict.fromkeys(terms.terms(question)):
        holds = sum(word in count for count in counts.values())
        weight = math.log1p((len(counts) - holds + 0.5) / (holds + 0.5))
        whole += weight
        for number, count in counts.items():
            slowness = SATURATION * (1 - LENGTH + LENGTH * lengths[number] / mean)
            if count[word]:
                found[number] = found.get(number, 0.0) + weight * count[word] / (count[word] + slowness)
    return {number: score / whole for number, score in found.items()}


def look(index: Lexical, question: str, count: int = 1000) -> dict[int, float]:
    return index.search(index.weights(dict.fromkeys(terms.terms(question), 1.0)), count)


def packed(text: str) -> bytes:
    return terms.pack(terms.terms(text))


def test_whatever_comes_and_goes_it_scores_as_a_new_one_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexical, "LARGEST_SEGMENT", 40)
    chance, index, number = random.Random(4), Lexical(), 0
    texts: dict[int, str] = {}
    for step in range(120):
        new = {number + k: " ".join(chance.choices(WORDS, k=chance.randint(1, 9))) for k in range(chance.randint(1, 5))}
        number += len(new)
        index.add(list(new), [packed(text) for text in new.values()])
        texts |= new
        gone = chance.sample(sorted(texts), min(len(texts), chance.randint(0, 5)))
        index.remove(gone)
        texts = {one: text for one, text in texts.items() if one not in gone}
        assert index.ids() == set(texts) and index.size == len(texts)
        found = look(index, "apple 苹果")
        assert set(found) == {one for one, text in texts.items() if "apple" in text or "苹" in text}, step
    fresh = Lexical()
    fresh.rebuild([(sorted(texts), [packed(texts[one]) for one in sorted(texts)])])
    assert look(fresh, "quince v1.2 fig") == pytest.approx(by_hand(texts, "quince v1.2 fig"), rel=1e-4)


def test_the_best_come_first_and_others_when_asked_for() -> None:
    index = Lexical()
    index.rebuild([([1, 2], [packed("apple pear"), packed("plum")]), ([5, 9], [packed("apple"), packed("apple plum fig")])])
    assert list(look(index, "apple plum", 1)) == [9]
    weights = index.weights({"appl": 1.0, "plum": 1.0})
    assert list(index.search(weights, 1, also=(5, 7))) == [9, 5]
    assert index.search({}, 5) == {} and look(index, "unheard") == {}


def test_of_passages_that_tell_the_same_the_first_are_taken_whatever_else_is_asked_for() -> None:
    index = Lexical()
    index.rebuild([(list(range(1, 400)), [packed("apple pear")] * 399)])
    index.remove([2, 5])
    weights = index.weights({"appl": 1.0, "pear": 1.0})
    assert list(index.search(weights, 4)) == [1, 3, 4, 6]
    assert list(index.search(weights, 4, also=(3, 300))) == [1, 3, 4, 6, 300]


def test_only_some_passages_may_count() -> None:
    import numpy as np

    index = Lexical()
    index.rebuild([([1, 2, 3], [packed("apple")] * 3)])
    assert set(index.search(index.weights({"appl": 1.0}), 5, only=np.array([2, 8]))) == {2}


def test_a_word_counts_what_it_is_given_and_a_missing_one_lowers_the_score() -> None:
    index = Lexical()
    index.rebuild([([1, 2], [packed("apple"), packed("pear")])])
    found = index.search(index.weights({"appl": 1.0, "pear": 0.5}), 5)
    assert found[1] == pytest.approx(2 * found[2])
    assert look(index, "apple")[1] > look(index, "apple zeppelin")[1]


def test_an_empty_one_finds_nothing() -> None:
    index = Lexical()
    index.rebuild([])
    index.add((), ())
    index.remove((4,))
    assert look(index, "apple") == {} and index.ids() == set()


def test_pairs_that_are_parts_of_two_words_are_told_from_words() -> None:
    texts = ["用户会收到邮件"] + ["用户收件箱"] * 11 + ["会议"] * 11
    index = Lexical()
    index.add(range(len(texts)), [packed(text) for text in texts])
    asked = terms.terms("会收到什么？用户、会议、有关")  # 有关 is nowhere, which tells nothing
    assert index.apart(asked) == {"会收"}
    assert index.apart([]) == set() and Lexical().apart(asked) == set()
    assert without(followup.asked("会收到"), {"会收"}).words == {"会": 0.15, "收": 0.5, "到": 0.5, "收到": 0.5}


def test_only_characters_that_may_ask_or_join_make_such_pairs() -> None:
    pairs = ["会收", "端会", "用户", "收到", "什么", "会", "アの", "can", "ab"]
    assert [pair for pair in pairs if terms.joins(pair)] == ["会收", "端会", "用户"]


def test_figures_are_found_and_make_no_passage_longer() -> None:
    index = Lexical()
    index.add(
        [1, 2, 3], [packed("cost of sales 41,485 40,899 155,084 149,476 2.75"), packed("cost of sales"), packed("41,485 7")]
    )
    found = look(index, "sales")
    assert found[1] == found[2]
    assert set(look(index, "41,485")) == {1, 3} and set(look(index, "2.75")) == {1}
    alone = Lexical()
    alone.add([1], [packed("7 8 9")])
    assert set(look(alone, "8")) == {1}
