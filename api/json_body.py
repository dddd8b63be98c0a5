"""A body becomes a checked model, or a `BadRequest` that names the place. Strict where JSON libraries are lax; knows no field.

RFC 8259; what it leaves open is refused here, because the next reader may read it otherwise: a name twice, NaN, halves of
characters, numbers and nesting without end (threats S-51, S-70, S-77). No message repeats the input.
"""

import json
import re
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request

from api.errors import BadRequest

HINTS = "usual mistakes: a missing comma, a comma after the last field, True or None instead of true or null"
SURROGATE = re.compile("[\ud800-\udfff]")
LONGEST_NAME = 80
"""Characters of a field's name in a message; names are the client's own text."""
LONGEST_TEXT = 200_000
"""Characters of one text; longer ones are refused before they are tokenised."""

Text = Annotated[str, Field(max_length=LONGEST_TEXT)]

Model = TypeVar("Model", bound=BaseModel)


class NotJson(BadRequest):
    """The text is not JSON at all."""


async def read(request: Request, model: type[Model]) -> Model:
    """Return the JSON object in the body of `request`, whatever its label; raises `BadRequest`."""
    return validate(model, parse(decode(await request.body())))


def decode(body: bytes) -> str:
    """Return the text of `body`, UTF-8 with or without a byte order mark; raises `BadRequest`."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8 (byte {error.start}).") from None


def parse(text: str) -> dict[str, Any]:
    """Return the fields of a JSON object; raises `BadRequest` naming line and column."""
    try:
        fields = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
    except json.JSONDecodeError as error:
        raise NotJson(f"The body is not JSON: line {error.lineno}, column {error.colno}; {HINTS}.") from None
    except (RecursionError, ValueError):
        raise BadRequest("The JSON is nested too deeply or holds a number that is too long.") from None
    if not isinstance(fields, dict):
        raise BadRequest("The body is not a JSON object like {...}.")
    # Escapes are the only way in: UTF-8 that was decoded strictly holds none.
    if "\\u" in text and SURROGATE.search(json.dumps(fields, ensure_ascii=False)):
        raise BadRequest("A text holds half of a character (a lone surrogate).")
    return fields


def validate(model: type[Model], fields: dict[str, Any], strict: bool = True) -> Model:
    """Return `fields` as `model`; raises `BadRequest` naming the first wrong field.

    `strict`: JSON says what type a value has, so a string is no number there; a form has nothing but strings.
    """
    try:
        return model.model_validate(fields, strict=strict)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        # Deeper places name the kinds of a union as well, which say nothing to a client, and so may the second.
        named = [str(part) for part in first["loc"][:2] if isinstance(part, int) or _is_name(part)]
        field = ".".join(named)[:LONGEST_NAME]
        raise BadRequest(f"{field or 'body'}: {first['msg'].removeprefix('Value error, ')[:300]}.", field) from None


def _is_name(part: str) -> bool:
    """Whether a place is a field, and no kind of pydantic's like `constrained-str` or `list[str]`."""
    return part.isidentifier() and part not in ("str", "int", "float", "bool", "list", "dict")


def described(model: type[BaseModel], required: bool = True) -> dict[str, Any]:
    """Return what the OpenAPI document says of a body that a route reads by itself (`openapi_extra` of the route)."""
    schema = model.model_json_schema(ref_template=f"#/components/schemas/{model.__name__}.{{model}}")
    definitions = schema.pop("$defs", {})
    return {
        "requestBody": {"required": required, "content": {"application/json": {"schema": schema}}},
        "x-schemas": {f"{model.__name__}.{name}": definition for name, definition in definitions.items()},
    }


def _no_constant(name: str) -> NoReturn:
    raise BadRequest(f"{name} is not a number in JSON.")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BadRequest("A field appears twice in the JSON.")
    return fields
