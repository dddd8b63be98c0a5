"""The encoder of a plain BERT on a CPU: tokens by its tokenizer, each text's once, vectors by `packed_bert`."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from knowledge import heap
from knowledge.bert_encoder import BertEncoder
from knowledge.bert_folder import BertShape
from knowledge.encoder_base import Batch
from knowledge.packed_bert import PackedBert, Precision, exact

BATCH = 1024
"""Tokens at once: as fast as 2,048, 4 % faster than 512, and whoever waits is not held up."""
SHORT = 16
"""Texts of so few tokens, special ones counted, and questions are computed exactly: they cost little, and lose the most."""


class PackedEncoder(BertEncoder):
    """A plain BERT, in the given precision but for short texts and questions, whose layers keep nothing between calls."""

    def __init__(self, shape: BertShape, precision: Precision) -> None:
        """Read tokenizer and weights; raises what their libraries raise."""
        super().__init__(shape)
        self._bert = PackedBert(shape, precision)
        self._exact = PackedBert(shape, exact()) if precision == "int8" else self._bert
        heap.keep()

    def documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield the batches of texts of documents in their order, the short ones last."""
        tokens = self.tokens(texts)
        short = [place for place, ids in enumerate(tokens) if len(ids) <= SHORT]
        others = [place for place, ids in enumerate(tokens) if len(ids) > SHORT]
        try:
            for bert, some in ((self._bert, others), (self._exact, short)):
                for batch in batches([len(tokens[place]) for place in some], BATCH):
                    places = [some[number] for number in batch]
                    yield Batch(places, partial(bert.vectors, [tokens[place] for place in places]))
        finally:
            if len(texts) > 1:  # it takes a millisecond, and a text alone leaves next to nothing
                heap.give_back()

    def question(self, text: str) -> npt.NDArray[np.float32]:
        """Return the vector of a question, shape (1, dimension)."""
        return self._exact.vectors(self.tokens([text]))


def batches(counts: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Yield the places of texts of so many tokens, in order, `limit` tokens in a batch or one text."""
    batch: list[int] = []
    taken = 0
    for place, count in enumerate(counts):
        if batch and taken + count > limit:
            yield batch
            batch, taken = [], 0
        batch.append(place)
        taken += count
    if batch:
        yield batch
