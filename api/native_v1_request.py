"""A request of version 1, known by its field `input_ids`: text in spite of its name. Knows no answer.

Source: the first clients of the old service, `docs/api/native-v1.md`; the defaults are what those clients sent.
"""

from typing import Annotated, Any

from pydantic import Field

from api import json_body
from api.json_body import Text
from api.native_fields import NativeFields, sound
from assistant.assistant import Question
from generation.base import Message

MOST_BEAMS = 8
"""Each beam keeps a conversation's keys and values of its own."""


class V1Body(NativeFields):
    """The fields of version 1.

    `max_length` bounds the answer alone: the prompt is never cut to it. Clients that know version 2 send `max_new_tokens`.
    """

    input_ids: Text
    top_k: Annotated[int, Field(ge=-1, le=1000)] = 0
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.01
    max_length: Annotated[int, Field(ge=1, le=1_000_000)] = 2048
    max_new_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    num_beams: Annotated[int, Field(ge=1, le=MOST_BEAMS)] = 1

    @property
    def question(self) -> Question:
        """The question: one turn by the model's chat template, or with `no_template` the prompt itself."""
        return self.asked((Message("user", self.input_ids),), self.max_new_tokens or self.max_length, self.num_beams)


def is_v1(values: dict[str, Any]) -> bool:
    """Return whether these fields are a request of version 1."""
    return "input_ids" in values and "prompt" not in values


def validate(values: dict[str, Any]) -> V1Body:
    """Return the request; raises `BadRequest` naming the field."""
    parsed = json_body.validate(V1Body, values)
    sound(parsed.input_ids, "input_ids")
    return parsed
