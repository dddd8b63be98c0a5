"""Vector stores, the files in them and batches in OpenAI's shape; pure functions from the knowledge room's types."""

from typing import Any

from knowledge.base import Locator, Passage
from knowledge.file_base import BaseCard, Batch, Counts, Cut, Entry

UNSUPPORTED = frozenset({"wrong_type", "needs_ocr"})
INVALID = frozenset({"empty", "encrypted", "broken", "too_large"})
"""Reasons of `UnreadableFile` that lie in the file; the others are the server's."""


def store(card: BaseCard) -> dict[str, Any]:
    """Return a vector store."""
    return {
        "id": card.id,
        "object": "vector_store",
        "created_at": int(card.created),
        "name": card.name,
        "usage_bytes": card.bytes,
        "file_counts": counts(card.counts),
        "status": "in_progress" if card.counts.in_progress else "completed",
        "expires_after": None,
        "expires_at": None,
        "last_active_at": None,
        "metadata": dict(card.metadata),
    }


def counts(given: Counts) -> dict[str, int]:
    """Return the numbers of files by status."""
    return {
        "in_progress": given.in_progress,
        "completed": given.completed,
        "failed": given.failed,
        "cancelled": given.cancelled,
        "total": given.total,
    }


def file(entry: Entry) -> dict[str, Any]:
    """Return a file in a vector store; `filename` is ours."""
    return {
        "id": entry.file,
        "object": "vector_store.file",
        "created_at": int(entry.added),
        "vector_store_id": entry.base,
        "filename": entry.name,
        "status": entry.status,
        "usage_bytes": entry.bytes,
        "last_error": error(entry) if entry.status == "failed" else None,
        "attributes": dict(entry.attributes),
        "chunking_strategy": chunking(entry.cut),
    }


def error(entry: Entry) -> dict[str, str]:
    """Return why a file failed: one of OpenAI's three codes, our sentence, and our own code."""
    known = {"unsupported_file": UNSUPPORTED, "invalid_file": INVALID}
    code = next((name for name, codes in known.items() if entry.code in codes), "server_error")
    return {"code": code, "message": entry.detail or "the file could not be read", "reason": entry.code}


def chunking(cut: Cut | None) -> dict[str, Any]:
    """Return how a file was cut; documents from before that was written down do not know."""
    if cut is None:
        return {"type": "other"}
    return {"type": "static", "static": {"max_chunk_size_tokens": cut.tokens, "chunk_overlap_tokens": cut.overlap}}


def batch(given: Batch) -> dict[str, Any]:
    """Return a batch of files."""
    working = given.counts.in_progress > 0
    status = "cancelled" if given.cancelled else "in_progress" if working else "completed"
    return {
        "id": given.id,
        "object": "vector_store.files_batch",
        "created_at": int(given.created),
        "vector_store_id": given.base,
        "status": status,
        "file_counts": counts(given.counts),
    }


def result(passage: Passage, entry: Entry) -> dict[str, Any]:
    """Return a passage that was found; `locator` and `scores` are ours."""
    return {
        "file_id": entry.file,
        "filename": entry.name,
        "score": round(min(max(passage.score, 0.0), 1.0), 6),
        "attributes": dict(entry.attributes),
        "content": [{"type": "text", "text": passage.text}],
        "locator": locator(passage.locator),
        "scores": {name: round(score, 6) for name, score in passage.scores.items()},
    }


def passage(given: Passage) -> dict[str, Any]:
    """Return a passage of a file in a vector store; all of it is ours."""
    return {
        "id": str(given.chunk_id),
        "object": "vector_store.file.passage",
        "text": given.text,
        "tokens": given.tokens,
        "locator": locator(given.locator),
        "switched_off": given.switched_off,
    }


def locator(place: Locator) -> dict[str, Any]:
    """Return where in its document a passage stands."""
    return {
        "page": place.page,
        "headings": list(place.headings),
        "lines": None if place.first_line is None else [place.first_line, place.last_line],
    }
