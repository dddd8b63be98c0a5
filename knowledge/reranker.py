"""A model that reads question and passage together and says how well they fit: a cross-encoder, from a folder.

Better than comparing vectors and far slower, so it only orders what the search has found. Loaded by sentence-transformers,
offline, from safetensors only, and without code from the folder. What is searched and how, it does not know.
"""

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from knowledge.base import RerankerUnusable
from knowledge.model_folder import Report
from knowledge.progress_bars import no_bars

CPU_BATCH = 8
GPU_BATCH = 32
LONGEST = 512
"""Tokens of question and passage together that are read; what is longer is cut off by the model's tokenizer."""

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
"""Weights of modules in folders of their own, which the library would load although it was told to take safetensors."""


class Reranking(Protocol):
    """What a search needs of a reranker."""

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return how well each text answers the question, in [0, 1]."""


class Reranker:
    """A cross-encoder with one output; `check`, then `load`, then `scores` from any thread, one search at a time."""

    def __init__(self, path: str) -> None:
        self._folder = Path(path).expanduser()
        self._model: Any = None
        self._batch = CPU_BATCH
        self._turn = threading.Lock()

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self._folder.resolve().name

    def check(self) -> None:
        """Raise `RerankerUnusable` for what can be known to be wrong without loading anything."""
        if not self._folder.is_dir():
            raise self._unusable("there is no such folder")
        config = self._config()
        if "auto_map" in config:
            raise self._unusable("config.json names code to be run (auto_map), which is never done")
        kinds = config.get("architectures")
        if not isinstance(kinds, list) or not any(str(kind).endswith("ForSequenceClassification") for kind in kinds):
            raise self._unusable("config.json names no model for sequence classification, which a cross-encoder is")
        labels = config.get("id2label")
        if not isinstance(labels, dict) or len(labels) != 1:
            raise self._unusable("it does not have one output (id2label in config.json), so it cannot order passages")
        if not any(self._folder.glob("*.safetensors")):
            raise self._unusable("there are no .safetensors weights in it")
        pickled = [file for file in self._folder.glob("*/*") if file.suffix in PICKLES]
        if pickled:
            raise self._unusable(f"{pickled[0].relative_to(self._folder)} may be a pickle, which can run code")

    def load(self, report: Report) -> None:
        """Import the library and load the model; blocks for seconds. Raises `RerankerUnusable` with the reason."""
        self.check()
        report(f"loading the reranker {self.name}", None)
        try:
            self._load()
            self._scores("ready", ["ready"])
        except Exception as error:  # whatever the library raises, the person needs to know which folder and why
            self._model = None
            raise self._unusable(" ".join(str(error).split()) or type(error).__name__) from error

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return how well each text answers the question, in [0, 1]; raises `RerankerUnusable` before `load`."""
        if self._model is None:
            raise self._unusable("it is not loaded yet")
        with self._turn:
            return self._scores(question, texts)

    def _load(self) -> None:
        import torch
        from sentence_transformers import CrossEncoder

        device = "cuda" if torch.cuda.is_available() else "cpu"
        self._batch = GPU_BATCH if device == "cuda" else CPU_BATCH
        with no_bars():
            model: Any = CrossEncoder(
                str(self._folder),
                device=device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
                activation_fn=torch.nn.Sigmoid(),
            )
        model.max_seq_length = min(model.max_seq_length or LONGEST, LONGEST)
        self._model = model

    def _scores(self, question: str, texts: Sequence[str]) -> list[float]:
        pairs = [(question, text) for text in texts]
        found = self._model.predict(pairs, batch_size=self._batch, show_progress_bar=False, convert_to_numpy=True)
        scores = [float(score) for score in found]
        if any(not 0 <= score <= 1 for score in scores):  # NaN is not in it either
            raise self._unusable("it gives scores that are no numbers")
        return scores

    def _config(self) -> dict[str, Any]:
        try:
            config = json.loads((self._folder / "config.json").read_text(encoding="utf-8"))
        except OSError as error:
            raise self._unusable(f"config.json cannot be read: {error.strerror}") from None
        except ValueError:
            raise self._unusable("config.json is no JSON") from None
        if not isinstance(config, dict):
            raise self._unusable("config.json holds no object")
        return config

    def _unusable(self, reason: str) -> RerankerUnusable:
        return RerankerUnusable(f"the reranker {self._folder} (--reranker-path) cannot be used: {reason}")
