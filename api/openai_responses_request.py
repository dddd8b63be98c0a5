"""The body of a response becomes a question. Knows no answer.

Source: https://platform.openai.com/docs/api-reference/responses/create; items of earlier answers may stand in `input`.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from api.base_ids import resolve
from api.errors import BadRequest
from api.file_filters import Filters, where
from api.json_body import Text
from api.openai_chat_request import NO_TOOLS, ROLES
from api.openai_fields import Asked, StreamOptions, Unused, only, target
from assistant.assistant import Assistant, Question
from generation.base import Message

RESULTS = "file_search_call.results"
NO_RANKING: tuple[dict[str, Any], ...] = (
    {},
    {"ranker": "auto"},
    {"score_threshold": 0},
    {"ranker": "auto", "score_threshold": 0},
)
PARTS = ("input_text", "output_text", "text")


class Part(BaseModel):
    """A stretch of a message's text."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["input_text", "output_text", "text"]
    text: Text


class Item(BaseModel):
    """A turn, or the search of an earlier answer, which says nothing to the model."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["message", "file_search_call"] = "message"
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: Text | Annotated[list[Part], Field(max_length=100)] | None = None

    @field_validator("type", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if value not in ("message", "file_search_call"):
            raise ValueError("type must be message or file_search_call; " + NO_TOOLS + " and keeps no items")
        return value

    @field_validator("content", mode="before")
    @classmethod
    def _text_only(cls, value: Any) -> Any:
        kinds = [part.get("type") for part in value if isinstance(part, dict)] if isinstance(value, list) else []
        if any(kind not in PARTS for kind in kinds):
            raise ValueError("content must be a string or parts of text; the model reads text only")
        return value

    @model_validator(mode="after")
    def _whole(self) -> "Item":
        if self.type == "message" and (self.role is None or self.content is None):
            raise ValueError("a message needs role and content")
        return self

    @property
    def message(self) -> Message:
        """The turn."""
        content = self.content or ""
        text = content if isinstance(content, str) else "\n".join(part.text for part in content)
        return Message(ROLES[self.role or "user"], text)


class FileSearch(BaseModel):
    """The one tool there is: answer from a knowledge base, by its id or its name."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    type: Literal["file_search"]
    vector_store_ids: Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(min_length=1, max_length=1)]
    max_num_results: Annotated[int, Field(ge=1, le=50)] | None = None
    filters: Filters | None = None
    ranking_options: Annotated[Any, only(*NO_RANKING)] = None

    @field_validator("type", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if value != "file_search":
            raise ValueError("the only tool here is file_search")
        return value


class ResponseBody(Asked):
    """The fields of `POST /v1/responses`; beyond the protocol: `seed`, `stop`, `top_k`, and the three penalties."""

    input: Text | Annotated[list[Item], Field(min_length=1, max_length=400)]
    instructions: Text | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    tools: Annotated[list[FileSearch], Field(max_length=1)] | None = None
    tool_choice: Any = None
    include: Annotated[list[Literal["file_search_call.results"]], Field(max_length=10)] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    stream_options: StreamOptions | None = None
    metadata: Annotated[dict[str, str], Field(max_length=16)] | None = None
    # Would change the answer, or promise what is not here.
    previous_response_id: Annotated[Any, only(why="answers are not kept: send the turns in input")] = None
    conversation: Annotated[Any, only(why="answers are not kept: send the turns in input")] = None
    background: Annotated[Any, only(False)] = None
    prompt: Annotated[Any, only(why="prompts are not kept: send instructions")] = None
    reasoning: Annotated[Any, only({})] = None
    text: Annotated[Any, only({}, {"format": {"type": "text"}}, why="only plain text is possible")] = None
    top_logprobs: Annotated[Any, only(0)] = None
    context_management: Annotated[Any, only([])] = None
    moderation: Annotated[Any, only()] = None
    # Change nothing in the answer.
    store: Unused = None
    parallel_tool_calls: Unused = None
    max_tool_calls: Unused = None
    prompt_cache_key: Unused = None
    prompt_cache_options: Unused = None
    prompt_cache_retention: Unused = None
    safety_identifier: Unused = None
    service_tier: Unused = None

    @field_validator("tool_choice")
    @classmethod
    def _searches(cls, value: Any) -> Any:
        if value not in (None, "none", "auto", "required", {"type": "file_search"}):
            raise ValueError("must be none, auto, required, or the type file_search")
        return value

    @field_validator("input")
    @classmethod
    def _asks(cls, value: str | list[Item]) -> str | list[Item]:
        last = Message("user", value) if isinstance(value, str) else value[-1].message
        if last.role != "user" or not last.content.strip() or (not isinstance(value, str) and value[-1].type != "message"):
            raise ValueError("the last item must be a message of the user, and not blank")
        return value

    @property
    def search(self) -> FileSearch | None:
        """The search that is to be made."""
        return self.tools[0] if self.tools and self.tool_choice != "none" else None

    @property
    def with_results(self) -> bool:
        """Whether the answer shows what the search found."""
        return RESULTS in (self.include or ())

    def question(self, assistant: Assistant, principal: str) -> Question:
        """Return the question; raises as `openai_fields.target`."""
        if self.tool_choice not in (None, "none", "auto") and not self.tools:
            raise BadRequest("tool_choice: there is no tool to choose; send tools.", "tool_choice")
        search = self.search
        base = None if search is None else resolve(assistant.library, search.vector_store_ids[0])
        mode, base = target(assistant, self.model, base, None)
        top_k = None if search is None else search.max_num_results
        wanted = None if search is None else where(search.filters)
        sampling, truncate = self.sampling(self.max_output_tokens), self.truncation == "auto"
        return Question(self._turns(), mode, base, top_k, sampling, principal, truncate=truncate, where=wanted)

    def _turns(self) -> tuple[Message, ...]:
        system = [Message("system", self.instructions)] if self.instructions else []
        if isinstance(self.input, str):
            return (*system, Message("user", self.input))
        return (*system, *(item.message for item in self.input if item.type == "message"))
