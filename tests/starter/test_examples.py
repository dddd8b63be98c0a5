"""Conversations to train on: in the product's prompt, to the letter, and every label true."""

import itertools
import random
import re

import pytest

from starter.examples import GUIDE_WORDS, NOT_TOLD, Material, Piece, Segments, closed, conversations, shorten
from starter.material import guide
from starter.questions import Asked, sentences

PASSAGE = re.compile(r"\[(\d)\] [^\n]*\n(.*?)(?=\n\n\[\d\] |\n\nQuestion: )", re.DOTALL)
ANSWER = re.compile(r"(.*) \[(\d)\]</s>", re.DOTALL)


def material() -> Material:
    rng = random.Random(0)
    ends = ("dor", "len", "mat", "vik")
    words = [f"{a}{b}{c}" for a in ("bar", "lim", "tos", "ken") for b in ("a", "o", "i") for c in ends]

    def line() -> str:
        one, two, three, four = rng.sample(words, 4)
        return f"The {one} {two} has {rng.randrange(900)} {three} near {four}."

    texts = [Piece(f"file{i}.md", ("Part", f"Chapter {i}"), " ".join(line() for _ in range(5))) for i in range(120)]
    asked = []
    for piece in texts[:30]:
        for sentence in sentences(piece.text)[:3]:
            asked.append(Asked(f"What about {sentence.split()[1]}?", piece.text, sentence, piece.name))
        asked.append(Asked("Why is the sky blue?", piece.text, "", piece.name))
    known, beyond, answers = guide()
    return Material(texts, asked, known, beyond, answers)


@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_every_label_is_true(progress: float) -> None:
    known, _, answers = guide()
    guided, grounded = {*answers, *(reply for _, reply in known)}, 0
    beginnings = {" ".join(reply.split(" ")[:GUIDE_WORDS]) for reply in guided}
    for segments in itertools.islice(conversations(material(), 1, lambda: progress), 150):
        prompt = "".join(text for text, _, _ in segments)
        offered = {int(number): text for number, text in PASSAGE.findall(prompt)}
        for text, is_answer, _ in segments:
            match = ANSWER.fullmatch(text)
            if is_answer and match:
                grounded += 1
                assert match[1] in offered[int(match[2])]
            elif is_answer:
                told = text.removesuffix("</s>")
                assert told in (guided | {NOT_TOLD} if text.endswith("</s>") else beginnings)
    assert grounded > 100


def test_the_same_seed_gives_the_same_conversations() -> None:
    def first(seed: int) -> list[Segments]:
        return list(itertools.islice(conversations(material(), seed, lambda: 0.3), 20))

    assert first(4) == first(4)
    assert first(4) != first(5)


def test_a_conversation_is_written_as_the_model_reads_it() -> None:
    messages = [("system", "Be kind."), ("user", " Hello "), ("assistant", "Hi."), ("user", "Who?")]
    assert closed(messages) == [
        ("<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHello [/INST]", False, 0),
        ("Hi.</s>", True, 0),
        ("<s>[INST] Who? [/INST]", False, 0),
    ]


def test_shortening_keeps_whole_sentences_and_the_answer() -> None:
    text = "One is here. Two is there. Three is nowhere. Four is gone."
    for seed in range(20):
        short = shorten(text, "Three is nowhere.", 30, random.Random(seed))
        assert "Three is nowhere." in short
        assert short in text
        assert len(short) < len(text)
        assert set(sentences(short)) <= set(sentences(text))


def test_the_guide_has_answers_and_no_question_twice() -> None:
    known, beyond, answers = guide()
    questions = [question for asked, _ in known for question in asked]
    assert len(questions) == len(set(questions)) > 3000
    assert all(isinstance(reply, str) and 3 <= len(reply.split()) <= 60 for _, reply in known)
    assert len(beyond) > 100
    assert all("--model-path" in answer for answer in answers)
