"""A part of a list by the ids at its ends, as OpenAI's lists are paged. Knows no table, and works in one transaction."""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from knowledge.base import UnknownDocument
from knowledge.file_base import Part, Window

Item = TypeVar("Item")


def part(
    connection: sqlite3.Connection,
    query: str,
    values: Mapping[str, Any],
    window: Window,
    made: Callable[[tuple[Any, ...]], Item],
    place: str,
) -> Part[Item]:
    """Return the wanted part of the rows of `query`, which has a WHERE and whose order is that of its column `id`.

    `place` is the query for the `id` of a `:token`; `values["base"]` names the base that the list belongs to (none: 0).
    Raises `UnknownDocument` when nothing of a given id is, or was, in this list.
    """
    ascending = window.order == "asc"
    backwards = bool(window.before) and not window.after
    bounds = {}
    for name, token, sign in (("after", window.after, "><"[not ascending]), ("before", window.before, "><"[ascending])):
        if token:
            query += f" AND id {sign} :{name}"
            bounds[name] = _position(connection, place, {**values, "token": token})
    query += f" ORDER BY id {'ASC' if ascending != backwards else 'DESC'} LIMIT :limit"
    rows = connection.execute(query, {**values, **bounds, "limit": window.limit + 1}).fetchall()
    kept = rows[: window.limit]
    return Part([made(row) for row in (reversed(kept) if backwards else kept)], len(rows) > window.limit)


def _position(connection: sqlite3.Connection, place: str, values: Mapping[str, Any]) -> int:
    """Return where in its list the item of an id stands, or stood: who pages may delete what he has read."""
    row = connection.execute(place, values).fetchone()
    if row is None:
        query = "SELECT position FROM gone WHERE token = :token AND base_id = :base ORDER BY id DESC LIMIT 1"
        row = connection.execute(query, {"base": 0, **values}).fetchone()
    if row is None:
        raise UnknownDocument("after, before: there is nothing of this id in this list")
    return int(row[0])
