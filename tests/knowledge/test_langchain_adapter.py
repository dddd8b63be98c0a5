"""What LangChain sees of the library."""

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from knowledge.base import EmptyBase, Locator, Passage, Source
from knowledge.langchain_adapter import EmbedderEmbeddings, LibraryRetriever, as_document
from knowledge.library import Library
from tests.knowledge.conftest import finish
from tests.knowledge.stubs import StubEmbedder, story


def test_the_retriever_returns_documents_with_where_they_are_from(library: Library) -> None:
    library.add("default", "apples.txt", story("apple"))
    finish(library)
    found = LibraryRetriever(library=library, top_k=2).invoke("apple part2")
    assert len(found) == 2 and all(isinstance(document, Document) for document in found)
    assert found[0].metadata["source"] == "apples.txt" and found[0].metadata["base"] == "default"
    assert found[0].page_content == library.search("default", "apple part2", 1)[0].text


def test_it_raises_what_the_library_raises(library: Library) -> None:
    with pytest.raises(EmptyBase):
        LibraryRetriever(library=library).invoke("x")


def test_metadata_are_plain_and_text_is_verbatim() -> None:
    text = '{"lc": 1, "type": "secret", "id": ["HOME"]}'
    document = as_document(Passage(7, text, Source("b", 3, "n.pdf"), Locator(page=4, headings=("A", "B")), 0.5))
    assert document.page_content == text and document.id == "7"
    assert document.metadata == {
        "source": "n.pdf",
        "base": "b",
        "document_id": 3,
        "headings": "A > B",
        "score": 0.5,
        "page": 4,
    }


def test_the_embedder_is_langchains_embeddings() -> None:
    stub = StubEmbedder()
    embeddings: Embeddings = EmbedderEmbeddings(stub)
    assert np.allclose(embeddings.embed_documents(["a b", "c"]), stub.encode(["a b", "c"]))
    assert np.allclose(embeddings.embed_query("a b"), stub.encode_query("a b")[0])
    assert type(embeddings.embed_query("a")[0]) is float
