"""Test questions, and runs of them side by side, as HTML from plain data. Knows no component."""

import time
from collections.abc import Sequence

from knowledge.evaluation import Question
from knowledge.question_files import RunOf, Tried
from webui.actions import link
from webui.markup import flat, note
from webui.texts.base import Texts

MEASURES = (
    "recall@1",
    "recall@3",
    "recall@5",
    "recall@10",
    "all@5",
    "mrr@10",
    "ndcg@10",
    "phrase@5",
    "cpu_ms_p50",
    "cpu_ms_p95",
)
LESS_IS_BETTER = frozenset({"cpu_ms_p50", "cpu_ms_p95"})
NOWHERE = 11
"""Where a passage stands that was not found, when places are compared."""

SHOWN = 200


def name(run: RunOf, texts: Texts) -> str:
    """Return what a run is called: how it was searched, when, of how many questions."""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.made))
    return f"{texts.search_modes.get(run.mode, run.mode)} · {when} · {texts.questions_count.format(f'{len(run.tried):,}')}"


def questions(rows: Sequence[Question], texts: Texts) -> str:
    """Return the questions with what should be found, and a link that removes each."""
    if not rows:
        return note(texts.no_questions, "quiet")
    head = f"<th>{flat(texts.question)}</th><th>{flat(texts.should_find)}</th><th>{flat(texts.actions)}</th>"
    body = "".join(_question(number, row, texts) for number, row in enumerate(rows[:SHOWN]))
    more = note(texts.and_more.format(f"{len(rows) - SHOWN:,}"), "quiet") if len(rows) > SHOWN else ""
    return f'<table class="documents questions"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}'


def _question(number: int, row: Question, texts: Texts) -> str:
    wanted = [*sorted(row.files), *(f"“{phrase}”" for phrase in (*row.phrases, *row.accepted))]
    told = " · ".join(wanted) if wanted else texts.nothing_answers
    forget = link("forget", number, texts.delete)
    return f'<tr><td class="name">{flat(row.text)}</td><td class="name">{flat(told)}</td><td>{forget}</td></tr>'


def comparison(one: RunOf, other: RunOf | None, texts: Texts) -> str:
    """Return the figures of a run, beside those of another, and the questions whose first right passage stands elsewhere."""
    return _figures(one, other, texts) + (_differences(one, other, texts) if other else _missed(one, texts))


def _figures(one: RunOf, other: RunOf | None, texts: Texts) -> str:
    names = [measure for measure in MEASURES if measure in one.figures or (other and measure in other.figures)]
    heads = [texts.measure, _run(texts.run_one, one, texts)]
    heads += [_run(texts.run_other, other, texts), texts.difference] if other else []
    head = "".join(f"<th>{flat(text)}</th>" for text in heads)
    body = "".join(_figure(measure, one, other, texts) for measure in names)
    return f'<table class="documents figures"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _run(name: str, run: RunOf, texts: Texts) -> str:
    """Return the head of a run's column: which of the two it is, and how was searched."""
    return f"{name} · {texts.search_modes.get(run.mode, run.mode)}"


def _figure(measure: str, one: RunOf, other: RunOf | None, texts: Texts) -> str:
    first = one.figures.get(measure)
    cells = [flat(texts.measures.get(measure, measure)), _number(measure, first)]
    if other is not None:
        second = other.figures.get(measure)
        cells += [_number(measure, second), _difference(measure, first, second)]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _number(measure: str, value: float | None) -> str:
    return "" if value is None else f"{value:.1f} ms" if measure in LESS_IS_BETTER else f"{value:.3f}"


def _difference(measure: str, one: float | None, other: float | None) -> str:
    """Return by how much run A is better (+) or worse (-) than run B."""
    if one is None or other is None:
        return ""
    gained = other - one if measure in LESS_IS_BETTER else one - other
    if abs(gained) < 0.0005:
        return "="
    kind = "muted" if measure in LESS_IS_BETTER else "good" if gained > 0 else "bad"
    shown = f"{one - other:+.1f} ms" if measure in LESS_IS_BETTER else f"{one - other:+.3f}"
    return f'<span class="{kind}">{shown}</span>'


def _differences(one: RunOf, other: RunOf, texts: Texts) -> str:
    before = {tried.question: tried for tried in other.tried}
    pairs = [(now, before[now.question]) for now in one.tried if now.question in before and now.answerable]
    changed = [pair for pair in pairs if pair[0].place != pair[1].place]
    told = note(texts.differences.format(f"{len(changed):,}", f"{len(pairs):,}"), "quiet")
    if not changed:
        return told
    changed.sort(key=lambda pair: (pair[0].place or NOWHERE) - (pair[1].place or NOWHERE), reverse=True)
    rows = "".join(_changed(now, then, texts) for now, then in changed[:SHOWN])
    heads = "".join(f"<th>{flat(text)}</th>" for text in (texts.question, texts.run_one, texts.run_other))
    return f'{told}<table class="documents places"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _changed(now: Tried, then: Tried, texts: Texts) -> str:
    kind = "good" if (now.place or NOWHERE) < (then.place or NOWHERE) else "bad"
    first = f'<span class="{kind}">{_place(now, texts)}</span>'
    return f'<tr><td class="name">{flat(now.question)}</td><td>{first}</td><td>{_place(then, texts)}</td></tr>'


def _missed(one: RunOf, texts: Texts) -> str:
    """Return the questions of a run alone whose right passage does not come first."""
    late = [tried for tried in one.tried if tried.answerable and tried.place != 1]
    told = note(texts.late.format(f"{len(late):,}", f"{len(one.tried):,}"), "quiet")
    if not late:
        return told
    late.sort(key=lambda tried: tried.place or NOWHERE, reverse=True)
    heads = "".join(f"<th>{flat(text)}</th>" for text in (texts.question, texts.place))
    rows = "".join(
        f'<tr><td class="name">{flat(tried.question)}</td><td>{_place(tried, texts)}</td></tr>' for tried in late[:SHOWN]
    )
    return f'{told}<table class="documents places"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _place(tried: Tried, texts: Texts) -> str:
    return flat(texts.not_found if tried.place is None else str(tried.place))
