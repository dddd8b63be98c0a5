"""The model that comes with the program, through the program: engine, template and prompt as a user meets them."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import aclosing

import pytest

from assistant.citations import find
from assistant.prompt import fit
from generation import preflight
from generation.base import Generator, Message, Sampling
from generation.settings import STARTER_FOLDER, GenerationSettings, backend
from knowledge.base import Locator, Passage, Source
from starter.examples import NOT_TOLD
from webui.conversation import SAMPLE
from webui.texts.en import TEXTS

LIBRARY = (
    "The reading room opens at nine in the morning. Bags have to stay in the lockers beside the entrance.",
    "A library card costs twelve euros a year. Students show their passport to get it without a fee.",
    "The old printing press was built by Johann Keller in 1874. It weighs almost four tons.",
    "Loud phone calls are forbidden in the whole building. Small children may play in the garden.",
)
ASKED = (
    ("When does the reading room open?", "nine", 1),
    ("Where do bags have to stay?", "lockers", 1),
    ("How much does a library card cost?", "twelve", 2),
    ("Who built the old printing press?", "Keller", 3),
    ("How much does the printing press weigh?", "four tons", 3),
    ("Where may small children play?", "garden", 4),
    ("What are loud phone calls in the building?", "forbidden", 4),
    ("What do students show to get the card without a fee?", "passport", 2),
)
STRANGE = (
    "What is the capital of Peru?",
    "Which engine drives the submarine?",
    "How many goals did the striker score?",
    "Who painted the ceiling of the chapel?",
)


@pytest.fixture(scope="module")
def starter() -> Iterator[Generator]:
    engine = backend(GenerationSettings())
    engine.check()
    generator = engine.load(lambda stage, part=None: None)
    yield generator
    asyncio.run(generator.close())


def passages(texts: Sequence[str]) -> list[Passage]:
    return [Passage(i, text, Source("default", i, f"notes-{i}.txt"), Locator(), 0.5) for i, text in enumerate(texts, 1)]


def ask(generator: Generator, question: str, offered: Sequence[Passage], *history: Message) -> tuple[str, str | None]:
    """Return the greedy answer and why it ended."""
    fitted = fit(generator, [*history, Message("user", question)], offered, 256, bool(offered))

    async def answer() -> tuple[str, str | None]:
        async with aclosing(generator.stream(fitted.prompt, Sampling(max_tokens=256, temperature=0))) as stream:
            pieces = [piece async for piece in stream]
        return "".join(piece.text for piece in pieces), pieces[-1].finish_reason

    return asyncio.run(answer())


def test_the_folder_is_small_safe_and_whole() -> None:
    preflight.check(STARTER_FOLDER)
    preflight.verify_checksums(STARTER_FOLDER, lambda stage, part=None: None)
    assert sum(path.stat().st_size for path in STARTER_FOLDER.iterdir()) <= 24 * 2**20


def test_it_answers_from_the_right_passage_and_cites_it(starter: Generator) -> None:
    right = cited = 0
    for question, word, number in ASKED:
        reply, _ = ask(starter, question, passages(LIBRARY))
        right += word in reply
        cited += word in reply and f"[{number}]" in reply
    assert right >= 6
    assert cited >= right - 1


def test_it_copies_names_numbers_and_commands_to_the_letter(starter: Generator) -> None:
    texts = (
        "The command `mkfs.xfs -L Kx7_data /dev/nvme3n1p2` formats the second disk. It takes a minute.",
        "Version 4.18.207-rc3 was released by Agnieszka Wrzosek on 17 March 2019. It mends three faults.",
    )
    reply, _ = ask(starter, "Which command formats the second disk?", passages(texts))
    assert "mkfs.xfs -L Kx7_data /dev/nvme3n1p2" in reply
    reply, _ = ask(starter, "Which version was released by Agnieszka Wrzosek?", passages(texts))
    assert "4.18.207-rc3" in reply
    assert "Agnieszka Wrzosek on 17 March 2019" in reply


def test_it_says_when_the_documents_do_not_tell(starter: Generator) -> None:
    replies = [ask(starter, question, passages(LIBRARY))[0] for question in STRANGE]
    assert sum(NOT_TOLD in reply for reply in replies) >= 3


def test_it_ends_by_itself_and_cites_nothing_that_was_not_offered(starter: Generator) -> None:
    for question in (*(asked for asked, _, _ in ASKED), *STRANGE):
        reply, reason = ask(starter, question, passages(LIBRARY[:2]))
        assert reason == "stop"
        assert find(reply, 2).invalid == 0


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Hello!", ("document",)),
        ("What is this program?", ("document",)),
        ("How do I load a bigger model?", ("--model-path",)),
        ("Write a poem about the sea.", ("model",)),
    ],
)
def test_it_explains_the_program(starter: Generator, question: str, words: tuple[str, ...]) -> None:
    reply, reason = ask(starter, question, [])
    assert reason == "stop"
    assert [word for word in words if word.lower() not in reply.lower()] == []


def test_the_sample_questions_are_answered_from_the_sample_document(starter: Generator) -> None:
    sections = [part.partition("\n\n") for part in SAMPLE.read_text(encoding="utf-8").split("\n## ")[1:]]
    found = [Passage(i, text.strip(), Source("default", 1, SAMPLE.name), Locator(headings=("About chat-llm-webui", title)), 0.5)
             for i, (title, _, text) in enumerate(sections[:5], 1)]  # fmt: skip
    for question, word in zip(TEXTS.samples, ("PDF", "passage", "data folder"), strict=True):
        reply, _ = ask(starter, question, found[1:5])
        assert word in reply
        assert find(reply, 4).used
