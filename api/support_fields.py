"""What an answer from documents rests on, as fields of ours beside its sources. Knows no protocol."""

from typing import Any

from assistant.run import Run


def fields(run: Run) -> dict[str, Any]:
    """Return `support` of a run that has ended, or nothing for one that is not from documents.

    `support`: "cited", "matched", "none" or "refused"; `grounded`: whether documents back the answer; `matched`: sentences
    that cite nothing and the number of the source that holds each, `start` and `end` in characters of the answer;
    `invalid_citations`: numbers that the model invented, which were taken out.
    """
    found = run.support
    if found is None:
        return {}
    return {
        "support": found.kind,
        "grounded": found.kind in ("cited", "matched"),
        "matched": [{"start": one.start, "end": one.end, "number": one.passage} for one in found.matched],
        "invalid_citations": found.invalid,
    }
