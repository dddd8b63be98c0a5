"""A fast embedding model and a reader for the tests of this folder, and of the processes they start."""

import contextlib
import re
import sqlite3
import threading
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from knowledge.base import Locator, UnreadableFile
from knowledge.embeddings import Vectors
from knowledge.loaders.base import Block, Extract, PageReport
from knowledge.model_folder import Report
from knowledge.schema import STEPS
from knowledge.settings import KnowledgeSettings

WORD = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+|[^\w\s]")
BATCH = 4


def _views(version: int) -> str:
    """Return the statements that make the views of a schema."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript("".join(STEPS[:version]))
        rows = connection.execute(
            "SELECT sql FROM sqlite_master WHERE type = 'view' AND name IN ('document_rows', 'passage_rows')"
        )
        return ";".join(sql for (sql,) in rows) + ";"


BACK_TO_FOUR = (
    "DROP VIEW document_rows; DROP VIEW passage_rows; DROP INDEX chunks_switched_off;"
    f"ALTER TABLE chunks DROP COLUMN switched_off;{_views(4)}PRAGMA user_version=4;"
)
"""Makes a database of schema 5 or 6 one of schema 4."""

BACK_TO_THREE = BACK_TO_FOUR + (
    "DROP TABLE next_vectors; ALTER TABLE bases DROP COLUMN embedder_path; ALTER TABLE bases DROP COLUMN next_embedder;"
    "PRAGMA user_version=3;"
)
"""Makes a database of schema 5 or 6 one of schema 3."""


class StubEmbedder:
    """Vectors from hashed words: texts that share words are near. Tokens are words, Han characters and marks."""

    def __init__(self, name: str = "stub", dimension: int = 256, max_tokens: int = 60) -> None:
        self.name = name
        self.dimension = dimension
        self.max_tokens = max_tokens
        self.gate: threading.Event | None = None

    @property
    def identity(self) -> str:
        return f"{self.name} ({self.dimension})"

    def load(self, report: Report) -> None:
        report("loading the stub", 0.5)

    def count(self, texts: Sequence[str]) -> list[int]:
        return [len(WORD.findall(text)) for text in texts]

    def ends(self, text: str) -> list[int]:
        return [match.end() for match in WORD.finditer(text)]

    def encode(self, texts: Sequence[str], step: Callable[[int], None] = lambda done: None) -> Vectors:
        for done in range(BATCH, len(texts) + BATCH, BATCH):
            if self.gate is not None:
                self.gate.wait(10)
            step(min(done, len(texts)))
        return np.vstack([self._vector(text) for text in texts])

    def encode_query(self, text: str) -> Vectors:
        return self._vector(text)[None, :]

    def familiar(self, text: str) -> float:
        return 1.0

    def _vector(self, text: str) -> Vectors:
        vector = np.full(self.dimension, 0.01, dtype=np.float32)
        for word in WORD.findall(text.casefold()):
            vector[zlib.crc32(word.encode()) % self.dimension] += 1
        return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def read_text(path: Path, name: str, settings: KnowledgeSettings, report: PageReport, cancelled: threading.Event) -> Extract:
    """Read paragraphs; `BROKEN` at its beginning is a broken file, `CRASH` a bug, `SLOW` waits to be cancelled."""
    text = path.read_bytes().decode("utf-8", "replace")
    if text.startswith("BROKEN"):
        raise UnreadableFile("broken", "the file is broken")
    if text.startswith("CRASH"):
        raise RuntimeError("a bug")
    if text.startswith("SLOW"):
        report(74, 120)
        cancelled.wait(20)
        raise RuntimeError("told to stop")
    report(1, 1)
    return Extract(tuple(Block(part, Locator()) for part in text.split("\n\n") if part.strip()), pages=1)


def settings(folder: Path, **values: int) -> KnowledgeSettings:
    return KnowledgeSettings(data_dir=folder, min_free_disk=values.pop("min_free_disk", 0), **values)


def story(word: str, passages: int = 6) -> bytes:
    """Return a document whose every passage holds `word`; long enough for `passages` chunks of the stub's size."""
    return "\n\n".join(
        f"{word} part{i} " + " ".join(f"{word} {word}{i}x{k}" for k in range(20)) for i in range(passages)
    ).encode()
