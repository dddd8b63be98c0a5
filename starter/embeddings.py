"""What the embedding of a token begins as: how it is spelled, what it means, and a code that tells it from all others.

Tokens of one word begin alike, those of related words a little (from all-MiniLM-L6-v2, Apache-2.0). The other dimensions
begin empty, for what attention heads write (`heads.py`).
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from transformers import PreTrainedTokenizerBase

from knowledge.embeddings import Embedder

WIDTH = 288
"""Of an embedding, and of the residual stream."""
CONSTANT = 0
"""The dimension of an embedding that is the same in all: heads that look at positions need it."""
SPELLING = slice(1, 9)
SIGNS = ("ends", "[", " [", "[/INST]", "Question", "<s>")
"""One dimension each, behind the spelling: tokens that end a sentence, and those of the prompt's frame."""
FIRST_SIGN = 9
MEANING, CODE = slice(15, 59), slice(59, 128)
CONTENT = slice(1, 128)
"""What a token is. The rest of the width begins empty: there the heads write what they find."""
LEVEL, LENGTH = 0.4, 1.05
"""The constant dimension, and the norm of all others; equal in all tokens, or norms would look like positions."""
ENDING = (".", "?", "!", ":", "。", "？", "！")
DIGIT = 4  # of an embedding: spelled in digits

Matrix = npt.NDArray[np.float32]


def embeddings(tokenizer: PreTrainedTokenizerBase) -> Matrix:
    """Return the embeddings of all tokens, shape (tokens, `WIDTH`)."""
    texts = [tokenizer.decode([number]) for number in range(len(tokenizer))]
    words = [text.strip().lower() or repr(text) for text in texts]
    rows = np.zeros((len(texts), WIDTH), np.float32)
    rows[:, MEANING] = 0.6 * _meanings(words)
    for row, text, word in zip(rows, texts, words, strict=True):
        row[SPELLING] = 0.3 * _spelling(text)
        row[FIRST_SIGN] = 0.4 * _ends(text)
        row[CODE] = 0.7 * _code(word, CODE.stop - CODE.start)
    begin = rows[tokenizer.bos_token_id]
    begin[CONTENT] = 0.0  # heads that find nothing look there, and should bring nothing back
    for number, sign in enumerate(SIGNS[1:], FIRST_SIGN + 1):
        rows[texts.index(sign), number] = 0.4
    rows[:, CONTENT] *= LENGTH / np.linalg.norm(rows[:, CONTENT], axis=1, keepdims=True)
    rows[:, CONSTANT] = LEVEL
    return rows


def _spelling(text: str) -> Matrix:
    letters = text.strip()
    spaced, upper, lines = text[:1] == " ", letters[:1].isupper(), "\n" in text
    signs = (spaced, upper, letters.isupper() and len(letters) > 1, letters.isdigit(), letters.isalpha(), lines, not letters,
             not letters.isascii())  # fmt: skip
    return np.array([1.0 if sign else 0.0 for sign in signs], np.float32)


def _ends(text: str) -> bool:
    """Return whether a sentence begins after the token `text`."""
    letters = text.strip("\"')*\n ")
    return "\n" in text or text == "[/INST]" or letters in ENDING


def _meanings(words: Sequence[str]) -> Matrix:
    embedder = Embedder(None)
    embedder.load(lambda what, share: None)
    vectors = np.asarray(embedder.encode(list(words)), np.float32)
    return _unit(PCA(MEANING.stop - MEANING.start, random_state=0).fit_transform(vectors).astype(np.float32))


def _code(word: str, width: int) -> Matrix:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    code: Matrix = _unit(np.random.default_rng(seed).standard_normal((1, width)).astype(np.float32))[0]
    return code


def _unit(rows: Matrix) -> Matrix:
    unit: Matrix = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)).astype(np.float32)
    return unit
