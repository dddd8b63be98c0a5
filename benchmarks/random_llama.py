"""Llamas with random weights, for measuring speed: every engine computes the same, whatever the words are."""

from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging as library_logging

VOCABULARY = 32_000
CONTEXT = 4096


@dataclass(frozen=True)
class Shape:
    """Sizes of a Llama."""

    hidden: int
    inner: int
    layers: int
    heads: int
    key_heads: int


SHAPES = {"56m": Shape(512, 1376, 8, 8, 8), "1.1b": Shape(2048, 5632, 22, 32, 4)}


def make(folder: Path, shape: Shape) -> Path:
    """Write a model of `shape` in bf16 and a tokenizer that has a text for every id; the same weights every time."""
    library_logging.disable_progress_bar()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_heads,
        max_position_embeddings=CONTEXT,
        eos_token_id=None,
        dtype="bfloat16",
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    return folder


def prompt(size: int, number: int) -> list[int]:
    """Return `size` ids that no other `number` begins with."""
    random = torch.Generator().manual_seed(number)
    return [int(one) for one in torch.randint(300, VOCABULARY, (size,), generator=random)]


def _tokenizer() -> PreTrainedTokenizerFast:
    names = ["<unk>", "<s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    names += [f"Ġw{number}" for number in range(len(names), VOCABULARY)]
    raw = Tokenizer(models.BPE({name: number for number, name in enumerate(names)}, [], unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", unk_token="<unk>")
