"""What a file becomes: limits of text and passages, and an embedding model that gives what are no vectors."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from knowledge.embeddings import Vectors
from tests.knowledge.conftest import Make, finish
from tests.knowledge.stubs import StubEmbedder, story


def test_a_text_over_the_limit_is_refused(make: Make) -> None:
    library = make(max_characters=1000)
    library.add("default", "long.txt", b"word " * 1000)
    assert (finish(library)[0].code, "--max-characters" in finish(library)[0].detail) == ("too_large", True)


def test_a_file_of_too_many_passages_is_refused(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.pipeline.MOST_OF_DOCUMENT", 8)
    library = make()
    library.add("default", "long.txt", story("apple", 9))
    library.add("default", "short.txt", story("apple", 8))
    failed, ready = finish(library)
    assert (failed.code, failed.detail) == ("too_large", "the file makes 9 passages, and 8 are allowed: split it")
    assert ready.stage == "ready"


def test_a_base_of_too_many_passages_is_refused_and_a_replacement_is_not_counted_twice(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knowledge.pipeline.MOST_OF_BASE", 10)
    library = make()
    library.add("default", "a.txt", story("apple", 6))
    library.add("default", "b.txt", story("pear", 5))
    library.add("default", "a.txt", story("plum", 10))
    assert [(j.stage, j.code) for j in finish(library)] == [("ready", ""), ("failed", "too_large"), ("ready", "")]
    assert "would hold 11 passages, and 10 are allowed" in library.jobs("default")[1].detail


def bad(kind: str) -> Callable[[Sequence[str]], Vectors]:
    def encode(texts: Sequence[str]) -> Vectors:
        if kind == "raises":
            raise RuntimeError("CUDA error")
        shape = (len(texts) + (kind == "count"), 256 + (kind == "dimension"))
        return np.full(shape, {"nan": np.nan, "zero": 0.0}.get(kind, 1.0), dtype=np.float32)

    return encode


@pytest.mark.parametrize("kind", ["raises", "nan", "zero", "count", "dimension"])
def test_an_embedder_that_talks_nonsense_changes_nothing(make: Make, kind: str) -> None:
    class Bad(StubEmbedder):
        def encode(self, texts: Sequence[str], step: Callable[[int], None] = lambda done: None) -> Vectors:
            return super().encode(texts, step) if "fine" in texts[0] else bad(kind)(texts)

    library = make(embedder=Bad())
    library.add("default", "fine.txt", b"fine text")
    library.add("default", "poison.txt", b"poison")
    library.add("default", "other.txt", b"fine again")
    assert [j.stage for j in finish(library)] == ["ready", "failed", "ready"]
    assert library.jobs("default")[1].detail
    assert {p.source.name for p in library.search("default", "fine", 5)} == {"fine.txt", "other.txt"}
