"""What both versions of the native protocol ask for beside the question itself. Knows no answer.

Source: the old service's articles and clients, `docs/api/native.md`.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.errors import BadRequest
from api.json_body import LONGEST_TEXT
from assistant.assistant import Mode, Question
from generation.base import Message, Sampling

StopStrings = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=4)] | None


class NativeFields(BaseModel):
    """The fields that version 1 and 2 share; unknown ones are ignored, as the old service did."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    temperature: Annotated[float, Field(ge=0, le=2)] = 0.95
    top_k: Annotated[int, Field(ge=-1, le=1000)] = 30
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.8
    do_sample: bool = True
    use_cache: bool = True
    langchain: bool = False
    mode: Mode | None = None
    knowledge_base: Annotated[str, Field(min_length=1, max_length=64)] = "default"
    retrieval_top_k: Annotated[int, Field(ge=1, le=20)] | None = None
    strict: bool = True
    rewrite_query: bool = True
    stop: StopStrings = None
    stop_sequences: StopStrings = None
    repetition_penalty: Annotated[float, Field(ge=0.5, le=2)] = 1.0
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    no_template: bool = False

    @property
    def wanted_mode(self) -> Mode:
        """The mode asked for, by either of its fields."""
        return self.mode or ("knowledge" if self.langchain else "chat")

    def asked(self, messages: tuple[Message, ...], max_tokens: int, num_beams: int = 1) -> Question:
        """Return the question that `messages` ask, with all that the fields say of it."""
        return Question(
            messages,
            self.wanted_mode,
            self.knowledge_base,
            self.retrieval_top_k,
            self.sampling(max_tokens, num_beams),
            raw=self.no_template,
            strict=self.strict,
            follow=self.rewrite_query,
        )

    def sampling(self, max_tokens: int, num_beams: int = 1) -> Sampling:
        """Return how the answer is chosen."""
        return Sampling(
            max_tokens=max_tokens,
            temperature=self.temperature if self.do_sample else 0.0,
            top_p=self.top_p,
            top_k=max(self.top_k, 0),
            repetition_penalty=self.repetition_penalty,
            stop=tuple((self.stop or []) + (self.stop_sequences or [])),
            seed=self.seed,
            num_beams=num_beams,
        )


def sound(prompt: str, field: str = "prompt") -> str:
    """Return the question; raises `BadRequest` for a blank or over-long one."""
    if not prompt.strip():
        raise BadRequest(f"{field}: the question is blank.", field)
    if len(prompt) > LONGEST_TEXT:
        raise BadRequest(f"{field}: at most {LONGEST_TEXT:,} characters.", field)
    return prompt
