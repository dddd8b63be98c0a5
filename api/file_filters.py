"""The field `filters` of those requests that search a knowledge base: which files count, by their attributes."""

from typing import Annotated, Any

from pydantic import AfterValidator

from knowledge.attribute_filter import Condition, condition


def _readable(given: dict[str, Any]) -> dict[str, Any]:
    condition(given)
    return given


Filters = Annotated[dict[str, Any], AfterValidator(_readable)]
"""A filter as `knowledge.attribute_filter.condition` reads it; anything else is refused with its sentence."""


def where(filters: dict[str, Any] | None) -> Condition | None:
    """Return what a document's files must fulfil; None: all count."""
    return None if filters is None else condition(filters)
