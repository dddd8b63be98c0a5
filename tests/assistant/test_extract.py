"""Sentences that stand for documents: whole ones, word for word, of every document; what a small model's answer is made of."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from assistant import extract
from assistant.coverage import Coverage
from assistant.support import Support
from generation.base import Usage
from knowledge.base import Locator, Passage, Source
from tests.assistant.conftest import House, ask

Make = Callable[..., Any]
BEES = (
    "Bees live in colonies, and a colony of bees has one queen.",
    "The queen of a colony lays all the eggs that the colony needs.",
    "In winter the colony gathers round the queen and lives on honey.",
    "A man on the ferry sold yellow umbrellas to nine tired sailors.",
)

SHORT = ("Bees build large round colonies.", "Each colony feeds one queen.")


def passages(*texts: str, name: str = "bees.txt", first: int = 1) -> list[Passage]:
    return [Passage(first + at, text, Source("b", 1, name, "file-1"), Locator(), 1.0) for at, text in enumerate(texts)]


def test_what_most_of_the_text_is_about_is_taken_and_the_stray_sentence_is_not() -> None:
    taken = extract.chosen(passages(*BEES), 3)
    assert [text for text, _ in taken] == list(BEES[:3])
    assert all(text in passage.text for text, passage in taken)


@pytest.mark.parametrize(
    "text",
    [
        "Bees and honey", "| bees | honey | queen | colony | eggs |", "and then the bees flew on to the next colony of bees.\n",
        "See https://example.com/bees for more about the bees of the colony.", "bees(colony) returns the queen of the colony.",
        "3.3 Function that tells a colony of its queen.", "Bees, colonies, queens, eggs, honey and winter:",
    ],
)  # fmt: skip
def test_what_is_no_sentence_of_its_own_is_not_taken(text: str) -> None:
    taken = extract.chosen(passages(f"{BEES[0]}\n{text}"), 8)
    assert [sentence for sentence, _ in taken] == [BEES[0]]


def test_wrapped_lines_are_one_sentence_and_marks_of_lists_and_notes_go() -> None:
    first, second = "- A colony of bees has one queen, who lays all of the eggs that", "it needs in a year [3]."
    text = f"{first}\n{second}\n\n1. Honey feeds the whole colony in winter."
    assert [sentence for sentence, _ in extract.chosen(passages(text), 8)] == [
        "A colony of bees has one queen, who lays all of the eggs that it needs in a year.",
        "Honey feeds the whole colony in winter.",
    ]


def test_a_sentence_that_stands_twice_is_taken_once() -> None:
    assert len(extract.chosen(passages(BEES[0], BEES[0].upper(), BEES[0]), 8)) == 1


def test_each_document_has_a_part_up_to_a_number() -> None:
    many = [one for at in range(30) for one in passages(BEES[at % 3], name=f"{at:02}.txt", first=at)]
    taken = extract.chosen(many, 8)
    names = [passage.source.name for _, passage in taken]
    assert len(names) == len(set(names)) == extract.MOST and names == sorted(names)
    told = extract.words("Summarise everything", taken, 30)
    assert "20 of 30 documents" in told and "**00.txt**" in told
    assert [int(number) for number in re.findall(r"\[(\d+)\]", told)] == list(range(1, 21))


@pytest.mark.parametrize(
    ("question", "count"),
    [
        ("Summarise it in three sentences", 3), ("give me 5 bullet points", 5), ("one sentence, please", 1),
        ("用两句话总结", 2), ("总结成5点", 5), ("in 99 sentences", extract.MOST),
        ("in 0 sentences", 1), ("Summarise handbook 3.pdf", 8),
    ],
)  # fmt: skip
def test_how_many_are_wanted(question: str, count: int) -> None:
    assert extract.wanted(question) == count


async def test_a_model_too_small_to_summarise_is_not_asked(make: Make) -> None:
    house: House = await make(echo_context=2048)
    house.fill("\n\n".join(SHORT).encode(), name="bees.txt")
    house.fill("蜂后每天产卵。".encode(), name="蜂.txt")
    run = await house.assistant.ask(ask("Summarise these documents", "knowledge"))
    await run.wait()
    lines = run.text.splitlines()
    assert lines[0] == extract.ENGLISH[0] and f"- {SHORT[0]} [1]" in lines and "**蜂.txt**" in lines
    assert (run.usage, run.fitted, house.echo.generated_tokens_total) == (Usage(0, 0), None, 0)
    assert run.coverage is not None and run.coverage.read == run.coverage.passages == 3
    assert run.support is not None and run.support.kind == "cited" and not run.support.invalid
    assert all(sentence in {one.text for one in run.sources} for sentence in SHORT)
    asked = await house.assistant.ask(ask("用一句话总结蜂.txt", "knowledge"))
    await asked.wait()
    assert asked.text == f"{extract.CHINESE[0]}\n\n- 蜂后每天产卵。 [1]"
    assert asked.coverage == Coverage(1, 1)


async def test_documents_without_a_sentence_are_searched(make: Make) -> None:
    house: House = await make(echo_context=2048)
    house.fill(b"apple\n\npear", name="list.txt")
    run = await house.assistant.ask(ask("Summarise list.txt", "knowledge"))
    await run.wait()
    assert run.fitted is not None and run.coverage is None and run.support != Support("refused")
