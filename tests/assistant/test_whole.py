"""Which questions ask for whole documents, of which, and what is read for them."""

import pytest

from assistant import whole
from assistant.whole import asked_for, even, read
from tests.assistant.conftest import House

NAMES = ["handbook.pdf", "notes on bees.txt", "手册.docx"]


@pytest.mark.parametrize(
    "question",
    [
        "What is this document about?", "Give me a summary.", "Summarise these documents.", "tl;dr", "summary",
        "Summarise this document in three sentences.", "Give me an overview of all files", "What does this document contain?",
        "Can you summarise everything for me?", "Could you please give me a short summary of the document?",
        "总结这份文档", "这份文档讲了什么？", "这些文件的主要内容是什么", "用三句话总结这份文档",
        "帮我概括所有文档", "文章写的是什么",
    ],
)  # fmt: skip
def test_all_documents(question: str) -> None:
    assert asked_for(question, NAMES, alone=True) == NAMES


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("Summarise handbook.pdf", [0]),
        ("summarize the Handbook", [0]),
        ("What are the key points of HANDBOOK.PDF?", [0]),
        ("What does the handbook say?", [0]),
        ("What's in notes on bees?", [1]),
        ("请总结一下手册.docx的内容", [2]),
        ("总结handbook", [0]),
        ("Summarise handbook.pdf and 手册.docx", [0, 2]),
    ],
)
def test_named_documents(question: str, named: list[int]) -> None:
    assert sorted(asked_for(question, NAMES, alone=False)) == [NAMES[index] for index in named]


@pytest.mark.parametrize(
    "question",
    [
        "What does the handbook say about holidays?", "What is the price in this document?", "Summarise the refund policy",
        "Tell me more", "Summarise page 3", "Summarise this chapter", "Who wrote this document?", "Summarise foo.pdf", "hello",
        "What is in stock?", "总结退款政策", "这份文档的作者是谁？", "总结第三章", "",
    ],
)  # fmt: skip
def test_other_questions(question: str) -> None:
    assert not asked_for(question, NAMES, alone=True)


def test_within_a_conversation_that_means_what_was_said() -> None:
    assert not asked_for("Summarise that", NAMES, alone=False)
    assert asked_for("Summarise that", NAMES, alone=True)
    assert asked_for("Summarise this document", NAMES, alone=False)


def test_files_of_one_stem_are_all_meant() -> None:
    assert sorted(asked_for("Summarise the guide", ["guide.md", "guide.pdf", "other.md"], True)) == ["guide.md", "guide.pdf"]


def test_an_even_sample() -> None:
    assert even(range(10), 3) == [0, 3, 6]
    assert even(range(3), 3) == [0, 1, 2]


def test_passages_come_in_order_and_of_the_documents_asked_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.fill()
    house.fill(b"A trout swims.\n\nA carp swims.", name="fish.txt")
    found, total = read(house.library, "default", "Summarise everything", True)
    assert [one.text.split()[1] for one in found] == ["blue", "red", "brown", "trout", "carp"] and total == 5
    found, total = read(house.library, "default", "Summarise fish.txt", True)
    assert ({one.source.name for one in found}, total) == ({"fish.txt"}, 2)
    assert read(house.library, "default", "Summarise fish.txt", True, allowed=[found[0].source.document_id + 99]) == ([], 0)
    monkeypatch.setattr(whole, "MOST_READ", 3)
    found, total = read(house.library, "default", "Summarise everything", True)
    assert (len(found), total) == (2, 5)
