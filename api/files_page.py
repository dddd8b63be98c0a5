"""Lists in parts, as OpenAI pages them: `limit`, `order`, `after` and `before` in the query, ids at the ends in the answer."""

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field
from starlette.requests import Request

from api import json_body
from knowledge.file_base import Part, Window

Item = TypeVar("Item")
LONGEST_ID = 128


class PageQuery(BaseModel):
    """The query of a list."""

    limit: int = Field(20, ge=1, le=100)
    order: Literal["asc", "desc"] = "desc"
    after: str = Field("", max_length=LONGEST_ID)
    before: str = Field("", max_length=LONGEST_ID)

    @property
    def window(self) -> Window:
        """The part that is wanted."""
        return Window(self.limit, self.order, self.after, self.before)


Query = TypeVar("Query", bound=PageQuery)


def read(request: Request, model: type[Query]) -> Query:
    """Return the checked query of `request`; raises `BadRequest`."""
    return json_body.validate(model, dict(request.query_params), strict=False)


def parameters(model: type[BaseModel]) -> dict[str, Any]:
    """Return what the OpenAPI document says of a query that a route reads by itself (`openapi_extra` of the route)."""
    fields = model.model_json_schema()["properties"]
    return {"parameters": [{"name": name, "in": "query", "required": False, "schema": fields[name]} for name in fields]}


def page(part: Part[Item], encode: Callable[[Item], dict[str, Any]]) -> dict[str, Any]:
    """Return the list that OpenAI's clients read."""
    data = [encode(item) for item in part.items]
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return {"object": "list", "data": data, **ends, "has_more": part.more}
