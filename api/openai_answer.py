"""What OpenAI's answers have in common: reasons, usage, and ours beside them: the sources. Knows no request."""

from collections.abc import Sequence
from typing import Any

from api import support_fields
from api.answering import text_of
from assistant.citations import find
from assistant.prompt import where
from assistant.run import Run
from generation.base import FinishReason, Usage
from knowledge.base import Passage

REASONS: dict[FinishReason | None, str] = {"stop": "stop", "length": "length"}
"""The rest, an answer that was ended from outside, is not whole either: "length"."""


def reason(run: Run) -> str:
    """Return why the answer ended."""
    return REASONS.get(run.finish_reason, "length")


def usage(used: Usage | None) -> dict[str, Any] | None:
    """Return the tokens as completions tell them."""
    if used is None:
        return None
    return {
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens,
        "total_tokens": used.prompt_tokens + used.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": used.cached_tokens},
    }


def extras(runs: Sequence[Run]) -> dict[str, Any]:
    """Return our own fields of answers from documents: `sources`, `support` and what belongs to it, `left_out`.

    A source is `cited` where one of the answers cites it.
    """
    run = runs[0]
    if run.mode == "chat":
        return {}
    used = {number for each in runs for number in find(text_of(each), len(each.sources)).used}
    fields: dict[str, Any] = {
        "sources": [_source(number, passage, number in used) for number, passage in enumerate(run.sources, 1)]
    }
    if len(runs) == 1:  # of several answers each has its own
        fields |= support_fields.fields(run)
    if run.fitted is not None and run.fitted.left_out_passages:
        fields["left_out"] = {"passages": len(run.fitted.left_out_passages)}
    return fields


def _source(number: int, passage: Passage, cited: bool) -> dict[str, Any]:
    place = passage.locator
    return {
        "number": number,
        "cited": cited,
        "file_id": passage.source.file,
        "filename": passage.source.name,
        "where": where(place),
        "page": place.page,
        "headings": list(place.headings),
        "lines": None if place.first_line is None else [place.first_line, place.last_line],
        "score": round(passage.score, 4),
        "text": passage.text,
    }
