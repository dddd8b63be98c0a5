"""A rough copy of vectors in 8 bits, by FAISS: it finds those that are worth being compared exactly, in half the bytes.

Vectors have one scale, taken from a sample, a question has its own; the cosine of vectors of length 1 is off by about 0.001.
Whoever uses it holds the lock of the index.
"""

from typing import Any

import numpy as np

from knowledge import huge_pages
from knowledge.inverted import PIECE, Codes, Floats
from knowledge.places import Numbers

LARGEST = 127
SAMPLE = 4096
"""Vectors that tell the scale; a larger number elsewhere counts as large as the largest of theirs."""
SMALLEST = 1e-6
ZERO = 128
"""What FAISS writes for 0. Given the numbers as they are, it takes three times as long to write them."""


class Coarse:
    """Ids and what is left of their vectors."""

    def __init__(self, ids: Numbers, codes: Codes) -> None:
        """Take in vectors, at least one, given as the bits of float16, shape (vectors, 2 * dimension)."""
        import faiss

        some = codes[:: -(-len(codes) // SAMPLE)].view(np.float16).astype(np.float32)
        self._scale = _scale(some)
        flat = faiss.IndexScalarQuantizer(
            some.shape[1], faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
        )
        self._faiss: Any = faiss.IndexIDMap(flat)
        for start in range(0, len(ids), PIECE):
            self.add(ids[start : start + PIECE], codes[start : start + PIECE])
        inner: Any = faiss.downcast_index(self._faiss.index)
        huge_pages.advise(int(inner.codes.data()), int(inner.codes.size()))

    def add(self, ids: Numbers, codes: Codes) -> None:
        """Put vectors in, given as the bits of float16."""
        whole = _whole(codes.view(np.float16).astype(np.float32), self._scale)
        whole += ZERO
        self._faiss.add_sa_codes(whole.astype(np.uint8), np.ascontiguousarray(ids))

    def remove(self, ids: Numbers) -> None:
        """Take vectors out; those that are not there are no error."""
        self._faiss.remove_ids(ids)

    def nearest(self, vector: Floats, count: int, among: Any) -> Numbers:
        """Return about the `count` ids nearest to `vector`, of shape (1, dimension); `among`: FAISS's parameters or None."""
        _, ids = self._faiss.search(_whole(vector, _scale(vector)), count, params=among)
        found: Numbers = ids[0][ids[0] != -1]
        return found


def _scale(numbers: Floats) -> float:
    """Return what makes the largest number 127."""
    return LARGEST / max(float(np.abs(numbers).max()), SMALLEST)


def _whole(numbers: Floats, scale: float) -> Floats:
    """Return whole numbers of 8 bits, as float32: FAISS cuts off what lies behind the point, of a question's too."""
    scaled = numbers * np.float32(scale)
    return np.clip(np.rint(scaled, out=scaled), -LARGEST, LARGEST, out=scaled)
