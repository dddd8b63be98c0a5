"""Search: the nearest first, no text twice, errors that say what to do."""

from collections.abc import Callable
from typing import Any

import pytest

from knowledge.attribute_filter import condition
from knowledge.base import EmbedderMismatch, EmbedderNotReady, EmptyBase, UnknownBase
from knowledge.embeddings import Embedder
from knowledge.file_base import Wish
from knowledge.library import Library
from knowledge.search import LARGEST
from tests.knowledge.conftest import Make, finish
from tests.knowledge.stubs import StubEmbedder, read_text, settings, story


def put(library: Library, base: str = "default", **documents: bytes | str) -> None:
    for name, data in documents.items():
        library.add(base, f"{name}.txt", data if isinstance(data, bytes) else data.encode())
    assert {job.stage for job in finish(library, base)} <= {"ready", "skipped"}


def test_the_nearest_passages_come_first_with_scores_between_0_and_1(library: Library) -> None:
    put(library, apples=story("apple", 12), pears=story("pear", 12))
    found = library.search("default", "apple part2", 4)
    names = [passage.source.name for passage in found]
    assert names == sorted(names) and names.count("apples.txt") >= 2
    assert "part2" in found[0].text
    assert 1 >= found[0].score >= found[1].score >= found[-1].score >= 0
    assert set(found[0].scores) == {"dense", "lexical", "fused"} and found[0].scores["fused"] <= found[0].score
    assert found[0].tokens > 0 and found[0].chunk_id > 0


def test_the_same_text_is_given_once_however_it_is_spaced(library: Library) -> None:
    put(
        library,
        a="The lighthouse keeper counts ships.",
        b="the  lighthouse keeper\ncounts ships!",
        c="The lighthouse is old.",
    )
    found = library.search("default", "lighthouse keeper counts ships", 5)
    assert len(found) == 2


def test_rows_that_differ_in_a_digit_are_both_given(library: Library) -> None:
    put(library, a="Revenue in 2023 was 1.", b="Revenue in 2024 was 1.")
    assert len(library.search("default", "revenue", 5)) == 2


def test_a_base_full_of_repetitions_still_gives_what_is_different(library: Library) -> None:
    put(library, **{f"copy{i}": "Alpha beta gamma." for i in range(60)}, other="Alpha beta delta epsilon zeta.")
    assert {passage.text for passage in library.search("default", "Alpha beta gamma", 3)} == {
        "Alpha beta gamma.",
        "Alpha beta delta epsilon zeta.",
    }


def test_no_more_than_asked_and_never_more_than_the_limit(library: Library) -> None:
    put(library, big=story("word", 320))
    assert len(library.search("default", "word", 3)) == 3
    assert len(library.search("default", "word", 10_000)) == LARGEST
    assert library.search("default", "word", 0) == []
    assert library.search("default", " \n", 3) == []


def test_a_misspelt_word_is_read_as_the_one_it_is_a_slip_away_from(library: Library) -> None:
    put(library, a="The keeper of the lighthouse.", b="The survival of the fittest.", c="A shelf of books.")
    assert library.search("default", "survivial", 3)[0].source.name == "b.txt"
    told = [library.find("default", query, 3).evidence for query in ("survival", "survivial", "submarine")]
    assert told[0] >= told[1] > told[2]


def test_bases_do_not_see_each_other(library: Library) -> None:
    library.create("other")
    put(library, apples=story("apple"))
    put(library, "other", pears=story("pear"))
    assert {passage.source.base for passage in library.search("other", "apple", 9)} == {"other"}


def test_an_empty_base_and_an_unknown_one_are_told_apart(library: Library) -> None:
    with pytest.raises(EmptyBase, match="nothing has been added"):
        library.search("default", "x", 3)
    with pytest.raises(UnknownBase):
        library.search("nope", "x", 3)


def test_while_the_model_loads_it_says_so(make: Make) -> None:
    library = make(load=False)
    with pytest.raises(EmbedderNotReady, match="not loaded yet"):
        library.search("default", "x", 3)


def test_a_model_that_cannot_be_loaded_is_the_state(make: Make, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("other")
    library = Library(settings(folder), embedder=Embedder(str(folder / "nope")))
    library.open()
    with pytest.raises(EmbedderNotReady):
        library.load(lambda what, part: None)
    assert not library.ready and "no such directory" in library.state
    with pytest.raises(EmbedderNotReady, match="no such directory"):
        library.search("default", "x", 3)
    library.close()


@pytest.mark.parametrize("other", [lambda: StubEmbedder("new"), lambda: StubEmbedder("stub", dimension=48)])
def test_another_model_than_the_bases_is_named_with_what_to_do(make: Make, other: Callable[[], StubEmbedder]) -> None:
    first = make()
    put(first, apples=story("apple"), pears=story("pear"))
    first.close()
    second = make(embedder=other())
    assert [base.outdated for base in second.bases()] == [True]
    with pytest.raises(EmbedderMismatch, match=r"made with .* stub.* now uses .*rebuild the knowledge base"):
        second.search("default", "apple", 3, mode="dense")
    job = second.add("default", "new.txt", story("new"))
    failed = next(found for found in finish(second) if found.id == job.id)
    assert (failed.stage, failed.code) == ("failed", "embedder_mismatch")
    second.dismiss("default")
    second.remove("default", "apples.txt")
    second.remove("default", "pears.txt")
    put(second, apples=story("apple"))
    assert second.search("default", "apple", 1) and not second.bases()[0].outdated


def test_the_real_model_finds_the_answer_to_a_question(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> None:
    library = Library(settings(tmp_path_factory.mktemp("real")), read=read_text, embedder=embedder)
    library.open()
    library.load(lambda what, part: None)
    put(
        library,
        trees="The oak sheds its leaves in autumn.\n\nPines keep their needles.",
        money="The bank raised its rates.",
    )
    found = library.search("default", "Which tree loses its foliage when summer is over?", 2)
    assert found[0].source.name == "trees.txt" and "oak" in found[0].text
    library.close()


def test_only_documents_whose_attributes_are_wanted_are_found(library: Library) -> None:
    for name, year in (("old", 2020.0), ("new", 2025.0)):
        file = library.files.upload(f"{name}.txt", (f"The {name} lighthouse counts ships.".encode(),), "assistants")
        library.files.put("default", [Wish(file.id, {"year": year})])
    put(library, bare="The bare lighthouse counts ships.")
    since = condition({"type": "gte", "key": "year", "value": 2024})

    def names(**more: Any) -> set[str]:
        return {passage.source.name for passage in library.search("default", "lighthouse ships", 9, **more)}

    assert names() == {"old.txt", "new.txt", "bare.txt"}
    assert names(where=since) == {"new.txt"}
    ids = {document.name: document.id for document in library.documents("default")}
    assert names(where=since, documents=[ids["old.txt"], ids["new.txt"]]) == {"new.txt"}
    assert names(where=since, documents=[ids["old.txt"]]) == set()
    assert names(where=condition({"type": "eq", "key": "year", "value": 1})) == set()


def test_the_evidence_tells_a_question_about_something_else(library: Library) -> None:
    put(library, a="The lighthouse keeper counts ships.", b="Foxes sleep by day.")
    own = library.find("default", "Who counts the ships?", 2)
    other = library.find("default", "When was the steam engine invented?", 2)
    assert 1 >= own.evidence > 0.5 > 0.2 > other.evidence >= 0
    assert own.milliseconds["search"] > 0 and "rerank" not in own.milliseconds
    assert library.find("default", " ", 2).evidence == 0
