"""What clients send to vector stores: the fields, their limits, and what they become. Knows no route and no database.

What this server cannot do is refused by name where it would change what the client gets; unknown fields are ignored.
Source: the API reference's "Vector stores"; `history` of a search is ours.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, field_validator, model_validator

from api.file_filters import Filters, where
from api.json_body import Text
from knowledge.attribute_filter import Condition
from knowledge.file_base import Cut, Value, Wish
from knowledge.files import MOST_OF_BATCH

MOST_PAIRS = 16
LONGEST_KEY = 64
LONGEST_VALUE = 512
LONGEST_QUERY = 4000
LARGEST_NUMBER = 1e300


def _attributes(given: dict[str, Any]) -> dict[str, Value]:
    _check_keys(given)
    for value in given.values():
        text = isinstance(value, str) and len(value) <= LONGEST_VALUE
        number = isinstance(value, (bool, int, float)) and abs(value) <= LARGEST_NUMBER
        if not text and not number:
            raise ValueError(f"values are texts of at most {LONGEST_VALUE} characters, numbers or booleans")
    return given


def _metadata(given: dict[str, Any]) -> dict[str, str]:
    _check_keys(given)
    if not all(isinstance(value, str) and len(value) <= LONGEST_VALUE for value in given.values()):
        raise ValueError(f"values are texts of at most {LONGEST_VALUE} characters")
    return given


def _check_keys(given: dict[str, Any]) -> None:
    if len(given) > MOST_PAIRS or not all(0 < len(key) <= LONGEST_KEY for key in given):
        raise ValueError(f"at most {MOST_PAIRS} pairs, with keys of 1 to {LONGEST_KEY} characters")


Attributes = Annotated[dict[str, Any], AfterValidator(_attributes)]
Metadata = Annotated[dict[str, Any], AfterValidator(_metadata)]
FileId = Annotated[str, Field(min_length=1, max_length=128)]


class Static(BaseModel):
    """How documents are cut, in tokens of the embedding model."""

    max_chunk_size_tokens: int = Field(ge=32, le=4096)
    chunk_overlap_tokens: int = Field(ge=0, le=2048)

    @model_validator(mode="after")
    def _overlap_fits(self) -> "Static":
        if self.chunk_overlap_tokens * 2 > self.max_chunk_size_tokens:
            raise ValueError("chunk_overlap_tokens is more than half of max_chunk_size_tokens")
        return self


class Chunking(BaseModel):
    """OpenAI's chunking strategy: `auto` is the server's own setting."""

    type: Literal["auto", "static"]
    static: Static | None = None

    @model_validator(mode="after")
    def _static_says_how(self) -> "Chunking":
        if (self.type == "static") != (self.static is not None):
            raise ValueError("the type static goes with the field static, and no other does")
        return self

    @property
    def cut(self) -> Cut | None:
        """What it asks for; None: the server's setting."""
        return None if self.static is None else Cut(self.static.max_chunk_size_tokens, self.static.chunk_overlap_tokens)


def _cut(chunking: Chunking | None) -> Cut | None:
    return None if chunking is None else chunking.cut


class NewFile(BaseModel):
    """A file that is to be in a vector store."""

    file_id: FileId
    attributes: Attributes | None = None
    chunking_strategy: Chunking | None = None

    @property
    def wish(self) -> Wish:
        """What it asks for."""
        return Wish(self.file_id, self.attributes, _cut(self.chunking_strategy))


class NewBatch(BaseModel):
    """Files that are to be in a vector store together: `file_ids` all alike, or `files` one by one."""

    file_ids: list[FileId] | None = Field(None, min_length=1, max_length=MOST_OF_BATCH)
    files: list[NewFile] | None = Field(None, min_length=1, max_length=MOST_OF_BATCH)
    attributes: Attributes | None = None
    chunking_strategy: Chunking | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "NewBatch":
        if (self.file_ids is None) == (self.files is None):
            raise ValueError("a batch has either file_ids or files")
        if len({wish.file for wish in self.wishes}) != len(self.wishes):
            raise ValueError("a file appears twice")
        return self

    @property
    def wishes(self) -> list[Wish]:
        """What it asks for."""
        if self.files is not None:
            return [file.wish for file in self.files]
        return [Wish(file, self.attributes, _cut(self.chunking_strategy)) for file in self.file_ids or ()]


class NewAttributes(BaseModel):
    """Attributes in place of those before."""

    attributes: Attributes | None


class SwitchedPassage(BaseModel):
    """Whether searches shall leave a passage out."""

    switched_off: bool


class _Expiring(BaseModel):
    expires_after: Any = None

    @field_validator("expires_after")
    @classmethod
    def _never(cls, value: Any) -> None:
        if value is not None:
            raise ValueError("vector stores here do not expire; delete them")


class NewStore(_Expiring):
    """A vector store that is to be made."""

    name: str | None = Field(None, min_length=1, max_length=256)
    metadata: Metadata | None = None
    file_ids: list[FileId] = Field([], max_length=MOST_OF_BATCH)
    chunking_strategy: Chunking | None = None

    @property
    def wishes(self) -> list[Wish]:
        """The files that are to be in it at once."""
        return [Wish(file, None, _cut(self.chunking_strategy)) for file in dict.fromkeys(self.file_ids)]


class ChangedStore(_Expiring):
    """What is to be changed in a vector store; what is null or left out stays, but for metadata, of which null leaves none."""

    name: str | None = Field(None, min_length=1, max_length=256)
    metadata: Metadata | None = None

    @property
    def new_metadata(self) -> Mapping[str, str] | None:
        """What replaces the metadata; None: they stay."""
        return (self.metadata or {}) if "metadata" in self.model_fields_set else None


class Ranking(BaseModel):
    """How results are ordered and left out."""

    ranker: Literal["auto", "none", "default-2024-11-15", "default_2024_08_21"] = "auto"
    score_threshold: float = Field(0.0, ge=0, le=1, allow_inf_nan=False)


class Turn(BaseModel):
    """A message before the query."""

    role: Literal["user", "assistant", "system"]
    content: Text


Query = Annotated[str, Field(max_length=LONGEST_QUERY)]


class Searched(BaseModel):
    """A search of a vector store."""

    query: Query | Annotated[list[Query], Field(min_length=1, max_length=10)]
    max_num_results: int = Field(10, ge=1, le=50)
    filters: Filters | None = None
    ranking_options: Ranking = Ranking()
    rewrite_query: bool = False
    history: list[Turn] = Field([], max_length=100)

    @field_validator("query")
    @classmethod
    def _not_blank(cls, value: str | list[str]) -> str | list[str]:
        if not all(one.strip() for one in ([value] if isinstance(value, str) else value)):
            raise ValueError("must not be blank")
        return value

    @property
    def queries(self) -> list[str]:
        """What is looked for."""
        return [self.query] if isinstance(self.query, str) else self.query

    @property
    def earlier(self) -> list[str]:
        """What the user said before, the oldest first, where the query may be rewritten by it."""
        return [turn.content for turn in self.history if turn.role == "user"] if self.rewrite_query else []

    @property
    def condition(self) -> Condition | None:
        """Which files are looked at; None: all."""
        return where(self.filters)
