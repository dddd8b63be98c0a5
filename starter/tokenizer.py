"""The built-in model's tokenizer: byte-level BPE, numbers in groups of three, trained on the texts.

`python -m starter.tokenizer --work DIR --data DIR` writes DIR/model/tokenizer.json and tokenizer_config.json.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from assistant.prompt import GROUNDED
from starter import material
from starter.examples import NOT_TOLD, TOLD

VOCABULARY = 16_384
CONTEXT = 2048
SPECIAL = ("<pad>", "<s>", "</s>", "[INST]", "[/INST]")
WORDS = Regex(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEMPLATE = (
    "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}{% set turns = messages[1:] %}"
    "{% else %}{% set system = none %}{% set turns = messages %}{% endif %}"
    "{% for message in turns %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate user/assistant') }}{% endif %}"
    "{% set content = message['content'].strip() %}"
    "{% if loop.first and system is not none %}"
    "{% set content = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + content %}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content + ' [/INST]' }}"
    "{% else %}{{ content + eos_token }}{% endif %}"
    "{% endfor %}"
)
"""The Llama-2 chat template, but without spaces around an answer: this tokenizer would keep them in it."""


def train(lines: Iterator[str]) -> Tokenizer:
    """Return a tokenizer trained on `lines`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(WORDS, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[AddedToken(text, special=True, normalized=False) for text in SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    return tokenizer


def lines(work: Path, data: Path) -> Iterator[str]:
    """Yield what the tokenizer is trained on: all texts, questions and answers that training may see."""
    for index, piece in enumerate(material.texts(work)):
        yield piece.text
        if index % 3 == 0:  # words as they stand at the beginning of a line, or they would be cut into pieces there
            yield "\n".join(piece.text.split())
    passages: dict[str, None] = {}
    for asked in material.questions(data):
        passages[asked.passage] = None
        yield asked.question
    for passage in passages:
        yield from (passage, passage)
    known, requests, answers = material.guide()
    for questions, reply in known:
        yield from (*questions, *[reply] * 20)
    yield from (*requests, *answers * 20, *material.beyond(data)[:2000])
    frame = ("\nQuestion: ", "Question: What is it?", *(TOLD.format("It is so.", n) for n in range(1, 9)), NOT_TOLD)
    yield from (GROUNDED, *frame) * 300


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the files that `AutoTokenizer` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "clean_up_tokenization_spaces": False,
        "model_max_length": CONTEXT,
        "chat_template": TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    save(train(lines(arguments.work, arguments.data)), arguments.work / "model")


if __name__ == "__main__":
    main()
