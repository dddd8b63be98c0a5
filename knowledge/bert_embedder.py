"""The embedding model for a program that asks once and ends: without torch where the model is a plain BERT.

The same vectors as `embeddings.Embedder` makes (cosine to float32 at least 0.9999), so of the same identity, one text at a
time: right for a question, slow for documents. How a BERT is computed, or which folders hold one, it does not know.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from knowledge import bert_folder, model_folder
from knowledge.base import EmbedderNotReady
from knowledge.bert import Bert
from knowledge.bert_folder import BertShape
from knowledge.embeddings import Embedder, Embedding, Vectors, checked, known_part
from knowledge.model_folder import Report

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def for_questions(path: str | None) -> Embedding:
    """Return the model of a folder or hub id, None: the packaged one; without torch if it can be, and not loaded yet."""
    try:
        shape = bert_folder.shape_of(model_folder.find(path, _ignore_report))
    except Exception:  # whatever is wrong with it, the library's `load` raises it with the reason
        shape = None
    return Embedder(path) if shape is None else BertEmbedder(model_folder.name_of(path), shape)


def _ignore_report(what: str, part: float | None) -> None:
    """Nobody watches."""


def _ignore(done: int) -> None:
    """Nobody watches."""


class BertEmbedder:
    """An `Embedding` of a plain BERT; from any thread."""

    def __init__(self, name: str, shape: BertShape) -> None:
        self.name = name
        self._shape = shape
        self._bert: Bert | None = None
        self._tokenizer: Tokenizer
        self._identity = ""

    @property
    def identity(self) -> str:
        """As `Embedder` says it of the same folder; raises `EmbedderNotReady`."""
        self._ready()
        return self._identity

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._shape.width

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that are read, less special tokens; raises `EmbedderNotReady`."""
        self._ready()
        return self._shape.longest - int(self._tokenizer.num_special_tokens_to_add(False))

    def load(self, report: Report) -> None:
        """Read the weights, in milliseconds. Raises `EmbedderNotReady` with the reason."""
        folder = self._shape.folder
        report(f"loading the embedding model {self.name}", None)
        try:
            model_folder.refuse_unsafe(folder)
            self._tokenizer = bert_folder.tokenizer(folder)
            self._identity = model_folder.identity(self.name, self._shape.width, folder)
            self._bert = Bert(self._shape)
        except Exception as error:  # files that changed since they were looked at
            raise EmbedderNotReady(f"the embedding model {folder} could not be loaded: {error}") from error

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has, without special ones; raises `EmbedderNotReady`."""
        self._ready()
        return [len(found) for found in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def ends(self, text: str) -> list[int]:
        """Return the character offset at which each token ends; raises `EmbedderNotReady`."""
        self._ready()
        return [end for _, end in self._tokenizer.encode(text, add_special_tokens=False).offsets]

    def familiar(self, text: str) -> float:
        """Return what `known_part` says of a text's tokens; raises `EmbedderNotReady`."""
        self._ready()
        unknown = self._tokenizer.model.unk_token
        return known_part(self._tokenizer.encode(text, add_special_tokens=False).tokens, unknown)

    def encode(self, texts: Sequence[str], step: Callable[[int], None] = _ignore) -> Vectors:
        """Return the vectors of texts, shape (n, dimension), each of the text's beginning where it is too long.

        `step` is told after each text how many are done; it may raise to stop. Raises `EmbedderNotReady`, and
        `KnowledgeError` for a vector that is not finite or has no length.
        """
        vectors = np.empty((len(texts), self._shape.width), dtype=np.float32)
        for done, text in enumerate(texts):
            vectors[done] = self.encode_query(text)[0]
            step(done + 1)
        return vectors

    def encode_query(self, text: str) -> Vectors:
        """Return the vector of a question, shape (1, dimension), as `encode`: a plain model tells the two not apart."""
        bert = self._ready()
        most = self.max_tokens
        plain = self._tokenizer.encode(text, add_special_tokens=False)
        plain.truncate(most)
        tokens = self._tokenizer.post_process(plain).ids
        return checked(bert.hidden(tokens).mean(axis=0, keepdims=True), 1, self._shape.width)

    def _ready(self) -> Bert:
        if self._bert is None:
            raise EmbedderNotReady("the embedding model is not loaded yet")
        return self._bert
