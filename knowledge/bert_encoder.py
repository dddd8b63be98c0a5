"""What every encoder of a plain BERT has: its tokenizer, and the tokens of texts; how vectors are made, it does not know."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from knowledge import bert_folder
from knowledge.bert_folder import BertShape

if TYPE_CHECKING:
    from tokenizers import Encoding


class BertEncoder:
    """The part of `Encoder` that reads texts, for any number of threads; what was counted last is kept until it is embedded."""

    def __init__(self, shape: BertShape) -> None:
        """Read the tokenizer; raises what its library raises."""
        self.tokenizer = bert_folder.tokenizer(shape.folder)
        self.unknown: str | None = self.tokenizer.model.unk_token
        self.dimension = shape.width
        plain, whole = (self.tokenizer.encode("ready", add_special_tokens=special).ids for special in (False, True))
        begin = whole.index(plain[0])
        self._before, self._behind = whole[:begin], whole[begin + len(plain) :]
        self.max_tokens = shape.longest - len(self._before) - len(self._behind)
        self._counted: Mapping[str, Encoding] = {}

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has, without special ones."""
        found = self._found(texts)
        self._counted = found  # in one step: another thread sees the texts of one call
        return [len(found[text]) for text in texts]

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each text, as many as the model reads, the special ones among them."""
        counted = self._counted
        others = self._found([text for text in texts if text not in counted])
        if len(others) < len(set(texts)):
            self._counted = {}  # each is embedded once
        found = (others[text] if text in others else counted[text] for text in texts)
        return [[*self._before, *one.ids[: self.max_tokens], *self._behind] for one in found]

    def _found(self, texts: Sequence[str]) -> "dict[str, Encoding]":
        return dict(zip(texts, self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False), strict=True))
