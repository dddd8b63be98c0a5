"""How well a knowledge base answers questions whose answers are known: by files that should be found, and by phrases.

Pure but for the search it is given. Where questions come from, and what becomes of the figures, it does not know.
"""

import json
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from knowledge.base import Passage
from knowledge.ranking import Mode

MODES: tuple[Mode, ...] = ("hybrid", "dense", "lexical")
CUTS = (1, 3, 5, 10)
DEEPEST = max(CUTS)
PHRASES_IN = 5
"""Passages in which the phrases of an answer are looked for."""

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""What JSON can spell and UTF-8 cannot."""

Ask = Callable[["Question", Mode], Sequence[Passage]]


class BadQuestion(ValueError):
    """A question cannot be used; the text says what is wrong with it, and not what it says."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, what the same person said before, and what should be found.

    `files`: documents that are all wanted; `also`: others that are as right as one; `phrases`: texts that are all wanted
    in the first five passages, or one of `accepted`. Neither files nor phrases: nothing answers it.
    """

    text: str
    earlier: tuple[str, ...] = ()
    files: frozenset[str] = frozenset()
    also: frozenset[str] = frozenset()
    phrases: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()

    @property
    def answerable(self) -> bool:
        """Whether there is anything to be found."""
        return bool(self.files or self.phrases)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search gave for a question: the measures, the place of the first right passage, the best score, CPU time."""

    measures: Mapping[str, float]
    place: int | None
    score: float
    milliseconds: float


@dataclass(slots=True)
class Evaluation:
    """The answers of each mode, in the order of the questions."""

    questions: Sequence[Question]
    answers: dict[Mode, list[Answer]] = field(default_factory=dict)

    def figures(self, mode: Mode) -> dict[str, float]:
        """Return the means of a mode over the questions that something answers, and the time a search takes."""
        rows = [a for q, a in zip(self.questions, self.answers[mode], strict=True) if q.answerable]
        names = sorted({name for row in rows for name in row.measures})
        found = {name: _mean([row.measures[name] for row in rows if name in row.measures]) for name in names}
        times = sorted(answer.milliseconds for answer in self.answers[mode])
        at = {f"cpu_ms_p{part}": round(times[min(len(times) - 1, len(times) * part // 100)], 2) for part in (50, 95)}
        return found | (at if times else {})

    def differences(self) -> list[dict[str, Any]]:
        """Return the questions whose first right passage stands elsewhere in another mode, with its place in each."""
        rows = []
        for number, question in enumerate(self.questions):
            places: dict[str, int | None] = {mode: answers[number].place for mode, answers in self.answers.items()}
            if question.answerable and len(set(places.values())) > 1:
                rows.append({"question": question.text, **places})
        return rows


def evaluate(questions: Sequence[Question], ask: Ask, modes: Iterable[Mode] = MODES) -> Evaluation:
    """Ask every question in every mode; raises what `ask` raises."""
    found = Evaluation(questions)
    for mode in modes:
        found.answers[mode] = [_asked(question, ask, mode) for question in questions]
    return found


def _asked(question: Question, ask: Ask, mode: Mode) -> Answer:
    begin = time.thread_time()
    passages = ask(question, mode)
    spent = (time.thread_time() - begin) * 1000
    place = next((at for at, passage in enumerate(passages, 1) if _right(question, passage)), None)
    return Answer(measured(question, passages), place, passages[0].score if passages else 0.0, spent)


def _right(question: Question, passage: Passage) -> bool:
    if question.files:
        return passage.source.name in question.files | question.also
    return any(_plain(phrase) in _whole(passage) for phrase in (*question.phrases, *question.accepted))


def measured(question: Question, passages: Sequence[Passage]) -> dict[str, float]:
    """Return the measures of one answer, each in [0, 1].

    `recall@k`: the part of the wanted files among the first k passages (one of `also` counts as the only one wanted);
    `all@k`: whether all are; `mrr@10`, `ndcg@10`: of the first passages of wanted files; `phrase@5`.
    """
    if not question.answerable:
        return {}
    row: dict[str, float] = {}
    hits = [_right(question, passage) for passage in passages[:DEEPEST]]
    for cut in CUTS:
        names = {passage.source.name for passage in passages[:cut]}
        part = len(question.files & names) / len(question.files) if question.files else 0.0
        if not question.files or (len(question.files) == 1 and question.also):
            part = float(any(hits[:cut]))
        row |= {f"recall@{cut}": part, f"any@{cut}": float(any(hits[:cut])), f"all@{cut}": float(part == 1)}
    row[f"mrr@{DEEPEST}"] = next((1 / place for place, hit in enumerate(hits, 1) if hit), 0.0)
    row[f"ndcg@{DEEPEST}"] = _gain(question, passages[:DEEPEST], hits)
    if question.phrases:
        row[f"phrase@{PHRASES_IN}"] = float(_told(question, passages[:PHRASES_IN]))
    return row


def _gain(question: Question, passages: Sequence[Passage], hits: Sequence[bool]) -> float:
    seen: set[str] = set()
    gain = 0.0
    for place, (passage, hit) in enumerate(zip(passages, hits, strict=True), 1):
        new = passage.source.name not in seen
        gain += 1 / math.log2(place + 1) if hit and new and len(seen) < max(1, len(question.files)) else 0.0
        seen |= {passage.source.name} if hit else set()
    return gain / sum(1 / math.log2(place + 1) for place in range(1, max(1, len(question.files)) + 1))


def _told(question: Question, passages: Sequence[Passage]) -> bool:
    text = "\n".join(_whole(passage) for passage in passages)
    held = all(_plain(phrase) in text for phrase in question.phrases)
    return held or any(_plain(phrase) in text for phrase in question.accepted)


def _whole(passage: Passage) -> str:
    """Return a passage as the model reads it, with its headings."""
    return _plain(" ".join((*passage.locator.headings, passage.text)))


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0


def rows_of(text: str) -> Iterator[dict[str, Any]]:
    """Yield the questions of lines of JSON, or of one array, as they stand there; raises `BadQuestion` with the place.

    Lines end with a newline and nothing else: U+2028 and others may stand in a text of JSON as they are (RFC 8259).
    """
    if text.lstrip().startswith("["):
        yield from (_row("question", number, row) for number, row in enumerate(_json(text, 1), 1))
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _row("line", number, _json(line, number))


def _json(text: str, number: int) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadQuestion(f"line {number}: it is no JSON") from None


def _row(what: str, number: int, row: Any) -> dict[str, Any]:
    try:
        question_of(row)
    except BadQuestion as error:
        raise BadQuestion(f"{what} {number}: {error}") from None
    return dict(row)


def question_of(row: Any) -> Question:
    """Return the question of a line of JSON; raises `BadQuestion`.

    Keys: `question`; `file`, a name or null, or `files`, a list of names or of [name, phrases]; `also_files`;
    `answer_phrases` or `phrase`; `accept`; `history`, a list of {role, content} or of what the person said.
    """
    if not isinstance(row, dict):
        raise BadQuestion("it is no object")
    text = row.get("question")
    if not isinstance(text, str) or not text.strip():
        raise BadQuestion('"question" is missing or no text')
    if LONE_SURROGATE.search(json.dumps(row, ensure_ascii=False)):
        raise BadQuestion("it holds half a character (a lone surrogate), which cannot be written")
    pairs = [one if isinstance(one, list) else [one, []] for one in _list(row, "files")]
    if any(len(pair) != 2 or not isinstance(pair[0], str) or not isinstance(pair[1], list) for pair in pairs):
        raise BadQuestion('"files" has to be a list of names, or of pairs of a name and a list of phrases')
    files = [name for name, _ in pairs] or _texts(row, "file")
    phrases = [phrase for _, some in pairs for phrase in some] or _texts(row, "answer_phrases") or _texts(row, "phrase")
    also = () if len(files) > 1 else _texts(row, "also_files")
    if not all(isinstance(phrase, str) for phrase in phrases):
        raise BadQuestion("a phrase is no text")
    return Question(text, _said(row), frozenset(files), frozenset(also), tuple(phrases), tuple(_texts(row, "accept")))


def _list(row: Mapping[str, Any], key: str) -> list[Any]:
    value = row.get(key)
    return value if isinstance(value, list) else [] if value is None else [value]


def _texts(row: Mapping[str, Any], key: str) -> list[str]:
    values = _list(row, key)
    if not all(isinstance(value, str) for value in values):
        raise BadQuestion(f'"{key}" has to be a text or a list of texts')
    return values


def _said(row: Mapping[str, Any]) -> tuple[str, ...]:
    said = []
    for turn in _list(row, "history"):
        content = turn.get("content") if isinstance(turn, dict) else turn
        if not isinstance(content, str):
            raise BadQuestion('"history" has to be a list of {role, content} or of texts')
        if not isinstance(turn, dict) or turn.get("role") == "user":
            said.append(content)
    return tuple(said)
