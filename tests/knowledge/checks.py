"""What must hold of a data folder after anything that happened to it (I1 to I7 of the design's list of faults)."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np

from knowledge.library import Library


def check(folder: Path) -> None:
    """Assert the invariants of the files in a folder that no process has open."""
    with closing(sqlite3.connect(folder / "knowledge.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("SELECT count(*) FROM chunks WHERE switched_off NOT IN (0, 1)").fetchone() == (0,)
        counts = connection.execute(
            "SELECT d.chunks, count(c.id), count(DISTINCT length(c.vector)) FROM documents d"
            " LEFT JOIN chunks c ON c.document_id = d.id GROUP BY d.id"
        ).fetchall()
        assert all(said == held > 0 and lengths == 1 for said, held, lengths in counts), counts
        wanted = {row[0] for row in connection.execute("SELECT sha256 FROM documents")}
        wanted |= {row[0] for row in connection.execute("SELECT sha256 FROM jobs WHERE stage NOT IN ('ready', 'skipped')")}
        wanted |= {row[0] for row in connection.execute("SELECT sha256 FROM files")}
        here = "SELECT 1 FROM entries e WHERE e.base_id = t.base_id AND e.file_id = t.file_id"
        lost = f"SELECT count(*) FROM documents t WHERE NOT EXISTS ({here})"
        assert connection.execute(lost).fetchone() == (0,)
        lost = f"SELECT count(*) FROM jobs t WHERE t.stage NOT IN ('ready', 'skipped') AND NOT EXISTS ({here})"
        assert connection.execute(lost).fetchone() == (0,)
        lost = "SELECT count(*) FROM files f WHERE NOT uploaded AND NOT EXISTS (SELECT 1 FROM entries WHERE file_id = f.id)"
        assert connection.execute(lost).fetchone() == (0,)
    originals = {file.name: file for file in (folder / "originals").glob("**/*") if file.is_file()}
    assert set(originals) == wanted
    assert all(hashlib.sha256(file.read_bytes()).hexdigest() == name for name, file in originals.items())


def check_open(library: Library) -> None:
    """Assert that each index holds exactly the switched-on chunks of the database, and search is what brute force is."""
    for base in library.bases():
        with library._store.read() as connection:
            rows = connection.execute(
                "SELECT c.id, c.vector FROM chunks c JOIN documents d ON d.id = c.document_id JOIN bases b"
                " ON b.id = d.base_id WHERE b.name = ? AND NOT c.switched_off",
                (base.name,),
            ).fetchall()
        index = library._indexes.of(library._base(base.name))
        assert index.ids() == index._lexical.ids() == {number for number, _ in rows}
        if not rows:
            continue
        query = library._embedder.encode_query("apple part2")
        vectors = np.array([np.frombuffer(blob, dtype=np.float16) for _, blob in rows], dtype=np.float32)
        best = float((vectors @ query.T).max())
        found = library.search(base.name, "apple part2", 5, mode="dense")
        assert abs(found[0].score - min(best, 1.0)) < 2e-3
        live = {document.id for document in library.documents(base.name)}
        assert all(passage.source.document_id in live and not passage.switched_off for passage in found)
