"""The encoder of a plain BERT on a CPU by OpenVINO, where the extra `openvino` is installed; it alone runs that library.

In bfloat16 where the CPU has it, else in float32. Torch is not needed. When it is worth its use, it does not know.
"""

import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from knowledge.bert_encoder import BertEncoder
from knowledge.bert_folder import BertShape
from knowledge.encoder_base import Batch
from knowledge.openvino_graph import Graph
from knowledge.silent_openvino import library

BATCH = 1024
"""Tokens at once, padding counted."""
STEP = 16
"""Texts are filled up to a multiple of so many tokens: each new shape costs 3 to 10 ms once."""
ALIKE = 0.5
"""The shortest text of a batch has this part of the longest one's tokens at least: what is filled up is computed too, but with
0.8 the 63 files have 53 shapes instead of 29, and next to nothing less to compute."""
HIDDEN = -1e4
"""What is added to the score of a place without a token: its exponential is nothing."""

Floats = npt.NDArray[np.float32]


class OpenVinoEncoder(BertEncoder):
    """A plain BERT; `precision` says in what it is computed."""

    def __init__(self, shape: BertShape) -> None:
        """Read tokenizer and weights, and compile; raises what their libraries raise."""
        super().__init__(shape)
        self._longest = shape.longest
        core = library.Core()
        self.precision = "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
        settings = {"INFERENCE_PRECISION_HINT": self.precision, "NUM_STREAMS": "1", **_threads()}
        model = Graph(shape).model()
        # A question has its own: within one compiled model it would wait for a document's batch.
        self._document, self._question = (core.compile_model(model, "CPU", settings).create_infer_request() for _ in range(2))

    def documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield the batches of texts of documents, those of like lengths together."""
        tokens = self.tokens(texts)
        for places in batches([len(ids) for ids in tokens]):
            yield Batch(places, partial(self._vectors, self._document, [tokens[place] for place in places]))

    def question(self, text: str) -> Floats:
        """Return the vector of a question, shape (1, dimension)."""
        return self._vectors(self._question, self.tokens([text]))

    def _vectors(self, request: Any, texts: Sequence[Sequence[int]]) -> Floats:
        """Return the mean of each text's last hidden states, shape (texts, width)."""
        length = min(_filled(max(map(len, texts))), self._longest)
        ids = np.zeros((len(texts), length), dtype=np.int32)
        mask = np.full((len(texts), 1, 1, length), HIDDEN, dtype=np.float32)
        share = np.zeros((len(texts), length, 1), dtype=np.float32)
        for row, tokens in enumerate(texts):
            many = len(tokens)
            ids[row, :many], mask[row, 0, 0, :many], share[row, :many] = tokens, 0, 1 / many
        return np.array(request.infer([ids, mask, share])[0])


def batches(counts: Sequence[int]) -> Iterator[list[int]]:
    """Yield the places of texts of so many tokens in batches of like lengths, the shortest first."""
    batch: list[int] = []
    for place in sorted(range(len(counts)), key=counts.__getitem__):
        longest = counts[place]
        if batch and (counts[batch[0]] < ALIKE * longest or (len(batch) + 1) * _filled(longest) > BATCH):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _filled(count: int) -> int:
    return -(-count // STEP) * STEP


def _threads() -> dict[str, str]:
    """Return the setting that gives OpenVINO as many threads as torch takes: it does not read that variable itself."""
    count = os.environ.get("OMP_NUM_THREADS", "")
    return {"INFERENCE_NUM_THREADS": count} if count.isdecimal() and int(count) else {}
