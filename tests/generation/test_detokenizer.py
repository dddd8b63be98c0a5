"""Text from token ids as they come: whole characters, the same text as all at once, whatever the tokenizer."""

from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from generation.detokenizer import MAX_HELD, Detokenizer
from generation.tokens import Tokens

TEXTS = [
    "Hello, world!  two  spaces",
    " leading",
    "你好，世界。知识库",
    "🙂🚀👩‍👩‍👧 é e\u0301",
    "a\nb\t\tc",
    "龘",
    "\ufffd end",
    "",
]


def metaspace() -> Any:
    """A Llama-2-like tokenizer: SentencePiece spaces, and bytes for what has no token of its own."""
    words = [
        "<unk>",
        "<s>",
        "</s>",
        *(f"<0x{byte:02X}>" for byte in range(256)),
        "▁",
        "▁Hello",
        "▁world",
        "a",
        "b",
        "!",
        ",",
    ]
    raw = Tokenizer(models.BPE({word: at for at, word in enumerate(words)}, [], unk_token="<unk>", byte_fallback=True))
    raw.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    raw.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


@pytest.fixture(params=["byte-level", "metaspace"])
def tokens(request: pytest.FixtureRequest, tiny_llama: Path) -> Tokens:
    return Tokens(AutoTokenizer.from_pretrained(tiny_llama) if request.param == "byte-level" else metaspace())


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_joined_are_the_text_and_none_is_half_a_character(tokens: Tokens, text: str) -> None:
    stream = Detokenizer(tokens)
    pieces = [stream.push(number) for number in tokens.plain(text)]
    if "\ufffd" not in text:
        assert not any("\ufffd" in piece for piece in pieces)
    assert "".join(pieces) + stream.flush() == text


def test_control_tokens_have_no_text(tokens: Tokens) -> None:
    stream = Detokenizer(tokens)
    ids = [*tokens.plain("Hello"), *tokens.special_ids, *tokens.plain(" world")[-1:]]
    assert "\ufffd" not in "".join(stream.push(number) for number in ids) + stream.flush()
    assert stream.flush() == ""


def test_bytes_that_never_become_a_character_are_not_held_for_ever(tokens: Tokens) -> None:
    first_byte = next(number for name in ("<0xE4>", "ä") if (number := tokens._plain.token_to_id(name)) is not None)
    stream = Detokenizer(tokens)
    shown = [stream.push(first_byte) for _ in range(10 * MAX_HELD)]
    assert sum(len(piece) for piece in shown) >= 8 * MAX_HELD
    assert len(stream._ids) <= 2 * MAX_HELD


def test_an_unfinished_character_is_flushed_as_a_replacement(tokens: Tokens) -> None:
    stream = Detokenizer(tokens)
    pieces = [stream.push(number) for number in tokens.plain("龘")[:-1]]
    assert pieces
    assert "".join(pieces) == ""
    assert set(stream.flush()) == {"\ufffd"}
