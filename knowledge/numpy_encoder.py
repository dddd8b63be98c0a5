"""The encoder of a plain BERT in numpy, for a program that asks once and ends: torch is not imported.

The same vectors as the other encoders make (cosine to float32 at least 0.9999), one text at a time: right for a question,
slow for documents. How a BERT is computed, or which folders hold one, it does not know.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from knowledge.bert import Bert, Floats
from knowledge.bert_encoder import BertEncoder
from knowledge.bert_folder import BertShape
from knowledge.encoder_base import Batch


class NumpyEncoder(BertEncoder):
    """A plain BERT in float32; any number of threads may use it."""

    def __init__(self, shape: BertShape) -> None:
        """Read tokenizer and weights, in milliseconds; raises what their libraries raise."""
        super().__init__(shape)
        self._bert = Bert(shape)

    def documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield a batch for each text: nothing is gained by more."""
        for place, text in enumerate(texts):
            yield Batch([place], partial(self.question, text))

    def question(self, text: str) -> Floats:
        """Return the vector of a text's beginning, shape (1, dimension): a plain model tells questions not apart."""
        [tokens] = self.tokens([text])
        found: Floats = self._bert.hidden(tokens).mean(axis=0, keepdims=True)
        return found
