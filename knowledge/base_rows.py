"""What a knowledge base says of itself: id, name, metadata, how much is in it. Every function works within one transaction."""

import json
import sqlite3
import time
from collections.abc import Mapping
from typing import Any

from knowledge import tokens
from knowledge.base import BadName
from knowledge.entry_rows import counts_of_base
from knowledge.file_base import BaseCard, Part, Window
from knowledge.listing import part

_BASE = "SELECT token, name, created, metadata, id FROM bases"


def card(connection: sqlite3.Connection, base_id: int) -> BaseCard:
    """Return what clients see of a base."""
    return _card(connection, connection.execute(_BASE + " WHERE id = ?", (base_id,)).fetchone())


def card_list(connection: sqlite3.Connection, window: Window) -> Part[BaseCard]:
    """Return a part of all bases."""
    place = "SELECT id FROM bases WHERE token = :token"
    return part(connection, _BASE + " WHERE true", {}, window, lambda row: _card(connection, row), place)


def _card(connection: sqlite3.Connection, row: tuple[Any, ...]) -> BaseCard:
    token, name, created, metadata, number = row
    stored = connection.execute("SELECT coalesce(sum(bytes), 0) FROM documents WHERE base_id = ?", (number,)).fetchone()[0]
    return BaseCard(token, name, created, json.loads(metadata), stored, counts_of_base(connection, number))


def set_metadata(connection: sqlite3.Connection, base_id: int, metadata: Mapping[str, str]) -> None:
    """Replace the metadata of a base."""
    text = json.dumps(dict(metadata), ensure_ascii=False)
    connection.execute("UPDATE bases SET metadata = ? WHERE id = ?", (text, base_id))


def rename(connection: sqlite3.Connection, base_id: int, name: str) -> None:
    """Give a base another name; raises `BadName` when another base has it, or one that differs in case only."""
    folded = name.casefold()
    if connection.execute("SELECT 1 FROM bases WHERE folded = ? AND id != ?", (folded, base_id)).fetchone():
        raise BadName("there is another knowledge base of this name already")
    connection.execute("UPDATE bases SET name = ?, folded = ? WHERE id = ?", (name, folded, base_id))


def start_over(connection: sqlite3.Connection, base_id: int) -> None:
    """Make an emptied base a new one of the same name: who deleted the old one does not meet it again by its id."""
    connection.execute(
        "UPDATE bases SET token = ?, created = ?, metadata = '{}' WHERE id = ?", (tokens.base(), time.time(), base_id)
    )
