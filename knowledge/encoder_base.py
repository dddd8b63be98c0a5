"""What an encoder is: texts in, vectors out, in batches; not yet of length 1. Which one a model is given, others know."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy.typing as npt

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts that are computed together: their places among those given, and what computes their vectors, a row each."""

    places: list[int]
    compute: Callable[[], npt.NDArray[Any]]


class Encoder(Protocol):
    """A loaded model. One thread at a time may compute documents, and one beside it a question; `tokenizer` all may use."""

    tokenizer: "Tokenizer"
    """Neither cuts texts off nor fills them up."""
    unknown: str | None
    """The token of what the tokenizer does not know."""
    dimension: int
    max_tokens: int
    """Tokens of a text that are read, less special ones and the model's prompt."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has, without special ones."""

    def documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield the batches of texts of documents; each text is in one."""

    def question(self, text: str) -> npt.NDArray[Any]:
        """Return the vector of a question, shape (1, dimension)."""
