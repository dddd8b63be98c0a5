"""The body of a native request becomes a `Question`: string, JSON or form, told apart by what it is, not by its label.

Source: the old service's articles and clients, `docs/api/native.md`. Knows no answer.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

from pydantic import Field, field_validator

from api import json_body, native_v1_request
from api.errors import BadRequest
from api.json_body import Text
from api.native_fields import NativeFields, sound
from api.native_v1_request import V1Body
from assistant.assistant import Question
from generation.base import Message

FORM = re.compile(r"prompt=|(?:[^\s&=]+=[^\s&]*&)+prompt=\S*\s*\Z")
MOST_TURNS = 200

Pairs = list[list[str]]


class NativeBody(NativeFields):
    """The fields of version 2.."""

    prompt: Text
    system_prompt: Text = ""
    history: Annotated[list[list[Text]], Field(max_length=MOST_TURNS)] = Field(default_factory=list)
    max_new_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 2048
    use_stream_chat: bool | Literal["True", "False", "true", "false"] = False

    @field_validator("history")
    @classmethod
    def _pairs(cls, value: Pairs) -> Pairs:
        pairs = [pair for pair in value if pair]
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError("must be a list of [user, assistant] pairs")
        return pairs

    @property
    def stream(self) -> bool:
        """Whether the answer is wanted as it comes."""
        return str(self.use_stream_chat).lower() == "true"

    @property
    def question(self) -> Question:
        """The question; raises `BadRequest` for a raw prompt that has a conversation beside it."""
        if self.no_template and (self.history or self.system_prompt.strip()):
            raise BadRequest("no_template: a prompt without a template has no history and no system_prompt.", "no_template")
        turns = [Message("system", self.system_prompt)] if self.system_prompt.strip() else []
        for user, assistant in self.history:
            turns += [Message("user", user), Message("assistant", assistant)]
        return self.asked((*turns, Message("user", self.prompt)), self.max_new_tokens)


@dataclass(frozen=True, slots=True)
class NativeRequest:
    """A parsed request: its fields, the question they make, and whether it was a bare string."""

    body: NativeBody | V1Body
    question: Question
    bare: bool = False


def parse(body: bytes, content_type: str) -> NativeRequest:
    """Return the request in `body`; raises `BadRequest` naming the place."""
    text = json_body.decode(body)
    if not text.strip():
        raise BadRequest("The body is empty: send the question, or JSON with a field prompt.", "prompt")
    if content_type.lower().startswith("multipart/"):
        raise BadRequest("This address takes a question or JSON, not a multipart form; files are added on the page.")
    values, form = fields(text, content_type)
    if values is None:
        bare = NativeBody(prompt=sound(text))
        return NativeRequest(bare, bare.question, True)
    parsed = native_v1_request.validate(values) if native_v1_request.is_v1(values) else validate(values, form)
    return NativeRequest(parsed, parsed.question)


def fields(text: str, content_type: str = "") -> tuple[dict[str, Any] | None, bool]:
    """Return the fields of a JSON or form body (True: of a form), or None for a bare question; raises `BadRequest`."""
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
            values = parse_qs(stripped.rstrip(), keep_blank_values=True, max_num_fields=50)
        except ValueError:
            raise BadRequest("The form has more than 50 fields.") from None
        return {key: given[-1] for key, given in values.items()}, True
    return None, False


def validate(values: dict[str, Any], form: bool = False) -> NativeBody:
    """Return `values` as a request of version 2; raises `BadRequest` naming the field."""
    given = {key: value for key, value in values.items() if not (key in ("stop", "stop_sequences") and value == "")}
    parsed = json_body.validate(NativeBody, given, strict=not form)
    sound(parsed.prompt)
    return parsed
