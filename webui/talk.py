"""The talk of one browser: its turns, as plain data that the browser keeps, and how they are shown as messages.

The browser holds it (`gr.BrowserState`), so two browsers never see each other's; the server's runs are found by their
unguessable ids. Knows no component.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

from assistant.citations import find, mend
from assistant.line import Place
from assistant.prompt import where
from assistant.refusal import SENTENCES
from assistant.run import GOING, Run
from generation.base import Message
from knowledge.base import Passage
from webui import markup
from webui.texts.base import Texts

LONGEST_TALK = 100
"""Turns kept; a browser's storage is small."""
WORTH_SAYING = 0.5
"""Seconds in the line from which on the facts of an answer tell of it."""


class SourceCard(TypedDict):
    """A passage as the page shows it; `base` and `file` are what its source is opened by ("" where it cannot be)."""

    base: str
    file: str
    name: str
    headings: list[str]
    page: int | None
    lines: list[int] | None
    score: float
    text: str


class Turn(TypedDict):
    """One question and its answer; `state` as of the run, or "refused" for a question that never ran.

    `facts` are those of a finished answer, or of one that waits: the part being read, its place in the line. `searched`:
    what was searched for, where it is not the question itself. `support`: what an answer from documents rests on
    (`assistant.support`), with the numbers of the passages that its sentences `matched` where it cites none. `by_words`:
    only words were compared.
    """

    question: str
    answer: str
    run: str
    mode: str
    state: Literal["waiting", "running", "finished", "cancelled", "failed", "refused", "interrupted"]
    error: str
    facts: list[str]
    sources: list[SourceCard]
    searched: str
    support: str
    matched: list[int]
    by_words: bool


def asked(question: str, run: Run) -> Turn:
    """Return the turn of a run that has just begun."""
    cards = [card(passage) for passage in run.sources]
    searched = "" if run.query.split() == question.split() else " · ".join(filter(None, run.query.split("\n")))
    began: Turn = {**refused(question, run.mode, ""), "run": run.id, "state": run.state}
    return {**began, "sources": cards, "searched": searched, "by_words": bool(run.by_words)}


def refused(question: str, mode: str, reason: str) -> Turn:
    """Return the turn of a question that was refused with `reason`."""
    return Turn(
        question=question,
        answer="",
        run="",
        mode=mode,
        state="refused",
        error=reason,
        facts=[],
        sources=[],
        searched="",
        support="",
        matched=[],
        by_words=False,
    )


def updated(turn: Turn, run: Run, error: str, texts: Texts, place: Place | None = None) -> Turn:
    """Return `turn` with what `run` has by now; `error` is the sentence of a failed one, `place` that of a waiting one."""
    text = mend(run.text, len(run.sources)) if run.done and run.mode == "knowledge" else run.text
    facts = _facts(run, texts) if run.done else _progress(run, texts) + _in_line(place, texts)
    rests = run.support if run.done else None
    support, matched = ("", []) if rests is None else (str(rests.kind), sorted({match.passage for match in rests.matched}))
    told: Turn = {**turn, "answer": text, "state": run.state, "error": error, "facts": facts}
    return {**told, "support": support, "matched": matched}


def going(talk: Sequence[Turn]) -> bool:
    """Return whether the last answer has not ended."""
    return bool(talk) and talk[-1]["state"] in GOING


def history(talk: Sequence[Turn]) -> list[Message]:
    """Return the earlier turns as the model is given them: those that were answered."""
    return [
        message
        for turn in talk
        if turn["answer"].strip() and turn["mode"] != "retrieval"
        for message in (Message("user", turn["question"]), Message("assistant", turn["answer"]))
    ]


def messages(talk: Sequence[Turn], key: str, texts: Texts) -> list[dict[str, Any]]:
    """Return the talk as messages of a Gradio chatbot; citations link to the cards of the same `key`."""
    shown: list[dict[str, Any]] = []
    for turn in talk:
        shown.append({"role": "user", "content": markup.answer(turn["question"], 0, "")})
        shown.append({"role": "assistant", "content": _answer(turn, key, texts)})
    return shown


def used(turn: Turn) -> tuple[int, ...]:
    """Return the numbers of the passages that the answer cites, or else of those that its sentences match."""
    return find(turn["answer"], len(turn["sources"])).used or tuple(turn.get("matched", ()))


def anchor(turn: Turn, key: str) -> str:
    """Return what the ids of the cards of `turn` begin with: those of another turn may be the ones that are shown."""
    return f"{key}-source-{turn['run'][:8]}"


def _answer(turn: Turn, key: str, texts: Texts) -> str:
    text = markup.answer(turn["answer"], len(turn["sources"]), anchor(turn, key))
    if turn["state"] in GOING:
        return f"{markup.GROWING}\n\n{text or markup.note(' · '.join(turn['facts']) or texts.waiting, 'note waiting')}"
    mark = markup.RETRIEVED if turn["mode"] == "retrieval" else ""
    if turn.get("support") == "refused":  # a note says it, and the cards name the nearest passages
        text = ""
    return "\n\n".join(part for part in (mark, text.strip(), *_notes(turn, key, texts)) if part)


def _notes(turn: Turn, key: str, texts: Texts) -> list[str]:
    notes: list[str] = []
    if turn["state"] == "cancelled":
        notes.append(markup.note(texts.stopped))
    elif turn["state"] == "interrupted":
        notes.append(markup.note(texts.interrupted, "note warning"))
    elif turn["state"] == "refused":
        notes.append(markup.note(turn["error"], "note warning"))
    elif turn["state"] == "failed":
        notes.append(markup.note(texts.failed.format(turn["error"]), "note error"))
    elif turn.get("support") == "refused":
        notes.append(markup.note(texts.not_told, "note warning"))
    elif turn.get("support") == "general":
        notes.append(markup.note(texts.general, "note warning"))
    elif turn.get("matched"):
        chips = markup.chips(turn["matched"], anchor(turn, key))
        notes.append(f'<div class="note">{markup.flat(texts.matched)} {chips}</div>')
    elif turn["mode"] == "knowledge" and turn["sources"] and not used(turn) and turn["answer"].strip() not in SENTENCES:
        notes.append(markup.note(texts.no_citation))
    if turn["facts"]:
        notes.append(markup.note(" · ".join(turn["facts"]), "facts"))
    return notes


def _facts(run: Run, texts: Texts) -> list[str]:
    if run.refused:  # no model was asked: there is nothing to count
        return []
    facts = []
    if run.mode == "knowledge" and not run.general:
        citations = find(run.text, len(run.sources))
        facts.append(texts.facts_sources.format(len(citations.used)))
        facts += [texts.invalid_citation.format(citations.invalid)] if citations.invalid else []
    if run.usage is not None and run.fitted is not None:
        facts.append(texts.facts_tokens.format(run.usage.completion_tokens))
    if run.tokens_per_second is not None:
        facts.append(texts.facts_speed.format(_rounded(run.tokens_per_second)))
    if run.first_after is not None and run.fitted is not None:
        facts.append(texts.facts_first.format(_short(run.first_after)))
    if run.waited is not None and run.waited >= WORTH_SAYING:
        facts.append(texts.facts_waited.format(duration(run.waited, texts)))
    if run.usage is not None and run.usage.cached_tokens:
        facts.append(texts.facts_cached.format(f"{run.usage.cached_tokens:,}", f"{run.usage.prompt_tokens:,}"))
    return facts + _left_out(run, texts) + _coverage(run, texts)


def _progress(run: Run, texts: Texts) -> list[str]:
    if (at := run.progress) is None:
        return []
    if at.step > at.parts:
        return [texts.merging.format(at.step - at.parts, at.steps - at.parts)]
    return [texts.reading_part.format(at.step, at.parts)]


def _coverage(run: Run, texts: Texts) -> list[str]:
    if (read := run.coverage) is None:
        return []
    facts = [texts.coverage.format(read.read, read.passages)]
    return facts + ([texts.coverage_listed.format(read.parts)] if read.listed else [])


def _in_line(place: Place | None, texts: Texts) -> list[str]:
    if place is None:
        return []
    about = [] if place.seconds is None else [texts.about.format(duration(place.seconds, texts))]
    return [texts.next_in_line if place.position == 1 else texts.in_line.format(place.position), *about]


def duration(seconds: float, texts: Texts) -> str:
    """Return a duration, given in seconds, as people say it: to the second, then to five, then in minutes."""
    if seconds >= 57.5:
        return texts.minutes.format(max(round(seconds / 60), 1))
    return texts.seconds.format(max(round(seconds), 1) if seconds < 12.5 else 5 * round(seconds / 5))


def _short(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds < 10 else f"{seconds:.1f}"


def _left_out(run: Run, texts: Texts) -> list[str]:
    if run.fitted is None:
        return []
    turns, passages = run.fitted.left_out_turns, len(run.fitted.left_out_passages)
    lines = [texts.left_out_turns.format(turns)] if turns else []
    return lines + ([texts.left_out_passages.format(passages)] if passages else [])


def _rounded(number: float) -> str:
    return f"{number:.1f}" if number < 10 else f"{number:,.0f}"


def card(passage: Passage) -> SourceCard:
    """Return a passage as the page shows it."""
    place = passage.locator
    return SourceCard(
        base=passage.source.base,
        file=passage.source.file,
        name=passage.source.name,
        headings=list(place.headings),
        page=place.page,
        lines=None if place.first_line is None or place.last_line is None else [place.first_line, place.last_line],
        score=round(passage.score, 2),
        text=passage.text,
    )


__all__ = [
    "LONGEST_TALK",
    "SourceCard",
    "Turn",
    "anchor",
    "asked",
    "duration",
    "going",
    "history",
    "messages",
    "refused",
    "updated",
    "used",
    "where",
]
