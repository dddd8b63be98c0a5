"""The body of a DashScope text-generation request becomes a `Question`. Knows no answer and no stream.

What would change the answer and cannot be done here is refused by its name; fields that nobody knows are ignored, as
DashScope does. Source: Model Studio's reference of the DashScope API, the package `dashscope` 2.0, wire.md section 7.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from api import model_names
from api.errors import BadRequest
from api.json_body import LONGEST_TEXT, Text
from assistant.assistant import Assistant, Question
from generation.base import Message, Sampling

MOST_MESSAGES = 100


def _off(value: Any) -> Any:
    if value not in (None, False, "none", [], {}):
        raise ValueError("is not possible on this server; leave it out")
    return value


def _one(value: int) -> int:
    if value != 1:
        raise ValueError("this server gives one answer at a time, so it must be 1")
    return value


Off = Annotated[Any, AfterValidator(_off)]
"""What DashScope can and this server cannot: only the values that ask for nothing are taken."""
Stop = Annotated[str, Field(min_length=1, max_length=64)]
Base = Annotated[str, Field(min_length=1, max_length=64)]


class _Fields(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class TextPart(_Fields):
    """A part of a message; other parts than text (images, audio) are refused."""

    model_config = ConfigDict(extra="forbid")

    text: Text
    type: Literal["text"] = "text"
    cache_control: Any = None


class DashScopeMessage(_Fields):
    """One turn."""

    role: Literal["system", "user", "assistant"]
    content: Text | Annotated[list[TextPart], Field(min_length=1, max_length=MOST_MESSAGES)]
    tool_calls: Off = None
    partial: Off = None

    @property
    def plain(self) -> Message:
        """The turn as the model gets it."""
        parts = self.content
        return Message(self.role, parts if isinstance(parts, str) else "".join(part.text for part in parts))


class HistoryTurn(_Fields):
    """One turn of the old form of a history."""

    user: Text
    bot: Text


class Input(_Fields):
    """What is asked: `messages`, or `prompt` with or without the old `history`."""

    prompt: Text | None = None
    messages: Annotated[list[DashScopeMessage], Field(min_length=1, max_length=MOST_MESSAGES)] | None = None
    history: Annotated[list[HistoryTurn], Field(max_length=MOST_MESSAGES)] | None = None

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("needs either prompt or messages")
        if self.messages is not None and self.history:
            raise ValueError("history goes with prompt; messages hold their own")
        last = self.turns[-1]
        if last.role != "user":
            raise ValueError("the last of the messages must be the user's")
        if not last.content.strip() or len(last.content) > LONGEST_TEXT:
            raise ValueError(f"the question must not be blank, and have at most {LONGEST_TEXT:,} characters")
        return self

    @property
    def turns(self) -> tuple[Message, ...]:
        """All turns, the question last."""
        if self.messages is not None:
            return tuple(message.plain for message in self.messages)
        pairs = [(Message("user", turn.user), Message("assistant", turn.bot)) for turn in self.history or []]
        return (*(message for pair in pairs for message in pair), Message("user", self.prompt or ""))


class Parameters(_Fields):
    """How to answer; null is the same as left out."""

    temperature: Annotated[float, Field(ge=0, lt=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=1000)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.5, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    n: Annotated[int, Field(ge=1, le=4), AfterValidator(_one)] | None = None
    result_format: Literal["text", "message"] | None = None
    incremental_output: bool | None = None
    knowledge_base: Base | None = None
    rag_options: dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    tools: Off = None
    tool_choice: Annotated[Any, AfterValidator(lambda value: value if value == "auto" else _off(value))] = None
    enable_search: Off = None
    search_options: Off = None
    enable_thinking: Off = None
    thinking_budget: Off = None
    logprobs: Off = None
    top_logprobs: Off = None
    logit_bias: Off = None
    enable_code_interpreter: Off = None
    translation_options: Off = None
    skill: Off = None

    @field_validator("rag_options")
    @classmethod
    def _one_pipeline(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        names = [] if value is None else value.get("pipeline_ids")
        single = isinstance(names, list) and len(names) == 1 and isinstance(names[0], str) and 0 < len(names[0]) <= 64
        if value and not (single and len(value) == 1):
            raise ValueError('must be {"pipeline_ids": [NAME]} with one knowledge base; more is not possible here')
        return value

    @field_validator("response_format")
    @classmethod
    def _plain_text(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value and value.get("type") != "text":
            raise ValueError('only {"type": "text"} is possible on this server')
        return value

    @property
    def sampling(self) -> Sampling:
        """The same for an engine; what is left out is the engine's default."""
        penalties = ("repetition_penalty", "presence_penalty", "frequency_penalty")
        names = ("max_tokens", "temperature", "top_p", "top_k", "seed", *penalties)
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return Sampling(**given, stop=(self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ()))

    @property
    def bases(self) -> tuple[str, ...]:
        """The knowledge bases that are named."""
        pipelines = (self.rag_options or {}).get("pipeline_ids", [])
        return (*([self.knowledge_base] if self.knowledge_base else []), *pipelines)


class DashScopeRequest(_Fields):
    """The body of `POST /api/v1/services/aigc/text-generation/generation`."""

    model: Annotated[str, Field(min_length=1, max_length=512)]
    input: Input
    parameters: Parameters | None = None

    @property
    def wanted(self) -> Parameters:
        """The parameters, or the defaults."""
        return self.parameters or Parameters()

    def question(self, assistant: Assistant, principal: str) -> Question:
        """Return what is asked; raises `UnknownModel`, or `BadRequest` for two knowledge bases at once."""
        behind = model_names.base_of(assistant, self.model)
        named = dict.fromkeys((*([behind] if behind else []), *self.wanted.bases))
        if len(named) > 1:
            raise BadRequest("The request names two knowledge bases; an answer comes from one.", "parameters.knowledge_base")
        base = next(iter(named), "")
        return Question(
            self.input.turns,
            "knowledge" if base else "chat",
            base or "default",
            sampling=self.wanted.sampling,
            principal=principal,
        )
