"""Texts into vectors, by a sentence-transformers model; the only module that knows that library and torch.

Nothing heavy is imported before `load`. Vectors are float32, of length 1, so their inner product is the cosine. The
model works in bfloat16 where the CPU multiplies it natively (with all-MiniLM-L6-v2, 256 tokens a text: AMD with
AVX512-BF16 1.9 times the speed of float32, Intel with AMX 3.2 times; cosine to float32 at least 0.9999), and on a GPU.
What a document is, this module does not know.
"""

import contextlib
import copy
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from knowledge import model_folder
from knowledge.base import EmbedderNotReady, KnowledgeError
from knowledge.chunking import Tokens
from knowledge.model_folder import Report

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Vectors = npt.NDArray[np.float32]

CPU_BATCH = 8 * 256
"""Tokens at once, padding counted: 8 passages of the usual length are as fast as 32, and whoever waits is not held up."""
GPU_BATCH = 64 * 256
ALIKE = 0.8
"""The shortest text of a batch has this part of the longest one's tokens at least: what is padded is computed too."""
SHORT = 16
"""Texts of so few tokens may be together all the same: they cost little, and batches of one cost more."""


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


def batches(counts: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Yield the places of texts of so many tokens, the shortest first, in batches of like lengths and `limit` tokens."""
    batch: list[int] = []
    for place in sorted(range(len(counts)), key=lambda place: counts[place]):
        longest = max(1, counts[place])
        alike = not batch or counts[batch[0]] >= ALIKE * longest or longest <= SHORT
        if batch and (not alike or (len(batch) + 1) * longest > limit):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _ignore(done: int) -> None:
    """Take no notice of progress."""


class Embedder:
    """An embedding model from a directory or, by its id, from the hub; `path` None: the packaged MiniLM (English)."""

    def __init__(self, path: str | None) -> None:
        self.name = model_folder.name_of(path)
        self.reason = "the embedding model is not loaded yet"
        self._path = path
        self._model: Any = None
        self._tokenizer: Tokenizer
        self._identity = ""
        self._dimension = 0
        self._max_tokens = 0
        self._batch = CPU_BATCH
        self._unknown: str | None = None
        # A question never waits for a document: it has a copy of the model with the same weights (a batch of a document
        # takes 0.1 CPU seconds, a question 0.01). Two of a kind wait, for a tokenizer cannot serve two threads.
        self._asking: Any = None
        self._questions = threading.Lock()
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
        self._ready()
        return self._dimension

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that are read, less special tokens and the model's prompt; raises `EmbedderNotReady`."""
        self._ready()
        return self._max_tokens

    def load(self, report: Report) -> None:
        """Import the library and load the model; blocks for seconds. Raises `EmbedderNotReady` with the reason."""
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
        import torch
        from sentence_transformers import SentenceTransformer
        from tokenizers import Tokenizer

        report(f"loading the embedding model {self.name}", None)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        abilities = torch.cpu.get_capabilities()
        half = device == "cuda" or abilities.get("amx_bf16") or abilities.get("avx512_bf16")
        with no_bars():
            model: Any = SentenceTransformer(
                str(folder),
                device=device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True, "dtype": torch.bfloat16 if half else torch.float32},
            )
        if half:
            model.to(torch.bfloat16)  # also the modules behind the transformer, or their input would not fit them
        # The model's own tokenizer truncates, pads, and cannot serve two threads: counting has its own copy.
        tokenizer: Tokenizer = Tokenizer.from_str(model.tokenizer.backend_tokenizer.to_str())
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._unknown = model.tokenizer.unk_token
        self._batch = GPU_BATCH if device == "cuda" else CPU_BATCH
        self._dimension = int(model.get_embedding_dimension())
        prompts = [len(tokenizer.encode(text or "", add_special_tokens=False)) for text in model.prompts.values()]
        special = tokenizer.num_special_tokens_to_add(False)
        self._max_tokens = int(model.max_seq_length or 512) - special - max(prompts, default=0)
        self._identity = model_folder.identity(self.name, self._dimension, folder)
        report(f"trying the embedding model {self.name}", None)
        checked(np.asarray(model.encode(["ready"], show_progress_bar=False)), 1, self._dimension)
        self._asking = copy.deepcopy(model, {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())})
        self._model = model

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has, without special ones; raises `EmbedderNotReady`."""
        self._ready()
        return [len(e) for e in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def ends(self, text: str) -> list[int]:
        """Return the character offset at which each token ends; raises `EmbedderNotReady`."""
        self._ready()
        return [end for _, end in self._tokenizer.encode(text, add_special_tokens=False).offsets]

    def familiar(self, text: str) -> float:
        """Return what `known_part` says of a text's tokens; raises `EmbedderNotReady`."""
        self._ready()
        return known_part(self._tokenizer.encode(text, add_special_tokens=False).tokens, self._unknown)

    def encode(self, texts: Sequence[str], step: Callable[[int], None] = _ignore) -> Vectors:
        """Return the vectors of texts of documents, shape (n, dimension).

        `step` is told after each batch how many are done; it may raise to stop. Raises `EmbedderNotReady`, and
        `KnowledgeError` for a vector that is not finite or has no length.
        """
        self._ready()
        vectors = np.empty((len(texts), self._dimension), dtype=np.float32)
        done = 0
        for batch in batches(self.count(texts), self._batch):
            vectors[batch] = self._encode([texts[i] for i in batch], self._model.encode_document)
            done += len(batch)
            step(done)
        return vectors

    def encode_query(self, text: str) -> Vectors:
        """Return the vector of a question, shape (1, dimension); of its beginning, where the model cannot read it all.

        Raises `EmbedderNotReady` or `KnowledgeError`, as `encode`.
        """
        self._ready()
        with self._questions:
            return self._encoded([text], self._asking.encode_query)

    def _encode(self, texts: list[str], encode: Any) -> Vectors:
        with self._next:
            self._turn.acquire()
        try:
            return self._encoded(texts, encode)
        finally:
            self._turn.release()

    def _encoded(self, texts: list[str], encode: Any) -> Vectors:
        found = encode(texts, batch_size=len(texts), show_progress_bar=False, convert_to_numpy=True)
        return checked(np.asarray(found), len(texts), self._dimension)

    def _ready(self) -> None:
        if self._model is None:
            raise EmbedderNotReady(self.reason)


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


@contextlib.contextmanager
def no_bars() -> Iterator[None]:
    """Let transformers draw no progress bar meanwhile: `report` tells the progress."""
    from transformers.utils import logging

    before = logging.set_tqdm_hook(lambda bar, values, options: bar(*values, **{**options, "disable": True}))
    try:
        yield
    finally:
        logging.set_tqdm_hook(before)
