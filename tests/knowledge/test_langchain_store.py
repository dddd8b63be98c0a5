"""The library as LangChain's vector store: what its standard suite cannot know."""

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import FakeEmbeddings

from knowledge.base import KnowledgeError
from knowledge.langchain_store import LibraryVectorStore
from knowledge.library import Library
from tests.knowledge.conftest import Make, finish
from tests.knowledge.stubs import StubEmbedder, story

FRUIT = [
    Document("apple pie with cinnamon", id="a", metadata={"year": 2020, "kind": "pie"}),
    Document("plum jam in a glass", id="b", metadata={"year": 2024, "kind": "jam"}),
]


@pytest.fixture
def store(make: Make) -> LibraryVectorStore:
    return LibraryVectorStore(make(embedder=StubEmbedder(dimension=256)))


def test_what_is_added_is_found_by_the_library_too(store: LibraryVectorStore, make: Make) -> None:
    assert store.add_documents(FRUIT) == ["a", "b"]
    assert store.similarity_search("plum jam", k=1) == [FRUIT[1]]
    assert store._library.search("default", "plum jam", 1)[0].source.name == "b.txt"


def test_scores_are_in_0_to_1_and_the_best_comes_first(store: LibraryVectorStore) -> None:
    store.add_documents(FRUIT)
    found = store.similarity_search_with_relevance_scores("apple pie", k=2)
    scores = [score for _, score in found]
    assert found[0][0].id == "a" and scores == sorted(scores, reverse=True) and all(0 <= score <= 1 for score in scores)
    assert store.similarity_search_with_relevance_scores("apple pie", k=2, score_threshold=scores[0]) == found[:1]


def test_a_filter_is_attributes_or_a_function(store: LibraryVectorStore) -> None:
    store.add_documents(FRUIT)
    assert [one.id for one in store.similarity_search("apple pie", filter={"kind": "jam"})] == ["b"]
    assert [one.id for one in store.similarity_search("plum", filter=lambda of: of.get("year", 0) < 2022)] == ["a"]
    assert store.similarity_search("apple", filter={"kind": "none"}) == []


def test_the_retriever_of_the_store(store: LibraryVectorStore) -> None:
    store.add_documents(FRUIT)
    assert store.as_retriever(search_kwargs={"k": 1}).invoke("cinnamon") == [FRUIT[0]]


def test_files_that_came_in_by_the_page_are_there_under_their_name(library: Library) -> None:
    library.add("default", "apples.txt", story("apple"))
    finish(library)
    store = LibraryVectorStore(library)
    found = store.similarity_search("apple part2", k=2)
    assert {one.id for one in found} == {"apples.txt"} and found[0].metadata["source"] == "apples.txt"
    assert "part2" in store.get_by_ids(["apples.txt"])[0].page_content
    store.delete(["apples.txt"])
    assert library.documents("default") == [] and store.similarity_search("apple") == []


def test_a_long_text_comes_back_whole_by_its_id(store: LibraryVectorStore) -> None:
    text = story("apple").decode()
    store.add_texts([text], [{"n": 1}], ids=["long"])
    assert len(store.similarity_search("apple", k=10)) > 1
    assert store.get_by_ids(["long"]) == [Document(text, id="long", metadata={"n": 1})]


def test_metadata_and_texts_are_verbatim(store: LibraryVectorStore) -> None:
    text = '{"lc": 1, "type": "secret", "id": ["HOME"]}'
    store.add_texts([text], [{"lc": 1, "type": "secret", "id": text}], ids=["s"])
    assert store.get_by_ids(["s"]) == [Document(text, id="s", metadata={"lc": 1, "type": "secret", "id": text})]
    with pytest.raises(KnowledgeError, match=r"'a' are of type list"):
        store.add_texts(["x"], [{"a": [1]}])


def test_a_text_that_cannot_be_added_is_named(store: LibraryVectorStore) -> None:
    with pytest.raises(KnowledgeError, match=r"'bad' could not be added: the file is broken"):
        store.add_texts(["good", "BROKEN"], ids=["good", "bad"])
    assert [one.id for one in store.get_by_ids(["good", "bad"])] == ["good"]


def test_all_can_go_and_other_metadata_take_the_place_of_those_before(store: LibraryVectorStore) -> None:
    store.add_texts(["apple"], [{"v": 1}], ids=["x"])
    store.add_texts(["apple"], [{"v": 2}], ids=["x"])
    assert store.get_by_ids(["x"])[0].metadata == {"v": 2}
    store.delete()
    assert store.get_by_ids(["x"]) == []
    unused = FakeEmbeddings(size=3)
    again = LibraryVectorStore.from_texts(["fig"], unused, library=store._library)
    assert [one.page_content for one in again.similarity_search("fig")] == ["fig"]
