"""Test questions of a knowledge base and what runs of them gave: plain files below one folder, a folder a base.

`ID/questions.jsonl` is what the command `evaluate` reads, `ID/runs/*.json` what `evaluate --json` is like. Every file is
written whole beside its place and renamed, so a stop leaves the old or the new one. How a base is searched, it does not know.
"""

import contextlib
import csv
import io
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knowledge import evaluation, tokens
from knowledge.base import BaseInfo, KnowledgeError, TooLarge
from knowledge.evaluation import Answer, BadQuestion, Evaluation, Question, question_of
from knowledge.loaders.encodings import decode
from knowledge.ranking import Mode

MOST = 5000
"""Questions of one base."""

KEPT_RUNS = 50
LARGEST_FILE = 8 * 1024 * 1024
SEVERAL = "|"
"""Divides names in a cell of a CSV file."""

UNCLOSED = "a quotation mark is opened and never closed"
Row = dict[str, Any]
"""A question as a line of JSON (`knowledge.evaluation.question_of`)."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What a run gave for one question: the place of the first right passage (None: not among the first ten), the score."""

    question: str
    place: int | None
    score: float
    answerable: bool


@dataclass(frozen=True, slots=True)
class RunOf:
    """All questions asked once in one mode; `made` in Unix seconds; of a base that held so much then."""

    id: str
    made: float
    mode: Mode
    embedder: str
    documents: int
    passages: int
    figures: Mapping[str, float]
    tried: Sequence[Tried]


class QuestionFiles:
    """The files below `folder`; `base` is always the id of a base ("vs_...")."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def rows(self, base: str) -> list[Row]:
        """Return the questions of a base in the order in which they were added; raises `KnowledgeError` when damaged."""
        with _told():
            try:
                lines = self._questions(base).read_text(encoding="utf-8").split("\n")
            except FileNotFoundError:
                return []
            try:
                return [_checked(json.loads(line)) for line in lines if line.strip()]
            except (ValueError, RecursionError) as error:
                raise KnowledgeError(f"{self._questions(base)} is damaged: mend it or remove it") from error

    def questions(self, base: str) -> list[Question]:
        """Return the questions as they are evaluated."""
        return [question_of(row) for row in self.rows(base)]

    def add(self, base: str, rows: Sequence[Row]) -> int:
        """Add questions and return how many are new; one that is there gets what is to be found besides.

        Raises `BadQuestion`, `TooLarge`, `KnowledgeError`.
        """
        with self._lock:
            kept = {row["question"]: row for row in self.rows(base)}
            before = len(kept)
            for row in map(_checked, rows):
                old = kept.get(row["question"])
                kept[row["question"]] = row if old is None else _both(old, row)
            if len(kept) > MOST:
                raise TooLarge(f"a knowledge base has {MOST:,} test questions at most")
            self._write(base, list(kept.values()))
            return len(kept) - before

    def remove(self, base: str, number: int) -> None:
        """Remove a question by its place, from 0; nothing happens when it is gone."""
        with self._lock:
            rows = self.rows(base)
            self._write(base, rows[:number] + rows[number + 1 :])

    def runs(self, base: str) -> list[RunOf]:
        """Return what is kept of runs, the latest first; a file that is damaged is left out."""
        with _told():
            files = sorted(self._runs(base).glob("*.json"), reverse=True)
            found = []
            for file in files:
                with contextlib.suppress(ValueError, TypeError, KeyError, FileNotFoundError):
                    values = json.loads(file.read_text(encoding="utf-8"))
                    found.append(RunOf(**{**values, "tried": [Tried(**one) for one in values["tried"]]}))
            return found

    def keep(self, base: str, found: Evaluation, info: BaseInfo, embedder: str) -> list[RunOf]:
        """Keep an evaluation as one run for each of its modes, and return them; the oldest runs go."""
        now = time.time()
        made = [_run(found, mode, info, embedder, now, order) for order, mode in enumerate(reversed(found.answers))]
        with self._lock, _told():
            for run in made:
                values = {**_fields(run), "tried": [_fields(one) for one in run.tried]}
                _whole(self._runs(base) / f"{run.id}.json", json.dumps(values, ensure_ascii=False, indent=1) + "\n")
            for file in sorted(self._runs(base).glob("*.json"), reverse=True)[KEPT_RUNS:]:
                file.unlink(missing_ok=True)
        return made[::-1]

    def forget(self, base: str) -> None:
        """Remove all that is kept for a base."""
        with self._lock, _told():
            shutil.rmtree(self._of(base), ignore_errors=True)

    def _of(self, base: str) -> Path:
        if not tokens.is_base(base):
            raise ValueError(f"not the id of a base: {base[:80]!r}")
        return self._folder / base

    def _questions(self, base: str) -> Path:
        return self._of(base) / "questions.jsonl"

    def _runs(self, base: str) -> Path:
        return self._of(base) / "runs"

    def _write(self, base: str, rows: Sequence[Row]) -> None:
        with _told():
            _whole(self._questions(base), "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def rows_of(data: bytes, name: str, largest: int = LARGEST_FILE) -> list[Row]:
    """Return the questions in a file of at most `largest` bytes. Raises `BadQuestion` with the line.

    JSON (`knowledge.evaluation.rows_of`), by its name or how it begins, or else CSV, which has a first line with
    the names of its columns: `question`, and `file` (several: divided by "|"), `phrase`, or both.
    """
    if len(data) > largest:
        raise BadQuestion(f"the file is larger than {largest >> 20} MiB")
    text = decode(data)[0].lstrip("\ufeff")
    if not text.strip():
        raise BadQuestion("the file is empty")
    json_like = name.lower().endswith((".jsonl", ".ndjson", ".json")) or text.lstrip().startswith(("{", "["))
    rows = list(evaluation.rows_of(text) if json_like else _cells(text))
    if not rows:
        raise BadQuestion("the file holds no question")
    return rows


def _cells(text: str) -> Iterator[Row]:
    head = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count), strict=True)
    try:
        names = {name.strip().lower(): name for name in reader.fieldnames or () if name}
        if "question" not in names or not names.keys() & {"file", "phrase"}:
            raise BadQuestion('the first line has to name the columns: "question", and "file" or "phrase" or both')
        for cells in reader:
            said = {key: (cells.get(name) or "").strip() for key, name in names.items()}
            files = [name.strip() for name in said.get("file", "").split(SEVERAL) if name.strip()]
            phrases = [said["phrase"]] if said.get("phrase") else []
            if any(said.values()):
                yield _checked({"question": said["question"], "files": files, "answer_phrases": phrases})
    except (csv.Error, BadQuestion) as error:
        told = UNCLOSED if str(error) == "unexpected end of data" else error
        raise BadQuestion(f"line {reader.line_num}: {told}") from None


def _checked(row: Any) -> Row:
    """Return a row that can be evaluated; raises `BadQuestion`."""
    question_of(row)
    return dict(row)


def _both(old: Row, new: Row) -> Row:
    """Return a question with what either of two rows says should be found."""
    joined = {**old, **new}
    for key, single in (("files", "file"), ("answer_phrases", "phrase")):
        values = [value for row in (old, new) for value in _listed(row.get(key) or row.get(single))]
        joined.pop(single, None)
        joined[key] = [value for at, value in enumerate(values) if value not in values[:at]]
    return joined


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _run(found: Evaluation, mode: Mode, info: BaseInfo, embedder: str, now: float, order: int) -> RunOf:
    pairs = zip(found.questions, found.answers[mode], strict=True)
    name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{int(now % 1 * 1e6):06d}-{order}"
    tried = [_tried(question, answer) for question, answer in pairs]
    return RunOf(name, now, mode, embedder, info.documents, info.chunks, found.figures(mode), tried)


def _tried(question: Question, answer: Answer) -> Tried:
    return Tried(question.text, answer.place, round(answer.score, 4), question.answerable)


def _fields(value: RunOf | Tried) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def _whole(path: Path, text: str) -> None:
    """Put a file in its place, whole and flushed."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn the disk's errors into the room's."""
    try:
        yield
    except OSError as error:
        raise KnowledgeError(f"the test questions cannot be read or written: {error.strerror}") from error
