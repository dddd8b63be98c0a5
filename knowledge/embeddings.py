"""Texts into vectors by a model: whose turn it is to compute, and that no vector poisons a ranking.

Nothing heavy is imported before `load`. Vectors are float32, of length 1, so their inner product is the cosine. Whichever
encoder computes a model and in whatever precision, its vectors have one identity, for they can be compared (cosine to
float32 at least 0.99). Which encoder that is (`encoders.py`), and what a document is, this module does not know.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from knowledge import encoders, model_folder
from knowledge.base import EmbedderNotReady, KnowledgeError
from knowledge.chunking import Tokens
from knowledge.encoders import EncoderOf
from knowledge.model_folder import Report

if TYPE_CHECKING:
    from knowledge.encoder_base import Encoder

Vectors = npt.NDArray[np.float32]


class Embedding(Tokens, Protocol):
    """What the rest of the room needs of an embedding model; tests bring a fast one."""

    name: str

    @property
    def identity(self) -> str:
        """Model, dimension, normalisation and a print of the weights; vectors of two identities are never compared."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that are read; special tokens are already taken off."""

    def load(self, report: Report) -> None:
        """Make it ready; blocks."""

    def encode(self, texts: Sequence[str], step: Callable[[int], None] = ...) -> Vectors:
        """Return the vectors of texts of documents."""

    def encode_query(self, text: str) -> Vectors:
        """Return the vector of a question, shape (1, dimension)."""

    def familiar(self, text: str) -> float:
        """Return how well it knows the words of a text, in [0, 1]: what its vector is worth."""


def checked(vectors: npt.NDArray[Any], count: int, dimension: int) -> Vectors:
    """Return vectors as float32 of length 1; raises `KnowledgeError` for any that would poison a ranking."""
    if vectors.shape != (count, dimension):
        raise KnowledgeError(f"the embedding model gave vectors of shape {vectors.shape}, not {(count, dimension)}")
    exact = vectors.astype(np.float32, copy=False)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    if not np.isfinite(lengths).all():
        raise KnowledgeError("the embedding model gave a vector that is not a number")
    if (lengths < 1e-6).any():
        raise KnowledgeError("the embedding model gave a vector of length zero")
    return np.asarray(exact / lengths, dtype=np.float32)


def _ignore(done: int) -> None:
    """Take no notice of progress."""


class Embedder:
    """An embedding model from a directory or, by its id, from the hub; `path` None: the packaged MiniLM (English).

    `encoder_of` chooses what computes it.
    """

    def __init__(self, path: str | None, encoder_of: EncoderOf = encoders.for_documents) -> None:
        self.name = model_folder.name_of(path)
        self.reason = "the embedding model is not loaded yet"
        self._path = path
        self._encoder_of = encoder_of
        self._encoder: Encoder | None = None
        self._identity = ""
        self._questions = threading.Lock()  # a question never waits for a document, only for another question
        # Two locks make a queue of two: who waits for the model holds `_next`, so texts that a client wants embedded wait
        # for one batch of a document at most, though the document asks again at once.
        self._next = threading.Lock()
        self._turn = threading.Lock()

    @property
    def identity(self) -> str:
        """Model, dimension, normalisation and a print of the weights; raises `EmbedderNotReady`."""
        self._ready()
        return self._identity

    @property
    def dimension(self) -> int:
        """Length of a vector; raises `EmbedderNotReady`."""
        return self._ready().dimension

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that are read, less special tokens and the model's prompt; raises `EmbedderNotReady`."""
        return self._ready().max_tokens

    def load(self, report: Report) -> None:
        """Import what computes the model and load it; blocks for seconds. Raises `EmbedderNotReady` with the reason."""
        try:
            folder = model_folder.find(self._path, report)
            model_folder.refuse_unsafe(folder)
            report("starting the embedding library", None)
            self._load(folder, report)
        except Exception as error:  # whatever the library raises, the person needs to know which folder and why
            reason = " ".join(str(error).split()) or type(error).__name__
            self.reason = f"the embedding model {self._path or self.name} could not be loaded: {reason}"
            raise EmbedderNotReady(self.reason) from error

    def _load(self, folder: Path, report: Report) -> None:
        report(f"loading the embedding model {self.name}", None)
        encoder = self._encoder_of(self.name, folder)
        self._identity = model_folder.identity(self.name, encoder.dimension, folder)
        report(f"trying the embedding model {self.name}", None)
        checked(encoder.question("ready"), 1, encoder.dimension)
        self._encoder = encoder

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has, without special ones; raises `EmbedderNotReady`."""
        return self._ready().count(texts)

    def ends(self, text: str) -> list[int]:
        """Return the character offset at which each token ends; raises `EmbedderNotReady`."""
        return [end for _, end in self._ready().tokenizer.encode(text, add_special_tokens=False).offsets]

    def familiar(self, text: str) -> float:
        """Return what `known_part` says of a text's tokens; raises `EmbedderNotReady`."""
        encoder = self._ready()
        return known_part(encoder.tokenizer.encode(text, add_special_tokens=False).tokens, encoder.unknown)

    def encode(self, texts: Sequence[str], step: Callable[[int], None] = _ignore) -> Vectors:
        """Return the vectors of texts of documents, shape (n, dimension).

        `step` is told after each batch how many are done; it may raise to stop. Raises `EmbedderNotReady`, and
        `KnowledgeError` for a vector that is not finite or has no length.
        """
        encoder = self._ready()
        vectors = np.empty((len(texts), encoder.dimension), dtype=np.float32)
        done = 0
        for batch in encoder.documents(texts):
            vectors[batch.places] = checked(self._in_turn(batch.compute), len(batch.places), encoder.dimension)
            done += len(batch.places)
            step(done)
        return vectors

    def encode_query(self, text: str) -> Vectors:
        """Return the vector of a question, shape (1, dimension); of its beginning, where the model cannot read it all.

        Raises `EmbedderNotReady` or `KnowledgeError`, as `encode`.
        """
        encoder = self._ready()
        with self._questions:
            return checked(encoder.question(text), 1, encoder.dimension)

    def _in_turn(self, compute: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        with self._next:
            self._turn.acquire()
        try:
            return compute()
        finally:
            self._turn.release()

    def _ready(self) -> "Encoder":
        if self._encoder is None:
            raise EmbedderNotReady(self.reason)
        return self._encoder


def known_part(tokens: Sequence[str], unknown: str | None) -> float:
    """Return the part of tokens, in [0, 1], that a model knows as words or pieces of words.

    Not those that its tokenizer does not know, nor those that continue a word by a single character: a model that
    has to spell a language was not trained on it. MiniLM on XQuAD's questions: English 0.99, German 0.89, Turkish
    0.74, Chinese 0.32, Greek 0.29, Arabic 0.24, Russian 0.23.
    """
    spelt = sum(token == unknown or (len(token) == 3 and token.startswith("##")) for token in tokens)
    return 1 - spelt / len(tokens) if tokens else 0.0


def short_name(identity: str) -> str:
    """Return the name in an identity, to be shown to people."""
    return identity.rpartition(" (")[0] or identity
