"""The embedding model and the library, shown to LangChain: for people who build chains over what is kept here.

Nothing of this program's own path uses it. Metadata are plain texts and numbers; nothing is revived from them.
"""

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field, SkipValidation

from knowledge.base import Passage
from knowledge.embeddings import Embedding
from knowledge.library import Library
from knowledge.search import LARGEST


class EmbedderEmbeddings(Embeddings):
    """A loaded embedding model as LangChain's `Embeddings`."""

    def __init__(self, embedder: Embedding) -> None:
        self._embedder = embedder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vector of each text, of length 1."""
        return [[float(value) for value in vector] for vector in self._embedder.encode(texts)]

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question, of length 1."""
        return [float(value) for value in self._embedder.encode_query(text)[0]]


class LibraryRetriever(BaseRetriever):
    """One knowledge base as LangChain's retriever; raises what `Library.search` raises."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    library: SkipValidation[Library]
    base: str = "default"
    top_k: int = Field(4, ge=1, le=LARGEST)

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return [as_document(passage) for passage in self.library.search(self.base, query, self.top_k)]


def as_document(passage: Passage) -> Document:
    """Return a passage as a LangChain document; what is not known of its place is left out of the metadata."""
    where = passage.locator
    place = {"page": where.page, "first_line": where.first_line, "last_line": where.last_line}
    metadata: dict[str, str | int | float] = {
        "source": passage.source.name,
        "base": passage.source.base,
        "document_id": passage.source.document_id,
        "headings": " > ".join(where.headings),
        "score": passage.score,
        **{key: value for key, value in place.items() if value is not None},
    }
    return Document(id=str(passage.chunk_id), page_content=passage.text, metadata=metadata)
