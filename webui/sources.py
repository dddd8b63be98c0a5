"""The panel beside a talk: the passages of an answer as cards, the exact prompt, the context meter. HTML from plain data."""

import json
import re
from collections.abc import Sequence
from urllib.parse import quote

from assistant.prompt import TokenCounts
from assistant.run import Run
from webui.markup import flat, note
from webui.passage_text import reflowed, shown
from webui.talk import SourceCard, Turn, anchor, used
from webui.texts.base import Texts

BLANK_LINES = re.compile(r"\n\s*\n+")
PARTS = ("system", "history", "sources", "question", "reserved")


def cards(turn: Turn | None, key: str, texts: Texts) -> str:
    """Return the passages of `turn`: the cited ones first, then those retrieved but not used, dimmed."""
    # Talks that were kept before there were these lines do not have them.
    by_words = note(texts.by_words) if turn is not None and turn.get("by_words") else ""
    if turn is None or not turn["sources"]:
        return by_words or note(texts.no_sources, "quiet")
    numbered = list(enumerate(turn["sources"], 1))
    cited = used(turn) if turn["mode"] == "knowledge" else tuple(number for number, _ in numbered)
    begin = anchor(turn, key)
    first = [_card(number, one, begin, "", texts) for number, one in numbered if number in cited]
    rest = [_card(number, one, begin, " unused", texts) for number, one in numbered if number not in cited]
    # While an answer is on its way nobody can say yet which passages it will use.
    words = texts.nearest if turn.get("support") == "refused" else texts.not_used
    label = note(words, "label") if rest and turn["state"] != "running" else ""
    query = turn.get("searched", "")
    searched = note(texts.searched_for.format(query), "searched") if query else ""
    return by_words + searched + "".join(first) + label + "".join(rest)


def saw(turn: Turn | None, run: Run | None, texts: Texts) -> str:
    """Return the exact prompt of `turn`, whose `run` may be forgotten, with the tokens of its parts, or why there is none."""
    fitted = run.fitted if run is not None else None
    if fitted is None:
        return note(_no_prompt(turn, run, texts), "quiet")
    counts = _counts(fitted.counts)
    rows = "".join(f"<tr><td>{flat(texts.parts[part])}</td><td>{counts[part]:,}</td></tr>" for part in PARTS)
    return (
        f'<table class="counts"><tbody>{rows}</tbody></table><pre class="prompt" tabindex="0">{flat(fitted.prompt.text)}</pre>'
    )


def meter(counts: TokenCounts | None, texts: Texts) -> str:
    """Return the bar of the context: what is taken, by what, of how much."""
    if counts is None:
        return ""
    numbers = _counts(counts)
    bars = "".join(f'<i class="{part}" style="width:{100 * numbers[part] / counts.context:.2f}%"></i>' for part in PARTS[:4])
    said = [texts.context_of.format(f"{counts.total:,}", f"{counts.context:,}")]
    said += [f"{texts.parts[part]} {numbers[part]:,}" for part in ("history", "sources") if numbers[part]]
    return f'<div class="meter"><span>{flat(texts.context)}</span><b>{bars}</b><span>{flat(" · ".join(said))}</span></div>'


def _no_prompt(turn: Turn | None, run: Run | None, texts: Texts) -> str:
    if turn is None or not turn["run"]:
        return texts.saw_nothing
    if turn["mode"] == "retrieval":
        return texts.saw_retrieval
    return texts.saw_gone if run is None else texts.saw_no_model


def _counts(counts: TokenCounts) -> dict[str, int]:
    return {part: getattr(counts, part) for part in PARTS}


def opener(card: SourceCard, texts: Texts, label: str = "") -> str:
    """Return a link that opens a card's document at the passage; `source.js` reads what stands in it.

    `label`: what it says, as HTML; "": the name of the document.
    """
    label = label or flat(card["name"])
    if not card.get("file"):
        return label
    lines = card["lines"]
    where = [card["base"], card["file"], card["page"], lines[0] if lines else None, card["headings"]]
    href = quote(json.dumps(where, ensure_ascii=False, separators=(",", ":")), safe="")
    return f'<a class="open" href="#source/{href}" title="{flat(texts.open_source)}">{label}</a>'


def passage(card: SourceCard) -> str:
    """Return the text of a passage as its card shows it."""
    text = reflowed(card["text"]) if card["page"] is not None else card["text"]
    return f'<div class="passage" tabindex="0">{shown(BLANK_LINES.sub(chr(10), text))}</div>'


def frame(number: int, title: str, score: str, body: str, kind: str = "", hint: str = "", mark: str = "", act: str = "") -> str:
    """Return a card: `title`, `act` and `body` are HTML, `kind` further classes, `hint` what `score` means, `mark` its id."""
    told = f' title="{flat(hint)}"' if hint else ""
    named = f' id="{flat(mark)}"' if mark else ""
    return (
        f'<div class="card{kind}"{named}><div class="head"><span class="cite">{number}</span><strong>{title}</strong>'
        f'<span class="score"{told}>{flat(score)}</span>{act}</div>{body}</div>'
    )


def _card(number: int, card: SourceCard, begin: str, kind: str, texts: Texts) -> str:
    body = f'<div class="place">{place(card, texts)}</div>{passage(card)}'
    score = f"{card['score']:.2f}" if card["score"] else ""  # what was read as a whole was not searched for
    return frame(number, opener(card, texts), score, body, kind, texts.score, f"{begin}-{number}")


def place(card: SourceCard, texts: Texts) -> str:
    """Return where in its document a passage stands, in words."""
    return " · ".join(flat(part) for part in _place(card, texts))


def _place(card: SourceCard, texts: Texts) -> Sequence[str]:
    parts = [" › ".join(card["headings"][-3:])] if card["headings"] else []
    if card["page"] is not None:
        parts.append(texts.page.format(card["page"]))
    if card["lines"] is not None:
        first, last = card["lines"]
        parts.append(texts.line.format(first) if first == last else texts.lines.format(first, last))
    return parts
