"""The embedding model with a memory on the disk, so that a second run over the same texts costs only the search."""

import sqlite3
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from knowledge.embeddings import Embedder, Vectors
from knowledge.model_folder import Report


class Kept:
    """The embedding model with a memory on the disk: the vectors of texts it has seen."""

    def __init__(self, path: Path) -> None:
        self._model = Embedder(None)
        self._rows = sqlite3.connect(path, isolation_level=None)
        self._rows.execute("CREATE TABLE IF NOT EXISTS vectors (text TEXT PRIMARY KEY, vector BLOB)")
        self.name = self._model.name

    @property
    def identity(self) -> str:
        """The model's."""
        return self._model.identity

    @property
    def dimension(self) -> int:
        """The model's."""
        return self._model.dimension

    @property
    def max_tokens(self) -> int:
        """The model's."""
        return self._model.max_tokens

    def load(self, report: Report) -> None:
        """Load the model."""
        self._model.load(report)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has."""
        return self._model.count(texts)

    def ends(self, text: str) -> list[int]:
        """Return where each token ends."""
        return self._model.ends(text)

    def familiar(self, text: str) -> float:
        """Return how well the model knows the words of a text."""
        return self._model.familiar(text)

    def encode(self, texts: Sequence[str], step: Callable[[int], None] = lambda done: None) -> Vectors:
        """Return the vectors of texts, of which those not seen before cost time."""
        missing = [text for text in dict.fromkeys(texts) if self._row(text) is None]
        for start in range(0, len(missing), 256):
            some = missing[start : start + 256]
            self.keep(some, self._model.encode(some))
        found = [self._row(text) for text in texts]
        return np.vstack([np.frombuffer(row, dtype=np.float32) for row in found if row is not None])

    def encode_query(self, text: str) -> Vectors:
        """Return the vector of a question; MiniLM has no prompts, so it is that of a text."""
        return self.encode([text])

    def keep(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Keep the vectors of texts."""
        rows = [(_print(text), vector.astype(np.float32).tobytes()) for text, vector in zip(texts, vectors, strict=True)]
        self._rows.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

    def _row(self, text: str) -> bytes | None:
        row = self._rows.execute("SELECT vector FROM vectors WHERE text = ?", (_print(text),)).fetchone()
        return row[0] if row else None


def _print(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
