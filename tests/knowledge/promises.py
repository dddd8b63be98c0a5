"""What `doomed.py` was promised, held against what is there after its death."""

from contextlib import suppress

import pytest

from knowledge.base import UnknownBase, UnknownDocument
from knowledge.library import Library
from tests.knowledge.conftest import finish
from tests.knowledge.stubs import story


def contents(library: Library, name: str) -> set[str]:
    """Return which of "old" and "new" the passages of a document are."""
    try:
        return {passage.text[:3] for passage in library.passages("default", name)}
    except UnknownDocument:
        return set()


def switched_off(library: Library) -> list[int]:
    """Return which passages of the kept document are switched off, by their places."""
    return [at for at, passage in enumerate(library.passages("default", "kept.txt")) if passage.switched_off]


def keeps(library: Library, said: set[str]) -> None:
    """Assert that the library keeps what was promised, and never a mixture."""
    assert contents(library, "kept.txt") == {"old"}
    assert switched_off(library) in ([[1], [1, 2]] if "off" in said else [[], [1], [1, 2]])
    assert contents(library, "new.txt") in ([{"new"}] if "accepted new.txt" in said else [set(), {"new"}])
    assert contents(library, "replaced.txt") in ([{"new"}] if "accepted replaced.txt" in said else [{"old"}, {"new"}])
    assert contents(library, "removed.txt") in ([set()] if "removed" in said else [set(), {"old"}])
    promised = dict(line.split() for line in said if line.split()[0] in ("file", "put", "took"))
    if "file" in promised:
        assert library.files.content(promised["file"]) == story("alone", 3)
    if "took" in promised:
        with pytest.raises(UnknownDocument):
            library.files.get(promised["took"])
    elif "put" in promised and any(base.name == "default" for base in library.bases()):
        with suppress(UnknownDocument):
            assert library.files.entry("default", promised["put"]).status == "completed"
    if "deleted" in said:
        assert "other" not in {base.name for base in library.bases()}


def repeat(library: Library) -> None:
    """Ask for the same changes again: the end must be the same, however far the first time came."""
    library.add("default", "new.txt", story("newnew", 9))
    library.add("default", "replaced.txt", story("newreplaced", 9))
    with suppress(UnknownDocument):
        library.remove("default", "removed.txt")
    with suppress(UnknownBase):
        library.delete("other")
    assert {job.stage for job in finish(library)} <= {"ready", "skipped"}
    with suppress(UnknownDocument):
        library.remove("default", "taken.txt")
    assert {d.name: contents(library, d.name) for d in library.documents("default")} == {
        "kept.txt": {"old"},
        "new.txt": {"new"},
        "replaced.txt": {"new"},
    }
    assert [base.name for base in library.bases()] == ["default"]
