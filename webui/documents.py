"""The table of a knowledge base's documents and of the files on their way into it. HTML from plain data.

What can be done is a link (`actions.py`); what its number means, the tab knows.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from knowledge.base import Document, Job, Stage
from webui.actions import link
from webui.markup import bar, flat, note
from webui.texts.base import Texts

SHOWN = 100
"""Rows of the table at a time: ten thousand would be sent again at every step of a file on its way."""


LONG = 60
"""Characters of a name that may be cut where it is shown."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that was refused before it became a job; `code` as that of a job that failed."""

    name: str
    code: str
    detail: str


Entry = Job | Refused | Document


def table(documents: Sequence[Document], jobs: Sequence[Job], refused: Sequence[Refused], texts: Texts, find: str = "") -> str:
    """Return the table: files on their way first, then what failed, then the documents, the latest first.

    `find`: a part of the names that are shown, in either case; no more than `SHOWN` of them are.
    """
    latest = {job.name: job for job in jobs}
    entries = _entries(documents, jobs, refused, latest)
    if not entries:
        return note(texts.no_documents, "quiet")
    wanted = [entry for entry in entries if find.strip().casefold() in entry.name.casefold()]
    above = _above([entry for entry in entries if not isinstance(entry, Document)], texts)
    if not wanted:
        return above + note(texts.none_named.format(find.strip()), "quiet")
    heads = (texts.document, texts.stage, texts.passages, texts.time, texts.actions)
    head = "".join(f"<th>{flat(text)}</th>" for text in heads)
    rows = "".join(_entry(entry, latest, texts) for entry in wanted[:SHOWN])
    more = note(texts.more_documents.format(f"{len(wanted) - SHOWN:,}"), "quiet") if len(wanted) > SHOWN else ""
    return f'{above}<table class="documents"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}'


def _entries(
    documents: Sequence[Document], jobs: Sequence[Job], refused: Sequence[Refused], latest: Mapping[str, Job]
) -> list[Entry]:
    # One that rests holds up what came later under its name, so it is seen beside it.
    going = [job for job in jobs if not job.done and (job.retry is not None or job is latest[job.name])]
    failed = [job for job in latest.values() if job.stage in ("failed", "cancelled")]
    replaced = {job.name for job in going}
    stored = sorted(documents, key=lambda document: (document.added, document.id), reverse=True)
    return [*going, *refused, *failed, *(document for document in stored if document.name not in replaced)]


def _above(files: Sequence[Job | Refused], texts: Texts) -> str:
    """Return the links for all files that failed at once; above the table, where the files that failed are, too."""
    ended = [file for file in files if isinstance(file, Refused) or file.done]
    failed = sum(isinstance(file, Job) and file.stage == "failed" for file in ended)
    again = link("retryall", 0, texts.retry_all) if failed > 1 else ""
    hide = link("dismiss", 0, texts.dismiss) if ended else ""
    return f'<div class="above">{again}{hide}</div>' if ended else ""


def _entry(entry: Entry, latest: Mapping[str, Job], texts: Texts) -> str:
    if isinstance(entry, Job):
        return _job(entry, texts)
    return _refused(entry, texts) if isinstance(entry, Refused) else _document(entry, latest.get(entry.name), texts)


def _job(job: Job, texts: Texts) -> str:
    stage = flat(texts.stages[job.stage])
    detail = flat(job.detail)
    if job.stage in ("failed", "cancelled"):
        return _row(
            job.name,
            _ended(job.stage, job.code, job.detail, texts),
            "",
            _seconds(job.seconds),
            link("retry", job.id, texts.retry),
        )
    if job.retry is not None:
        at = time.strftime("%H:%M", time.localtime(job.retry.at))
        when = flat(texts.trying_again.format(at, job.retry.number, job.retry.most))
        acts = link("retry", job.id, texts.try_now) + link("cancel", job.id, texts.cancel)
        why = _below(": ".join(filter(None, (texts.reasons.get(job.code, ""), job.detail))))
        return _row(job.name, f"<span>{stage}, {when}</span>{why}", "", _seconds(job.seconds), acts)
    filled = f"{bar(job.part)} " if job.stage != "waiting" else ""
    part = f" {100 * job.part:.0f}\u00a0%" if job.stage != "waiting" and job.part else ""
    words = f"{filled}<span>{stage}{part}{', ' + detail if detail else ''}</span>"
    return _row(
        job.name,
        words,
        f"{job.chunks:,}" if job.chunks else "",
        _seconds(job.seconds),
        link("cancel", job.id, texts.cancel),
    )


def _ended(stage: Stage, code: str, detail: str, texts: Texts) -> str:
    """Return how a file ended, with why in the page's language where that is known; the detail is in English."""
    reason = texts.reasons.get(code, "")
    kind = "bad" if stage == "failed" else "muted"
    words = ": ".join(filter(None, (texts.stages[stage], reason or detail)))
    return f'<span class="{kind}">{flat(words)}</span>' + (_below(detail) if reason else "")


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
    return _row(file.name, _ended("failed", file.code, file.detail, texts), "", "", "")


def _row(name: str, stage: str, passages: str, seconds: str, actions: str) -> str:
    whole = f' title="{flat(name)}"' if len(name) > LONG else ""
    named = f'<td class="name"{whole}><span class="clamp">{flat(name)}</span></td>'
    return f"<tr>{named}<td>{stage}</td><td>{passages}</td><td>{seconds}</td><td>{actions}</td></tr>"


def _seconds(seconds: float) -> str:
    return "" if seconds < 0.05 else f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
