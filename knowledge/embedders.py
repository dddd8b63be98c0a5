"""The embedding model of the server, and those that older bases were made with, by the identity of their vectors.

A base whose model is gone can still be searched by words: `WordsOnly` stands in its place. How vectors are made and
compared, it does not know.
"""

import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from knowledge import encoders
from knowledge.base import EmbedderNotReady
from knowledge.embeddings import Embedder, Embedding, Vectors, short_name
from knowledge.model_folder import DOWNLOADED, PACKAGED, Report, is_hub_id
from knowledge.vector_rows import Made

if TYPE_CHECKING:
    from knowledge.settings import Engine

log = logging.getLogger(__name__)

At = Callable[[str | None], Embedding]
"""Makes the model of a folder or hub id, None: the packaged one; loads nothing yet."""


def computed_by(engine: "Engine") -> At:
    """Return what makes models that `engine` computes, where it can."""
    return partial(Embedder, encoder_of=partial(encoders.for_documents, engine=engine))


def for_a_question(path: str | None) -> Embedder:
    """Return the model of a folder or hub id for a program that asks once and ends: without torch, if it can be."""
    return Embedder(path, encoders.for_a_question)


class Embedders:
    """The present model, whose `path` is as the settings give it, and older ones that are still there."""

    def __init__(self, present: Embedding, path: str | None, at: At = Embedder) -> None:
        self.present = present
        self._at = at
        self._path = "" if path is None else str(Path(path).expanduser().resolve()) if Path(path).exists() else path
        self._older: dict[str, Embedding] = {}

    def of(self, identity: str) -> Embedding | None:
        """Return the model of vectors of this identity, loaded; None when there is none."""
        return self.present if identity == self.present.identity else self._older.get(identity)

    def path_of(self, identity: str) -> str | None:
        """Return where the present model was loaded from, as `vector_rows` keeps it; None for any other."""
        return self._path if identity == self.present.identity else None

    def take_up(self, bases: Iterable[Made], report: Report) -> None:
        """Load the models of those bases that another one than the present made; let the others go."""
        wanted = {made.embedder: made for made in bases if made.embedder != self.present.identity}
        self.keep(wanted.values())
        for identity, made in wanted.items():
            if identity not in self._older and (found := self._loaded(identity, made.path, report)) is not None:
                self._older[identity] = found

    def keep(self, bases: Iterable[Made]) -> None:
        """Let those models go that none of these bases is made by."""
        wanted = {made.embedder for made in bases}
        self._older = {identity: model for identity, model in self._older.items() if identity in wanted}

    def _loaded(self, identity: str, path: str | None, report: Report) -> Embedding | None:
        name = short_name(identity)
        where = _place(name, path)
        if where is None and name != PACKAGED:
            return None
        try:
            model = self._at(where)
            model.name = name
            model.load(report)
        except EmbedderNotReady as error:
            log.warning("the knowledge bases made with %s are searched by words only until they are rebuilt: %s", name, error)
            return None
        return model if model.identity == identity else None  # another one lies there now


def _place(name: str, path: str | None) -> str | None:
    """Return the folder of an older model, without using the network; None: there is none, or it is the packaged one."""
    if path == "" or (name == PACKAGED and path is None):
        return None
    given = path or name
    if Path(given).is_dir():
        return given
    if is_hub_id(given):
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        with contextlib.suppress(LocalEntryNotFoundError, ValueError):
            return str(snapshot_download(given, allow_patterns=DOWNLOADED, local_files_only=True))
    return None


class WordsOnly:
    """In place of a model that is gone: knows no word, so that a search goes by the words of the passages alone."""

    max_tokens = 1

    def __init__(self, identity: str, dimension: int) -> None:
        self.name = short_name(identity)
        self.identity = identity
        self.dimension = dimension

    def load(self, report: Report) -> None:
        """There is nothing to load."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """Nothing is embedded, so nothing is counted."""
        return [0 for _ in texts]

    def ends(self, text: str) -> list[int]:
        """Nothing is cut."""
        return []

    def encode(self, texts: Sequence[str], step: Callable[[int], None] = lambda done: None) -> Vectors:
        """Raise `EmbedderNotReady`: a document cannot be embedded by a model that is gone."""
        raise EmbedderNotReady(f"the embedding model {self.name} is not there any more")

    def encode_query(self, text: str) -> Vectors:
        """Return a vector that says nothing, shape (1, dimension)."""
        return np.full((1, self.dimension), self.dimension**-0.5, dtype=np.float32)

    def familiar(self, text: str) -> float:
        """Return 0: what the vector is worth."""
        return 0.0
