"""Drafted questions: from where, which are thrown away and why, and that nothing runs on when nobody waits."""

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from assistant import drafting
from assistant.drafting import Draft, Drafted, draft, question_in, spread
from generation.base import Message, ModelNotReady
from knowledge.base import Locator, Passage
from tests.assistant.conftest import House, passage, until

CRATES = passage(
    "A full crate weighs 18 kilograms and is stored at three degrees.", 1, "crates.md", Locator(None, ("Storing",))
)


@pytest.mark.parametrize(
    ("said", "question"),
    [
        ("How heavy is a full crate?", "How heavy is a full crate?"),
        ('Question: "How heavy is a full crate?"', "How heavy is a full crate?"),
        ("1. **How heavy is a full crate?**\nIt weighs 18 kilograms.", "How heavy is a full crate?"),
        ("Here is a question:\n\n- What does storing need?", "What does storing need?"),
        ("<think>What crate? Hm.\n</think>\nHow cold are crates kept?", "How cold are crates kept?"),
        ("Q: a crate weighs how much？", "a crate weighs how much？"),
    ],
)
def test_a_question_is_found_in_what_the_engine_says(said: str, question: str) -> None:
    assert question_in(said, CRATES, set()) == Draft(question, CRATES)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("A full crate weighs 18 kilograms.", "mark"),
        ("", "mark"),
        ("???", "mark"),
        ("How heavy is a crate? It weighs 18 kilograms.", "mark"),
        ("Is a crate " + "very " * 80 + "heavy?", "long"),
        ("Who wrote the opera?", "foreign"),
        ("What is it?", "foreign"),
        ("A full crate weighs 18 kilograms?", "copied"),
        ("How heavy is a FULL crate ?", "twice"),
    ],
)
def test_what_is_no_question_is_thrown_away_for_a_reason(said: str, reason: str) -> None:
    assert question_in(said, CRATES, {drafting._plain("How heavy is a full crate?")}) == reason


def test_chinese_has_its_own_marks_and_words() -> None:
    trees = passage("果园在九月采摘苹果，每箱重十八公斤。", 1, "树.md")
    assert question_in("问题：果园几月采摘苹果？", trees, set()) == Draft("果园几月采摘苹果？", trees)
    assert question_in("谁写了歌剧？", trees, set()) == "foreign"


def long(word: str, passages: int) -> bytes:
    return "\n\n".join(f"{word} {word}{i}a {word}{i}b {word}{i}c {word}{i}d {word}{i}e." for i in range(passages)).encode()


def test_passages_are_spread_over_the_documents_and_within_them(house: House) -> None:
    house.fill(long("apple", 40), name="apple.txt")
    house.fill(long("plum", 2), name="plum.txt")
    house.fill(b"Too short.", name="short.txt")
    names = ["apple.txt", "plum.txt", "short.txt", "gone.txt"]
    all_of = [one.chunk_id for one in house.library.passages("default", "apple.txt")]
    for seed in range(5):
        found = spread(house.library, "default", names, 6, random.Random(seed))
        by = [one.source.name for one in found]
        assert by.count("plum.txt") == 2 and by.count("apple.txt") == 4
        places = [all_of.index(one.chunk_id) // 10 for one in found if one.source.name == "apple.txt"]
        assert places == [0, 1, 2, 3], "one of each quarter"
    assert spread(house.library, "default", ["short.txt"], 5, random.Random(0)) == []
    assert len(spread(house.library, "default", ["apple.txt"], 100, random.Random(0))) == 40
    house.library.switch_passages("default", "plum.txt", [one.chunk_id for one in found if one.source.name == "plum.txt"], True)
    assert spread(house.library, "default", ["plum.txt"], 5, random.Random(0)) == []


def test_of_more_documents_than_passages_some_are_taken_by_chance_and_no_more_are_read(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{number}.txt" for number in range(8)]
    for number, name in enumerate(names):
        house.fill(long(f"word{number}", number + 1), name=name)
    read, passages = list[str](), house.library.passages

    def counted(base: str, name: str) -> list[Passage]:
        read.append(name)
        return passages(base, name)

    monkeypatch.setattr(house.library, "passages", counted)
    taken = [[one.source.name for one in spread(house.library, "default", names, 3, random.Random(seed))] for seed in range(9)]
    assert all(len(set(some)) == 3 for some in taken) and len(read) == 9 * 3
    assert {name for some in taken for name in some} == set(names), "not always the longest"


async def last(house: House, passages: list[Any], saved: tuple[str, ...] = ()) -> Drafted:
    async with aclosing(draft(house.assistant, passages, saved)) as states:
        return [state async for state in states][-1]


async def test_each_passage_is_asked_about_and_what_is_thrown_away_is_counted(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Echo says what it is told.
    asks = {0: "How old is the oak?", 1: "The fir tree.", 2: "How old is the oak?", 3: "Is the ash tall?"}
    monkeypatch.setattr(drafting, "prompt", lambda one: (Message("user", f"\n{asks[one.chunk_id]}"),))
    words = ("oak", "fir", "elm", "ash")
    passages = [passage(f"The {word} tree is old and tall and green.", at) for at, word in enumerate(words)]
    passages[2] = passage("The oak tree stands by the old gate over there.", 2)
    state = await last(house, passages, saved=("is the ASH tall",))
    assert [one.question for one in state.drafts] == ["How old is the oak?"] and state.done == state.wanted == 4
    assert state.thrown == {"mark": 1, "twice": 2} and not state.too_small
    assert house.assistant.runs.active == 0


async def test_when_nothing_is_left_the_model_is_too_small_but_not_for_questions_asked_already(house: House) -> None:
    state = await last(house, [CRATES])
    assert state.too_small and state.thrown == {"mark": 1}
    assert not Drafted(1, 1, thrown=state.thrown - state.thrown).too_small
    assert not (await last(house, [])).too_small


async def test_a_passage_that_does_not_fit_is_counted_and_the_next_is_asked_about(make: Callable[..., Any]) -> None:
    house = await make(echo_context=200)
    state = await last(house, [passage("word " * 500), CRATES])
    assert state.thrown == {"room": 1, "mark": 1} and state.done == 2


async def test_an_engine_that_is_not_there_is_told(make: Callable[..., Any]) -> None:
    house = await make(load=False, model_path="none", backend="transformers")
    with pytest.raises(ModelNotReady):
        await last(house, [CRATES])


async def test_when_nobody_waits_any_more_the_engine_is_let_go(make: Callable[..., Any]) -> None:
    house = await make(echo_delay=0.05)
    states = draft(house.assistant, [CRATES, CRATES], ())
    assert (await anext(states)).done == 0
    step = asyncio.ensure_future(anext(states))
    await until(lambda: house.echo.active_generations == 1)
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    await until(lambda: house.echo.active_generations == 0)
