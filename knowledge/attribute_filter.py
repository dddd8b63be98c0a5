"""Conditions on the attributes of files: a filter of OpenAI's file search becomes a function. Knows no database.

An attribute that is not there is unlike every value: `ne` and `nin` hold, nothing else does. Numbers are compared with
numbers and texts with texts (so that dates like 2026-01-31 have an order); `true` is no number.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from knowledge.file_base import Value

Condition = Callable[[Mapping[str, Value]], bool]

DEEPEST = 8
MOST = 100
LONGEST_KEY = 64
LONGEST_TEXT = 512

ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
KINDS = ("eq", "ne", *ORDERS, "in", "nin", "and", "or")


def condition(given: Any) -> Condition:
    """Return the function that a filter stands for; raises `ValueError` with a sentence that does not repeat it."""
    return _Reader().read(given, 0)


class _Reader:
    """Reads one filter and counts its parts."""

    def __init__(self) -> None:
        self._parts = 0

    def read(self, given: Any, depth: int) -> Condition:
        self._parts += 1
        if depth > DEEPEST or self._parts > MOST:
            raise ValueError(f"a filter has at most {MOST} parts, nested at most {DEEPEST} deep")
        if not isinstance(given, dict):
            raise ValueError("a filter is an object with type, key and value, or with type and filters")
        kind = given.get("type")
        if not isinstance(kind, str) or kind not in KINDS:
            raise ValueError(f"the type of a filter is one of {', '.join(KINDS)}")
        return self._compound(kind, given, depth) if kind in ("and", "or") else _comparison(kind, given)

    def _compound(self, kind: str, given: dict[str, Any], depth: int) -> Condition:
        filters = given.get("filters")
        if not isinstance(filters, list) or not filters:
            raise ValueError("a filter of the type and, or holds a list of filters that is not empty")
        inner = [self.read(one, depth + 1) for one in filters]
        every = all if kind == "and" else any
        return lambda attributes: every(one(attributes) for one in inner)


def _comparison(kind: str, given: dict[str, Any]) -> Condition:
    key, value = given.get("key"), given.get("value")
    if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY:
        raise ValueError(f"the key of a filter is a text of 1 to {LONGEST_KEY} characters")
    if kind in ("in", "nin"):
        if not isinstance(value, list) or not 0 < len(value) <= MOST or not all(map(_is_value, value)):
            raise ValueError(f"the value of a filter of the type in, nin is a list of 1 to {MOST} texts, numbers or booleans")
        among = value
        return lambda attributes: any(_same(attributes.get(key), one) for one in among) == (kind == "in")
    if not _is_value(value):
        raise ValueError(f"the value of a filter is a text of at most {LONGEST_TEXT} characters, a number or a boolean")
    if kind in ("eq", "ne"):
        return lambda attributes: _same(attributes.get(key), value) == (kind == "eq")
    if isinstance(value, bool):
        raise ValueError("a filter of the type gt, gte, lt, lte compares with a number or a text")
    order = ORDERS[kind]
    return lambda attributes: _kind(attributes.get(key)) is _kind(value) and order(attributes[key], value)


def _is_value(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_TEXT
    return isinstance(value, (bool, int, float)) and abs(value) <= 1e300


def _kind(value: Any) -> type | None:
    if value is None or isinstance(value, (bool, str)):
        return None if value is None else type(value)
    return float


def _same(one: Any, other: Any) -> bool:
    return _kind(one) is _kind(other) and bool(one == other)
