"""The fields that OpenAI's requests for answers share: how to sample, which model, which documents. Knows no answer.

What changes an answer and is not possible here is refused by its name; what changes none is taken and left. Source: the
API reference, and the extra parameters of vLLM's server (`top_k`, `repetition_penalty`).
"""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.base_ids import resolve
from api.errors import BadRequest
from api.model_names import base_of
from assistant.assistant import Assistant, Mode
from generation.base import Sampling

MOST_CHOICES = 2
SEEDS = 2**63

ModelName = Annotated[str, Field(min_length=1, max_length=400)]
BaseName = Annotated[str, Field(min_length=1, max_length=64)]
StopString = Annotated[str, Field(min_length=1, max_length=64)]
Stop = StopString | Annotated[list[StopString], Field(max_length=4)]
Unused = Annotated[Any, Field(description="does not change the answer")]


def only(*neutral: Any, why: str = "is not possible with this server") -> AfterValidator:
    """Return the check of a field that may only say what it says by itself: null, or one of `neutral`."""

    def check(value: Any) -> None:
        if value is not None and not any(type(value) is type(one) and value == one for one in neutral):
            raise ValueError(why)

    return AfterValidator(check)


class StreamOptions(BaseModel):
    """What a stream tells besides the answer."""

    model_config = ConfigDict(extra="ignore")

    include_usage: bool | None = None
    include_obfuscation: Annotated[Any, only(False)] = None


class Asked(BaseModel):
    """What every request for an answer may say; null is as good as left out."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    model: ModelName
    stream: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=1000)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.5, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    seed: Annotated[int, Field(ge=-SEEDS, lt=SEEDS)] | None = None
    stop: Stop | None = None
    user: Unused = None

    def sampling(self, max_tokens: int | None, choice: int = 0) -> Sampling:
        """Return how the answer number `choice` is sampled; what was not said is as this server does it by itself."""
        said = self.model_dump(include={"temperature", "top_p", "repetition_penalty", "presence_penalty", "frequency_penalty"})
        return Sampling(
            max_tokens=max_tokens,
            stop=tuple([self.stop] if isinstance(self.stop, str) else self.stop or ()),
            seed=None if self.seed is None else (self.seed + choice) % SEEDS,
            **{name: value for name, value in said.items() if value is not None},
            **({} if self.top_k is None else {"top_k": max(self.top_k, 0)}),
        )


class Streamed(BaseModel):
    """Several answers, and the usage behind a stream: what both kinds of completions know."""

    n: Annotated[int, Field(ge=1, le=MOST_CHOICES)] | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    logit_bias: Annotated[Any, only({})] = None


class Grounded(BaseModel):
    """Ours: which documents to answer from, whether only from them, and whether earlier turns help to find passages."""

    knowledge_base: BaseName | None = None
    mode: Mode | None = None
    retrieval_top_k: Annotated[int, Field(ge=1, le=50)] | None = None
    strict: bool | None = None
    rewrite_query: bool | None = None


def target(assistant: Assistant, model: str, base: str | None, mode: Mode | None) -> tuple[Mode, str]:
    """Return mode and name of the base that `model` ("NAME" or "NAME@BASE") and the extra fields ask for.

    Raises `UnknownModel`, `UnknownBase`, and `BadRequest` where they ask for two. Blocks for a look into the database.
    """
    named = base_of(assistant, model)
    if named and base is not None and named != base:
        raise BadRequest("knowledge_base: the model's name asks for another one.", "knowledge_base")
    wanted = named or base
    if wanted is None and mode in (None, "chat"):
        return "chat", "default"
    return mode or "knowledge", resolve(assistant.library, wanted or "default")
