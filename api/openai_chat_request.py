"""The body of a chat completion becomes questions. Knows no answer.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from api.json_body import Text
from api.openai_fields import Asked, Grounded, Streamed, Unused, only, target
from assistant.assistant import Assistant, Question
from generation.base import Message, Role

ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
NO_TOOLS = "this server calls no functions"
NO_IMAGES = "is not possible: the model reads and writes text only"


class TextPart(BaseModel):
    """A stretch of a message's text."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["text"]
    text: Text


class ChatMessage(BaseModel):
    """One turn; what else clients send back of an answer says nothing to the model."""

    model_config = ConfigDict(extra="ignore")

    role: str
    content: Text | Annotated[list[TextPart], Field(min_length=1, max_length=100)] | None = None
    name: Annotated[Any, only(why="this model knows nobody by name")] = None
    tool_calls: Annotated[Any, only([], why=NO_TOOLS)] = None
    function_call: Annotated[Any, only(why=NO_TOOLS)] = None
    audio: Annotated[Any, only(why=NO_IMAGES)] = None

    @field_validator("role")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in ROLES:
            raise ValueError("role must be system, developer, user or assistant; " + NO_TOOLS)
        return value

    @field_validator("content", mode="before")
    @classmethod
    def _text_only(cls, value: Any) -> Any:
        kinds = [part.get("type") for part in value if isinstance(part, dict)] if isinstance(value, list) else []
        if any(kind != "text" for kind in kinds):
            raise ValueError("content must be a string or parts of the type text; the model reads text only")
        return value

    @property
    def text(self) -> str:
        """The content as one text."""
        return self.content or "" if not isinstance(self.content, list) else "\n".join(part.text for part in self.content)


class ChatBody(Grounded, Streamed, Asked):
    """The fields of `POST /v1/chat/completions`."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=400)]
    max_completion_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    # Would change the answer: possible in their neutral form only.
    logprobs: Annotated[Any, only(False)] = None
    top_logprobs: Annotated[Any, only(0)] = None
    response_format: Annotated[Any, only({"type": "text"}, why="only text is possible with this server")] = None
    tools: Annotated[Any, only([], why=NO_TOOLS)] = None
    tool_choice: Annotated[Any, only("none", "auto", why=NO_TOOLS)] = None
    functions: Annotated[Any, only([], why=NO_TOOLS)] = None
    function_call: Annotated[Any, only("none", "auto", why=NO_TOOLS)] = None
    modalities: Annotated[Any, only([], ["text"], why=NO_IMAGES)] = None
    audio: Annotated[Any, only(why=NO_IMAGES)] = None
    reasoning_effort: Annotated[Any, only("none")] = None
    verbosity: Annotated[Any, only("medium")] = None
    web_search_options: Annotated[Any, only()] = None
    moderation: Annotated[Any, only()] = None
    # Change nothing in the answer.
    store: Unused = None
    metadata: Unused = None
    parallel_tool_calls: Unused = None
    prediction: Unused = None
    prompt_cache_key: Unused = None
    prompt_cache_options: Unused = None
    prompt_cache_retention: Unused = None
    safety_identifier: Unused = None
    service_tier: Unused = None

    @model_validator(mode="after")
    def _one_limit(self) -> "ChatBody":
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise ValueError("max_tokens and max_completion_tokens mean the same: send one of them")
        return self

    @field_validator("messages")
    @classmethod
    def _asks(cls, messages: list[ChatMessage]) -> list[ChatMessage]:
        if messages[-1].role != "user" or not messages[-1].text.strip():
            raise ValueError("the last message must be the user's, and not blank")
        return messages

    def questions(self, assistant: Assistant, principal: str) -> list[Question]:
        """Return a question for each answer that is wanted; raises as `openai_fields.target`."""
        mode, base = target(assistant, self.model, self.knowledge_base, self.mode)
        turns = tuple(Message(ROLES[message.role], message.text) for message in self.messages)
        most = self.max_completion_tokens or self.max_tokens
        return [
            Question(
                turns,
                mode,
                base,
                self.retrieval_top_k,
                self.sampling(most, index),
                principal,
                truncate=False,
                strict=self.strict is not False,
                follow=self.rewrite_query is not False,
            )
            for index in range(self.n or 1)
        ]
