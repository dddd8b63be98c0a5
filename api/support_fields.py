"""What an answer from documents rests on, as fields of ours beside its sources. Knows no protocol."""

from dataclasses import asdict
from typing import Any

from assistant.run import Run


def fields(run: Run) -> dict[str, Any]:
    """Return `support` of a run that has ended, or nothing for one that is not from documents.

    `support`: "cited", "matched", "none", "refused" or "general"; `grounded`: whether documents back the answer; `matched`:
    sentences that cite nothing and the number of the source that holds each, `start` and `end` in characters of the answer;
    `invalid_citations`: numbers that the model invented, which were taken out. `coverage`, where whole documents were asked
    for: passages `read` of all `passages` of them, in how many `parts`, and whether the answers to these are only `listed`.
    """
    found = run.support
    if found is None:
        return {}
    told = {
        "support": found.kind,
        "grounded": found.kind in ("cited", "matched"),
        "matched": [{"start": one.start, "end": one.end, "number": one.passage} for one in found.matched],
        "invalid_citations": found.invalid,
    }
    return told if run.coverage is None else told | {"coverage": asdict(run.coverage)}
