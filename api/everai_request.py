"""A request to the EverAI application: a prompt, in the query of a GET or as JSON. Knows no answer.

Source: EverAI's example application; its parameters of generation are fixed there, and the defaults here.
"""

from typing import Annotated
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from api import json_body
from api.errors import BadRequest
from api.json_body import Text
from api.native_fields import sound
from api.native_v1_request import MOST_BEAMS
from assistant.assistant import Question
from generation.base import Feature, Message, Sampling


class EverAIBody(BaseModel):
    """The prompt, and what is ours beside it; unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore")

    prompt: Text
    max_length: Annotated[int, Field(ge=1, le=1_000_000)] = 256
    num_beams: Annotated[int, Field(ge=1, le=MOST_BEAMS)] = 4
    no_repeat_ngram_size: Annotated[int, Field(ge=0, le=100)] = 2
    langchain: bool = False
    knowledge_base: Annotated[str, Field(min_length=1, max_length=64)] = "default"

    def question(self, features: frozenset[Feature]) -> Question:
        """Return the question for an engine of these features; one that cannot search answers greedily.

        The clients cannot choose: their every request asks for a search, also from an engine that has none.
        """
        beams = self.num_beams if "beams" in features else 1
        size = self.no_repeat_ngram_size if beams > 1 else 0
        sampling = Sampling(self.max_length, temperature=0.0, num_beams=beams, no_repeat_ngram_size=size)
        return Question(
            (Message("user", self.prompt),), "knowledge" if self.langchain else "chat", self.knowledge_base, sampling=sampling
        )


async def read(request: Request) -> EverAIBody:
    """Return what `request` asks, by query or body; raises `BadRequest` naming the field."""
    if request.method == "GET":
        body = json_body.validate(EverAIBody, _parameters(request.url.query), strict=False)
    else:
        body = await json_body.read(request, EverAIBody)
    sound(body.prompt)
    return body


def _parameters(query: str) -> dict[str, str]:
    try:
        given = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=50)
    except UnicodeDecodeError:
        raise BadRequest("The address is not UTF-8.") from None
    except ValueError:
        raise BadRequest("The address has more than 50 parameters.") from None
    if len(dict(given)) != len(given):
        raise BadRequest("A parameter appears twice in the address.")
    return dict(given)
