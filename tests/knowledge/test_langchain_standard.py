"""LangChain's own suite for vector stores, where `langchain-tests` is installed (it brings pytest plugins: in no extra)."""

import pytest

from knowledge.langchain_store import LibraryVectorStore
from tests.knowledge.conftest import Make
from tests.knowledge.stubs import StubEmbedder

suite = pytest.importorskip("langchain_tests.integration_tests.vectorstores", reason="langchain-tests is not installed")


class TestStandard(suite.VectorStoreIntegrationTests):  # type: ignore[misc, name-defined]
    """The library embeds by its own model, so what the suite gives for embeddings is not used."""

    @pytest.fixture
    def vectorstore(self, make: Make) -> LibraryVectorStore:
        return LibraryVectorStore(make(embedder=StubEmbedder()))
