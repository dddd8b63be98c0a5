"""Is a data folder whole? Looks at the database and the originals, changes nothing, and says what is not as it should be.

What a process leaves that was killed (bytes nobody refers to yet, or any more) is no harm: the next start removes it.
Indexes are no files; whoever has one open compares its ids with the database's (`Library.verify`).
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from knowledge.data_folder import DATABASE, originals
from knowledge.originals import Originals
from knowledge.store import VERSION

PART = 1 << 20

_WRONG: Mapping[str, str] = {
    "the document {!r} of the knowledge base {!r} says that it has {} passages, and has {}": (
        "SELECT d.name, b.name, d.chunks, count(c.id) FROM documents d JOIN bases b ON b.id = d.base_id"
        " LEFT JOIN chunks c ON c.document_id = d.id GROUP BY d.id HAVING d.chunks != count(c.id) OR NOT count(c.id)"
    ),
    "the vectors of the knowledge base {!r} are of {} lengths": (
        "SELECT b.name, count(DISTINCT length(c.vector)) FROM chunks c JOIN documents d ON d.id = c.document_id"
        " JOIN bases b ON b.id = d.base_id GROUP BY b.id HAVING count(DISTINCT length(c.vector)) != 1"
    ),
    "the document {!r} of the knowledge base {!r} belongs to no file": (
        "SELECT t.name, b.name FROM documents t JOIN bases b ON b.id = t.base_id WHERE NOT EXISTS"
        " (SELECT 1 FROM entries e WHERE e.base_id = t.base_id AND e.file_id = t.file_id)"
    ),
    "the unfinished job of {!r} in the knowledge base {!r} belongs to no file": (
        "SELECT t.name, b.name FROM jobs t JOIN bases b ON b.id = t.base_id"
        " WHERE t.stage NOT IN ('ready', 'skipped') AND NOT EXISTS"
        " (SELECT 1 FROM entries e WHERE e.base_id = t.base_id AND e.file_id = t.file_id)"
    ),
    "the file {!r} was not uploaded by itself and is in no knowledge base": (
        "SELECT name FROM files f WHERE NOT uploaded AND NOT EXISTS (SELECT 1 FROM entries WHERE file_id = f.id)"
    ),
}
"""What is wrong with each row that a query gives."""

_LATER: Mapping[str, str] = {
    "{} passages have no words stored: the next start makes them": (
        "SELECT count(*) FROM chunks WHERE id NOT IN (SELECT chunk_id FROM chunk_terms) HAVING count(*)"
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, in a sentence; `harmless`: nothing is lost, and the next start mends it."""

    text: str
    harmless: bool = False


def findings(folder: Path) -> list[Finding]:
    """Return what is not as it should be with a data folder, or a backup, that is not changing."""
    database = folder / DATABASE
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            kept = originals(folder)
            found = [*rows(connection), *files(connection, kept)]
            if not connection.execute("PRAGMA user_version").fetchone()[0]:  # no harm before anything was ever uploaded
                found.append(Finding(f"{database} is empty, or of another program", harmless=not kept.kept()))
            return found
    except sqlite3.Error as error:
        return [Finding(f"{database} cannot be read: {error}")]


def rows(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Yield what is wrong within the database."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    for (said,) in connection.execute("PRAGMA integrity_check(20)").fetchall():
        if said != "ok":
            yield Finding(f"the database is damaged: {said}")
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check").fetchall():
        yield Finding(f"row {row} of the table {table} belongs to a row of {parent} that does not exist")
    if version > VERSION:
        yield Finding(f"the database was written by a newer version of this program (schema {version}, not {VERSION})")
        return
    if version < VERSION:
        yield Finding(f"the tables are of schema {version}: the next start brings them to {VERSION}", harmless=True)
        return
    for sentence, query in _WRONG.items():
        yield from (Finding(sentence.format(*found)) for found in connection.execute(query))
    for sentence, query in _LATER.items():
        yield from (Finding(sentence.format(*found), harmless=True) for found in connection.execute(query))


def files(connection: sqlite3.Connection, originals: Originals) -> Iterator[Finding]:
    """Yield what is wrong with the originals that the database refers to, and those it does not; reads every byte."""
    if not originals.folder.is_dir():
        yield Finding(f"the folder of the originals, {originals.folder}, is missing")
        return
    wanted, kept = names(connection), set(originals.kept())
    for sha256, name in wanted.items():
        if sha256 not in kept:
            yield Finding(f"the original of {name!r} is missing ({sha256[:12]}): its passages are there; add the file again")
        elif digest(originals.path(sha256)) != sha256:
            yield Finding(f"the original of {name!r} is damaged ({originals.path(sha256)}): add the file again")
    for many, what in (
        (len(kept - wanted.keys()), "files are kept that nothing refers to"),
        (len(originals.incoming()), "uploads broke off"),
    ):
        if many:
            yield Finding(f"{many} {what}: the next start removes them", harmless=True)


def names(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the hashes that the database refers to, each with the name of a file that has it."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = ["SELECT sha256, name FROM documents", "SELECT sha256, name FROM jobs WHERE stage NOT IN ('ready', 'skipped')"]
    if version > 1:
        tables.append("SELECT sha256, name FROM files")
    return dict(connection.execute(" UNION ALL ".join(tables)).fetchall()) if version else {}


def digest(path: Path) -> str:
    """Return the sha256 of a file, in hex; "" when it cannot be read."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while part := file.read(PART):
                found.update(part)
    except OSError:
        return ""
    return found.hexdigest()
