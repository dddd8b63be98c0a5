"""The types of files: what was uploaded, in which bases it is, and how far it came there. Knows no library and no wire.

Ids are those of `tokens.py`; sizes in bytes, times in Unix seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

Status = Literal["in_progress", "completed", "failed", "cancelled"]
Order = Literal["asc", "desc"]
Value = str | float | bool
"""What an attribute can be."""

Item = TypeVar("Item", covariant=True)


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list is wanted, by time: what follows the item `after`, what precedes `before` (ids, "": no bound)."""

    limit: int = 20
    order: Order = "desc"
    after: str = ""
    before: str = ""


@dataclass(frozen=True, slots=True)
class Part(Generic[Item]):
    """A part of a list; `more`: something follows it (precedes it, for `before`)."""

    items: Sequence[Item]
    more: bool


@dataclass(frozen=True, slots=True)
class File:
    """Uploaded bytes under a name."""

    id: str
    name: str
    sha256: str
    size: int
    purpose: str
    added: float


@dataclass(frozen=True, slots=True)
class Cut:
    """How a document is cut into passages, in tokens of the embedding model."""

    tokens: int
    overlap: int


@dataclass(frozen=True, slots=True)
class Wish:
    """A file that is to be in a base; `attributes` None: as they are, or none; `cut` None: as the server's settings say."""

    file: str
    attributes: Mapping[str, Value] | None = None
    cut: Cut | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in a base: `bytes` is what its passages take, `code` and `detail` say why it failed, `cut` None: not known.

    `document`: the name of its document, which differs from the file's where two files in the base have one name.
    """

    file: str
    base: str
    name: str
    document: str
    added: float
    attributes: Mapping[str, Value]
    cut: Cut | None
    status: Status
    bytes: int
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Files by status."""

    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.in_progress + self.completed + self.failed + self.cancelled


@dataclass(frozen=True, slots=True)
class Batch:
    """Files that were put into a base together."""

    id: str
    base: str
    created: float
    cancelled: bool
    counts: Counts


@dataclass(frozen=True, slots=True)
class BaseCard:
    """A knowledge base as its clients see it: `bytes` is what the passages of its documents take."""

    id: str
    name: str
    created: float
    metadata: Mapping[str, str] = field(default_factory=dict)
    bytes: int = 0
    counts: Counts = field(default_factory=Counts)
