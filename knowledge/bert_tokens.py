"""The tokens of texts for a plain BERT, by its tokenizer; who computes the texts' vectors, this module does not know."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from knowledge import bert_folder
from knowledge.bert_folder import BertShape

if TYPE_CHECKING:
    from tokenizers import Encoding


class BertTokens:
    """A tokenizer that any number of threads may use. What was counted last is kept, for it is what is embedded next."""

    def __init__(self, shape: BertShape) -> None:
        """Read the tokenizer; raises what its library raises."""
        self.tokenizer = bert_folder.tokenizer(shape.folder)
        self.unknown: str | None = self.tokenizer.model.unk_token
        plain, whole = (self.tokenizer.encode("ready", add_special_tokens=special).ids for special in (False, True))
        begin = whole.index(plain[0])
        self._before, self._behind = whole[:begin], whole[begin + len(plain) :]
        self.most = shape.longest - len(self._before) - len(self._behind)
        self._counted: Mapping[str, Encoding] = {}

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has, without special ones."""
        found = self._found(texts)
        self._counted = found  # in one step: another thread sees the texts of one call
        return [len(found[text]) for text in texts]

    def of(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each text, as many as the model reads, the special ones among them."""
        counted = self._counted
        others = [text for text in texts if text not in counted]
        if len(others) < len(texts):
            self._counted = {}  # each is embedded once
        found = {**counted, **self._found(others)} if others else counted
        return [[*self._before, *found[text].ids[: self.most], *self._behind] for text in texts]

    def _found(self, texts: Sequence[str]) -> "dict[str, Encoding]":
        return dict(zip(texts, self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False), strict=True))
