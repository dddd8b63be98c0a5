"""The table of files: what was uploaded. Every function works within one transaction; bytes it does not know."""

import sqlite3
import time

from knowledge import tokens
from knowledge.base import UnknownDocument
from knowledge.file_base import File, Part, Window
from knowledge.listing import part

_FILE = "SELECT token, name, sha256, size, purpose, added, id FROM files"


def add_file(connection: sqlite3.Connection, name: str, sha256: str, size: int, purpose: str, uploaded: bool) -> int:
    """Add a file; returns its number. `uploaded`: it is kept until it is deleted, whatever base it is in."""
    values = (tokens.file(), name, sha256, size, purpose, uploaded, time.time())
    added = connection.execute(
        "INSERT INTO files (token, name, sha256, size, purpose, uploaded, added) VALUES (?, ?, ?, ?, ?, ?, ?)", values
    )
    return added.lastrowid or 0


def file(connection: sqlite3.Connection, number: int) -> File:
    """Return the file of a number."""
    return File(*connection.execute(_FILE + " WHERE id = ?", (number,)).fetchone()[:6])


def file_number(connection: sqlite3.Connection, token: str) -> int:
    """Return the number of the file of an id; raises `UnknownDocument`."""
    row = connection.execute("SELECT id FROM files WHERE token = ?", (token,)).fetchone()
    if row is None:
        raise UnknownDocument("there is no file of this id")
    return int(row[0])


def hash_of(connection: sqlite3.Connection, number: int) -> str:
    """Return the hash of a file's bytes; raises `UnknownDocument` when it is gone."""
    row = connection.execute("SELECT sha256 FROM files WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise UnknownDocument("there is no file of this id")
    return str(row[0])


def file_list(connection: sqlite3.Connection, window: Window, purpose: str) -> Part[File]:
    """Return a part of all files; `purpose` "": of any."""
    query = _FILE + " WHERE (:purpose = '' OR purpose = :purpose)"
    place = "SELECT id FROM files WHERE token = :token"
    return part(connection, query, {"purpose": purpose}, window, lambda row: File(*row[:6]), place)


def drop_file(connection: sqlite3.Connection, number: int) -> None:
    """Forget a file, which is in no base any more."""
    connection.execute("DELETE FROM files WHERE id = ?", (number,))


def file_count(connection: sqlite3.Connection) -> int:
    """Return how many files there are."""
    return int(connection.execute("SELECT count(*) FROM files").fetchone()[0])
