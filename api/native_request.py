"""The body of a native request becomes a `Question`: string, JSON or form, told apart by what it is, not by its label.

Source: the old service's articles and clients, `docs/api` and wire.md section 3. Knows no answer.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, Field, field_validator

from api import json_body
from api.errors import BadRequest
from assistant.assistant import Mode, Question
from generation.base import Message, Sampling

LONGEST_PROMPT = 200_000
"""Characters; longer texts are refused before they are tokenised."""
FORM = re.compile(r"prompt=|(?:[^\s&=]+=[^\s&]*&)+prompt=\S*\s*\Z")

Text = Annotated[str, Field(max_length=LONGEST_PROMPT)]


class NativeBody(BaseModel):
    """The fields of version 2; unknown ones are ignored, as the old service did."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    prompt: Text
    system_prompt: Text = ""
    history: Annotated[list[list[Text]], Field(max_length=200)] = []
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.95
    top_k: Annotated[int, Field(ge=-1, le=1000)] = 30
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.8
    max_new_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 2048
    do_sample: bool = True
    use_cache: bool = True
    use_stream_chat: bool | Literal["True", "False", "true", "false"] = False
    langchain: bool = False
    mode: Literal["chat", "retrieval", "knowledge"] | None = None
    knowledge_base: Annotated[str, Field(min_length=1, max_length=64)] = "default"
    retrieval_top_k: Annotated[int, Field(ge=1, le=20)] | None = None
    stop: Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=4)] | None = None
    stop_sequences: Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=4)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.5, le=2)] = 1.0
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    no_template: bool = False

    @field_validator("history")
    @classmethod
    def _pairs(cls, value: list[list[str]]) -> list[list[str]]:
        pairs = [pair for pair in value if pair]
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError("must be a list of [user, assistant] pairs")
        return pairs

    @field_validator("no_template")
    @classmethod
    def _templated(cls, value: bool) -> bool:
        if value:
            raise ValueError("is not supported by this version: prompts go through the model's chat template")
        return value


@dataclass(frozen=True, slots=True)
class NativeRequest:
    """A parsed request: the question, whether it is streamed, its history as given, and whether it was a bare string."""

    question: Question
    stream: bool
    history: list[list[str]]
    bare: bool


def parse(body: bytes, content_type: str) -> NativeRequest:
    """Return the request in `body`; raises `BadRequest` naming the place."""
    text = json_body.decode(body)
    if not text.strip():
        raise BadRequest("The body is empty: send the question, or JSON with a field prompt.", "prompt")
    if content_type.lower().startswith("multipart/"):
        raise BadRequest("This address takes a question or JSON, not a multipart form; files are added on the page.")
    values, form = _object(text, content_type)
    if values is None:
        return NativeRequest(_question(NativeBody(prompt=_sound(text))), False, [], True)
    parsed = _validate(values, form)
    return NativeRequest(_question(parsed), str(parsed.use_stream_chat).lower() == "true", parsed.history, False)


def _object(text: str, content_type: str) -> tuple[dict[str, Any] | None, bool]:
    """Return the fields of a JSON or form body (True: of a form), or None for a bare question."""
    stripped = text.lstrip()
    labelled = "json" in content_type.lower()
    if stripped.startswith("{"):
        try:
            return json_body.parse(text), False
        except json_body.NotJson:
            if labelled or '"prompt"' in text or '"input_ids"' in text:
                raise
    elif labelled:
        raise BadRequest('The body is labelled JSON but is not a JSON object like {"prompt": "..."}.')
    # curl gives the label of a form to everything; a form with a space in it is none, unless its first field says so.
    if "form-urlencoded" in content_type.lower() and FORM.match(stripped):
        try:
            fields = parse_qs(stripped.rstrip(), keep_blank_values=True, max_num_fields=50)
        except ValueError:
            raise BadRequest("The form has more than 50 fields.") from None
        return {key: values[-1] for key, values in fields.items()}, True
    return None, False


def _validate(values: dict[str, Any], form: bool) -> NativeBody:
    given = {key: value for key, value in values.items() if not (key in ("stop", "stop_sequences") and value == "")}
    parsed = json_body.validate(NativeBody, given, strict=not form)
    _sound(parsed.prompt)
    return parsed


def _sound(prompt: str) -> str:
    """Return the question; raises `BadRequest` for a blank or over-long one."""
    if not prompt.strip():
        raise BadRequest("prompt: the question is blank.", "prompt")
    if len(prompt) > LONGEST_PROMPT:
        raise BadRequest(f"prompt: at most {LONGEST_PROMPT:,} characters.", "prompt")
    return prompt


def _question(body: NativeBody) -> Question:
    turns = [Message("system", body.system_prompt)] if body.system_prompt.strip() else []
    for user, assistant in body.history:
        turns += [Message("user", user), Message("assistant", assistant)]
    mode: Mode = body.mode or ("knowledge" if body.langchain else "chat")
    sampling = Sampling(
        max_tokens=body.max_new_tokens,
        temperature=body.temperature if body.do_sample else 0.0,
        top_p=body.top_p,
        top_k=max(body.top_k, 0),
        repetition_penalty=body.repetition_penalty,
        stop=tuple((body.stop or []) + (body.stop_sequences or [])),
        seed=body.seed,
    )
    return Question((*turns, Message("user", body.prompt)), mode, body.knowledge_base, body.retrieval_top_k, sampling)
