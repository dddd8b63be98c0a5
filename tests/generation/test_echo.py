"""The echo engine's answers and its tokens."""

from collections.abc import Callable
from typing import Any

import pytest

from generation.base import Message, Prompt, Sampling
from generation.echo_backend import reply, tokens

KNOWLEDGE = """Passages from the documents:

[1] handbook.md, page 3
The pump runs at 40 bar. Switch it off first.

[2] other.md
Nothing here.

Question: how many bar?"""


@pytest.mark.parametrize(
    "text", ["", " ", "Hi, you!", "a  b\n\tc", "你好 世界。", "emoji 🙂🚀 done", "x_1-2", "é e\u0301 \u200b"]
)
def test_tokens_joined_are_the_text(text: str) -> None:
    assert "".join(tokens(text)) == text


def test_tokens_are_words_punctuation_and_characters() -> None:
    assert tokens("Hi, you! 你好") == ["Hi", ",", " you", "!", " 你", "好"]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("hello", "You said: hello"),
        ("please [[count 4]] now", "1 2 3 4"),
        ("[[count 999999999]]", " ".join(str(n) for n in range(1, 101))),
        (KNOWLEDGE, "According to [1], The pump runs at 40 bar."),
        ("[1] One sentence. Two.\n\nQuestion: what?", "According to [1], One sentence."),
        ("[1] 第一句。第二句。\nQuestion: 什么?", "According to [1], 第一句。"),
        ("[1] no question", "You said: [1] no question"),
    ],
)
def test_reply(said: str, answer: str) -> None:
    talk = (Message("user", "old"), Message("assistant", "x"), Message("user", said))
    assert reply(Prompt(talk, "", ()), 100) == answer
    assert reply(Prompt((), said, ()), 100) == answer  # a raw prompt is the question


async def test_ids_are_stable_and_one_a_token(started: Callable[..., Any]) -> None:
    async with started("echo", served_model_name=("parrot",)) as generator:
        prompt = generator.render([Message("user", "hi")])
        assert generator.name == "parrot"
        assert prompt.token_ids == generator.render([Message("user", "hi")]).token_ids
        assert len(prompt.token_ids) == len(tokens(prompt.text))


async def test_a_whole_answer_stops_by_itself(started: Callable[..., Any]) -> None:
    async with started("echo", echo_delay=0.001) as generator:
        prompt = generator.render([Message("user", "hi")])
        pieces = [piece async for piece in generator.stream(prompt, Sampling(max_tokens=100))]
        assert "".join(piece.text for piece in pieces) == "You said: hi"
        assert pieces[-1].finish_reason == "stop"
