"""A reranker: a real cross-encoder, small and random, from a folder; and what cannot be one is refused with a sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from knowledge.base import RerankerUnusable
from knowledge.library import Library
from knowledge.reranker import Reranker
from tests.knowledge.conftest import finish
from tests.knowledge.stubs import StubEmbedder, read_text, settings

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] the blue whale weighs red fox sleeps lighthouse keeper counts ships . ?"


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT with one output and random weights."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "tiny-reranker"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS.split()))
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(3)
    config = BertConfig(vocab_size=len(WORDS.split()), max_position_embeddings=64, num_labels=1, **size)
    BertForSequenceClassification(config).save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)
    return folder


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    return shutil.copytree(checkpoint, tmp_path / "copy")


def test_it_scores_pairs_between_0_and_1_the_same_every_time(checkpoint: Path) -> None:
    reranker = Reranker(str(checkpoint))
    with pytest.raises(RerankerUnusable, match="not loaded yet"):
        reranker.scores("the whale?", ["x"])
    told: list[str] = []
    reranker.load(lambda what, part: told.append(what))
    texts = ["the blue whale weighs", "red fox sleeps", "ships " * 500]
    scores = reranker.scores("whale?", texts)
    assert told == ["loading the reranker tiny-reranker"]
    assert len(set(scores)) == 3 and all(0 < score < 1 for score in scores)
    assert reranker.scores("whale?", texts[:1]) == pytest.approx(scores[:1], abs=1e-5)


def test_a_search_is_ordered_by_it_and_tells_its_score_and_its_time(checkpoint: Path, tmp_path: Path) -> None:
    values = settings(tmp_path / "data").model_copy(update={"reranker_path": str(checkpoint)})
    library = Library(values, read=read_text, embedder=StubEmbedder())
    library.open()
    try:
        library.load(lambda what, part: None)
        for name in ("the blue whale", "red fox sleeps", "lighthouse keeper counts ships"):
            library.add("default", f"{name[:3]}.txt", f"{name} whale.".encode())
        assert {job.stage for job in finish(library)} == {"ready"}
        found = library.find("default", "whale", 3)
        by_words = library.find("default", "whale", 3, mode="lexical")
    finally:
        library.close()
    reranker = Reranker(str(checkpoint))
    reranker.load(lambda what, part: None)
    own = {p.text: reranker.scores("whale", [f"{p.source.name[:-4]}\n{p.text}"])[0] for p in found.passages}
    assert [p.text for p in found.passages] == sorted(own, key=lambda text: -own[text])
    assert [p.score for p in found.passages] == pytest.approx(sorted(own.values(), reverse=True), abs=1e-5)
    assert all(p.scores["rerank"] == p.score and p.scores["fused"] > 0 for p in found.passages)
    assert 0 < found.milliseconds["rerank"] <= found.milliseconds["search"]
    assert "rerank" not in by_words.milliseconds and "rerank" not in by_words.passages[0].scores


def change(**values: object) -> Callable[[Path], None]:
    def rewrite(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | values))

    return rewrite


def plant(folder: Path) -> None:
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense" / "pytorch_model.bin").write_bytes(b"\x80\x04.")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (shutil.rmtree, "there is no such folder"),
        (lambda folder: (folder / "config.json").unlink(), "config.json cannot be read"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json is no JSON"),
        (lambda folder: (folder / "config.json").write_text("[]"), "config.json holds no object"),
        (change(auto_map={"AutoModel": "code.Model"}), "names code to be run"),
        (change(architectures=["BertModel"]), "no model for sequence classification"),
        (change(id2label={"0": "no", "1": "yes"}), "one output"),
        (lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"), "no .safetensors weights"),
        (plant, r"2_Dense/pytorch_model.bin may be a pickle"),
    ],
)
def test_what_cannot_be_one_is_refused_before_anything_is_opened(
    copy: Path, tmp_path: Path, spoil: Callable[[Path], object], reason: str
) -> None:
    spoil(copy)
    library = Library(settings(tmp_path / "data").model_copy(update={"reranker_path": str(copy)}), embedder=StubEmbedder())
    with pytest.raises(RerankerUnusable, match=reason) as refused:
        library.open()
    assert str(copy) in str(refused.value) and "\n" not in str(refused.value)
    assert not (tmp_path / "data").exists()


def test_weights_that_are_broken_are_told_at_load(copy: Path) -> None:
    (copy / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(RerankerUnusable, match="cannot be used"):
        Reranker(str(copy)).load(lambda what, part: None)
