"""The table of a knowledge base's documents and of the files on their way into it. HTML from plain data.

What can be done is a link (`actions.py`); what its number means, the tab knows.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from knowledge.base import Document, Job, Stage
from webui.actions import link
from webui.markup import bar, flat, note
from webui.texts.base import Texts


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that was refused before it became a job."""

    name: str
    reason: str


def table(documents: Sequence[Document], jobs: Sequence[Job], refused: Sequence[Refused], texts: Texts) -> str:
    """Return the table: files on their way first, then what failed, then the documents, the latest first."""
    latest = {job.name: job for job in jobs}
    # One that rests holds up what came later under its name, so it is seen beside it.
    going = [job for job in jobs if not job.done and (job.retry is not None or job is latest[job.name])]
    failed = [job for job in latest.values() if job.stage in ("failed", "cancelled")]
    rows = (
        [_job(job, texts) for job in going] + [_refused(file, texts) for file in refused] + [_job(job, texts) for job in failed]
    )
    stored = sorted(documents, key=lambda document: (document.added, document.id), reverse=True)
    rows += [
        _document(document, latest.get(document.name), texts)
        for document in stored
        if document.name not in {j.name for j in going}
    ]
    if not rows:
        return note(texts.no_documents, "quiet")
    heads = (texts.document, texts.stage, texts.passages, texts.time, texts.actions)
    head = "".join(f"<th>{flat(text)}</th>" for text in heads)
    again = link("retryall", 0, texts.retry_all) if sum(job.stage == "failed" for job in failed) > 1 else ""
    hide = again + (link("dismiss", 0, texts.dismiss) if failed or refused else "")
    return f'<table class="documents"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>{hide}'


def _job(job: Job, texts: Texts) -> str:
    stage = flat(texts.stages[job.stage])
    detail = flat(job.detail)
    if job.stage in ("failed", "cancelled"):
        kind = "bad" if job.stage == "failed" else "muted"
        words = f'<span class="{kind}">{stage}{": " + detail if detail else ""}</span>'
        return _row(
            job.name,
            words,
            "",
            _seconds(job.seconds),
            link("retry", job.id, texts.retry),
        )
    if job.retry is not None:
        at = time.strftime("%H:%M", time.localtime(job.retry.at))
        when = flat(texts.trying_again.format(at, job.retry.number, job.retry.most))
        acts = link("retry", job.id, texts.try_now) + link("cancel", job.id, texts.cancel)
        return _row(job.name, f'<span>{stage}, {when}</span><div class="muted">{detail}</div>', "", _seconds(job.seconds), acts)
    filled = f"{bar(job.part)} " if job.stage != "waiting" else ""
    part = f" {100 * job.part:.0f} %" if job.stage != "waiting" and job.part else ""
    words = f"{filled}<span>{stage}{part}{', ' + detail if detail else ''}</span>"
    return _row(
        job.name,
        words,
        f"{job.chunks:,}" if job.chunks else "",
        _seconds(job.seconds),
        link("cancel", job.id, texts.cancel),
    )


def _document(document: Document, job: Job | None, texts: Texts) -> str:
    stage: Stage = "skipped" if job is not None and job.stage == "skipped" else "ready"
    words = f'<span class="good">{flat(texts.stages[stage])}</span>'
    words += "".join(_below(warning) for warning in document.warnings)
    seconds = _seconds(job.seconds) if job is not None and job.stage == "ready" else ""
    acts = link("passages", document.id, texts.passages_link) + link("delete", document.id, texts.delete)
    off = texts.switched_off_count.format(f"{document.switched_off:,}") if document.switched_off else ""
    return _row(document.name, words, f"{document.chunks:,}{_below(off)}", seconds, acts)


def _below(text: str) -> str:
    return f'<div class="muted">{flat(text)}</div>' if text else ""


def _refused(file: Refused, texts: Texts) -> str:
    return _row(file.name, f'<span class="bad">{flat(texts.stages["failed"])}: {flat(file.reason)}</span>', "", "", "")


def _row(name: str, stage: str, passages: str, seconds: str, actions: str) -> str:
    return f'<tr><td class="name">{flat(name)}</td><td>{stage}</td><td>{passages}</td><td>{seconds}</td><td>{actions}</td></tr>'


def _seconds(seconds: float) -> str:
    return "" if seconds <= 0 else f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
