"""A search for each base, by the embedding model that its vectors are made with; by words alone where that is gone.

How passages are found, `search.py` knows; how models are kept, `embedders.py`.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from knowledge import catalog
from knowledge.base import EmbedderMismatch
from knowledge.embedders import Embedders, WordsOnly
from knowledge.embeddings import Embedding
from knowledge.index import Indexes
from knowledge.ranking import Mode
from knowledge.reranker import Reranking
from knowledge.search import Found, Search
from knowledge.store import Store


class Searches:
    """Searches the bases of a store; `share`: see `neighbours.merged`."""

    def __init__(
        self, store: Store, indexes: Indexes, embedders: Embedders, reranker: Reranking | None = None, share: float = 1.0
    ) -> None:
        self._store, self._indexes, self._embedders = store, indexes, embedders
        self._reranker, self._share = reranker, share

    def find(
        self, base: str, query: str, top_k: int, earlier: Sequence[str], documents: Collection[int] | None, mode: Mode
    ) -> Found:
        """Return what `Search.find` finds, by the model that the base is made with at this moment."""
        while True:
            made_by = self._made_by(base)
            search, by_words = self._search_of(base, made_by, mode)
            try:
                found = search.find(base, query, top_k, earlier, documents, mode)
            except EmbedderMismatch:
                if self._made_by(base) == made_by:
                    raise
                continue
            if self._made_by(base) == made_by:  # else it was rebuilt meanwhile: the question's vector is the old model's
                return replace(found, by_words=by_words)

    def _made_by(self, base: str) -> str | None:
        with self._store.read() as connection:
            return catalog.made_by(connection, catalog.base_id(connection, base))

    def _search_of(self, base: str, made_by: str | None, mode: Mode) -> tuple[Search, str]:
        """Return the search by the model that a base is made by; where that is gone, one by words, and why."""
        present = self._embedders.present
        if made_by is None:  # nothing is in it, which the search says
            return self._search_by(present), ""
        if (model := self._embedders.of(made_by)) is not None:
            return self._search_by(model), ""
        gone = catalog.mismatch(made_by, present.identity)
        if mode == "dense":
            raise gone
        with self._store.read() as connection:
            dimension = catalog.dimension(connection, catalog.base_id(connection, base))
        return self._search_by(WordsOnly(made_by, dimension)), str(gone)

    def _search_by(self, model: Embedding) -> Search:
        return Search(self._store, self._indexes, model, self._reranker, self._share)
