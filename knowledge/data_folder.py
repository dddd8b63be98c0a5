"""What lies in a data folder, by name. A backup has the same layout; what is in any of it, other modules know."""

from pathlib import Path

from knowledge.originals import Originals

DATABASE, ORIGINALS, EVALUATION, INDEXES = "knowledge.db", "originals", "evaluation", "indexes"
BACKUPS = "backups"
"""Where backups lie that are told no place; they stay out of backups and of what a restore puts away."""

LOCK = "knowledge.lock"
RESTORED = "restore.whole"
"""A restored folder that only needs to be put in place."""


def originals(folder: Path) -> Originals:
    """Return the originals of a folder that nothing is uploaded to."""
    return Originals(folder / ORIGINALS, 0, lambda point: None)
