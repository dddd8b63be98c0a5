"""The types of knowledge: what a document, a passage and an ingest job are, and what can go wrong. Knows no library.

Error tree::

    KnowledgeError
    ├── UnknownBase             no knowledge base of this name
    ├── UnknownDocument         no document of this name or id in this base
    ├── UnknownBackup           no backup of this name below the data folder
    ├── BadName                 a name that cannot be a knowledge base's or a document's
    ├── UnsupportedFormat       no loader for this kind of file
    ├── TooLarge                over a limit, with the limit
    ├── TextTooLong             a text has more tokens than the embedding model reads
    ├── UnreadableFile          the file cannot be read, with the reason in words (codes in its docstring)
    ├── EmptyBase               asked before anything was added
    ├── EmbedderNotReady        the embedding model is loading or could not be loaded
    ├── EmbedderFailed          the embedding model raised, or gave what are no vectors
    ├── EmbedderMismatch        the base was made with another embedding model
    ├── RerankerUnusable        the reranking model cannot be used, with the reason
    ├── StorageFull             the disk is full (or nearly); what is stored stays readable
    └── StoreInUse              another process holds this data folder
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from knowledge.embeddings import Vectors

Stage = Literal["waiting", "reading", "chunking", "embedding", "ready", "skipped", "failed", "cancelled"]
FINAL: frozenset[Stage] = frozenset({"ready", "skipped", "failed", "cancelled"})


class KnowledgeError(Exception):
    """Base of all errors of this room; its text is a sentence for the person who asked.

    `code`: why a file is not taken in, in a word, for those errors that say it.
    """

    code: str = "failed"


class UnknownBase(KnowledgeError):
    """There is no knowledge base of this name."""


class UnknownDocument(KnowledgeError):
    """There is no document of this name in this knowledge base."""


class UnknownBackup(KnowledgeError):
    """There is no backup of this name."""


class BadName(KnowledgeError):
    """The name cannot be used; the text says which characters and lengths can."""

    code = "bad_name"


class UnsupportedFormat(KnowledgeError):
    """No loader reads this kind of file; the text lists those that are read."""

    code = "unsupported"


class TooLarge(KnowledgeError):
    """Over a limit; the text names the limit and the setting."""

    code = "too_large"


class TextTooLong(KnowledgeError):
    """The embedding model cannot read the text to its end; the text names the numbers."""


class UnreadableFile(KnowledgeError):
    """The file cannot be turned into text.

    `code` is one of: empty, needs_ocr, encrypted, wrong_type, broken, too_large, timed_out, out_of_memory, crashed,
    interrupted.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class EmptyBase(KnowledgeError):
    """Nothing has been added to this knowledge base yet."""


class EmbedderNotReady(KnowledgeError):
    """The embedding model is still loading, or failed to load; the text says which."""


class EmbedderFailed(KnowledgeError):
    """The embedding model raised an error, or gave what are no vectors, for texts of a document."""

    code = "embedder_failed"


class EmbedderMismatch(KnowledgeError):
    """The vectors of this base were made by another embedding model than the one configured."""

    code = "embedder_mismatch"


class RerankerUnusable(KnowledgeError):
    """The reranking model cannot be used; the text names its folder and the reason."""


class StorageFull(KnowledgeError):
    """The disk is full; documents already stored stay readable."""

    code = "storage_full"


class StorageFailed(KnowledgeError):
    """What is stored is damaged or missing, or its disk cannot be used; the text says what and where."""


class StoreInUse(KnowledgeError):
    """Another process holds this data folder; the text names its process id."""

    code = "storage_busy"


@dataclass(frozen=True, slots=True)
class Locator:
    """Where in its document a passage stands: page (from 1, PDF), headings from the outermost, lines (from 1, text)."""

    page: int | None = None
    headings: tuple[str, ...] = ()
    first_line: int | None = None
    last_line: int | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The document a passage is from, and the id of the file that became it ("file-...")."""

    base: str
    document_id: int
    name: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document as search returns it; `score` in [0, 1], higher is better.

    `switched_off`: it stays with its document, but no search finds it.
    """

    chunk_id: int
    text: str
    source: Source
    locator: Locator
    score: float
    scores: Mapping[str, float] = field(default_factory=dict)
    tokens: int = 0
    switched_off: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A document that is in a knowledge base, whole; sizes in bytes, characters and chunks; time in Unix seconds.

    `switched_off`: how many of its chunks no search finds.
    """

    id: int
    base: str
    name: str
    sha256: str
    size: int
    characters: int
    chunks: int
    pages: int | None
    version: int
    added: float
    warnings: tuple[str, ...] = ()
    switched_off: int = 0


@dataclass(frozen=True, slots=True)
class Retry:
    """The next try of a job: when (Unix seconds), and which of how many further tries it is (from 1)."""

    at: float
    number: int
    most: int


@dataclass(frozen=True, slots=True)
class Job:
    """The ingest of one file: `part` in [0, 1], `seconds` of work so far, `detail` in words.

    `retry`: it waits for a further try by itself, because of `detail`.
    """

    id: int
    base: str
    name: str
    size: int
    stage: Stage
    part: float
    chunks: int
    seconds: float
    detail: str = ""
    code: str = ""
    retry: Retry | None = None

    @property
    def done(self) -> bool:
        """Whether this job will not change any more."""
        return self.stage in FINAL


@dataclass(frozen=True, slots=True)
class Embedded:
    """Texts as vectors of length 1, shape (texts, dimension), float32; and the tokens they have together."""

    vectors: "Vectors"
    tokens: int


@dataclass(frozen=True, slots=True)
class BaseInfo:
    """A knowledge base and what it holds; `embedder` is the name of the embedding model, "" while it is empty.

    `outdated`: it was made with another model than the present one, and cannot be searched.
    """

    name: str
    documents: int
    chunks: int
    embedder: str
    outdated: bool = False
