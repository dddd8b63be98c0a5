"""`evaluate QUESTIONS --base NAME`: how well a knowledge base finds what it should, and with what it would find less.

QUESTIONS is a file of JSON lines (`knowledge.evaluation.question_of`), an array of the same, or a CSV file as the page
takes it. Finds the data folder as the server does, and reads it beside a running one. Exit status: 0 it is as good as every
bar asks, 1 it is under one, 2 the line or a question is wrong, 4 the base cannot be searched.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli import chosen_folder
from configs.settings import SettingsError
from knowledge import names
from knowledge.base import KnowledgeError, Passage
from knowledge.embedders import computed_by
from knowledge.evaluation import DEEPEST, MODES, BadQuestion, Evaluation, Question, evaluate, question_of
from knowledge.question_files import rows_of
from knowledge.ranking import Mode
from knowledge.read_only import ReadOnly


def run(arguments: Sequence[str], program: str) -> int:
    """Evaluate as the line says."""
    given = _line(program).parse_args(list(arguments))
    try:
        questions = _questions(given.questions)
        found = _evaluated(given, questions, program)
    except (BadQuestion, SettingsError) as error:
        sys.stderr.write(f"{program}: {error}\n")
        return 2
    except KnowledgeError as error:
        sys.stderr.write(f"{program}: {error}\n")
        return 4
    figures = {mode: found.figures(mode) for mode in MODES}
    measures = [name for name in figures["hybrid"] if not name.startswith("cpu_ms")]
    if any(name not in measures for name, _ in given.bar):
        sys.stderr.write(f"{program}: --bar names no measure of these questions; there are: {', '.join(measures)}\n")
        return 2
    under = [(name, least) for name, least in given.bar if figures["hybrid"][name] < least]
    if given.json:
        sys.stdout.write(json.dumps(_report(given, found, figures, under), ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(_table(found, figures))
    for name, least in under:
        sys.stderr.write(f"{program}: {name} is {figures['hybrid'][name]}, under the bar of {least}\n")
    return 1 if under else 0


def _line(program: str) -> argparse.ArgumentParser:
    line = argparse.ArgumentParser(program, description="Measure whether a knowledge base finds what it should.")
    line.add_argument(
        "questions", metavar="QUESTIONS", type=Path, help="file of JSON lines or CSV: question, file, answer_phrases"
    )
    line.add_argument("--base", metavar="NAME", default="default", help="the knowledge base (default: default)")
    line.add_argument("--bar", metavar="MEASURE=LEAST", type=_bar, action="append", default=[], help="like recall@5=0.9")
    line.add_argument("--json", action="store_true", help="print everything as one line of JSON")
    chosen_folder.add_flags(line)
    return line


def _bar(text: str) -> tuple[str, float]:
    name, _, least = text.partition("=")
    try:
        value = float(least)
    except ValueError:
        value = -1.0
    if not name or not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("a bar is a measure, '=' and a number from 0 to 1, like recall@5=0.9")
    return name, value


def _questions(path: Path) -> list[Question]:
    """Return the questions of a file; raises `BadQuestion` with the line."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadQuestion(f"{path} cannot be read: {error.strerror}") from None
    try:
        questions = [question_of(row) for row in rows_of(data, path.name, largest=len(data))]
    except BadQuestion as error:
        raise BadQuestion(f"{path}, {error}") from None
    if not any(question.answerable for question in questions):
        raise BadQuestion(f"{path} holds no question with a file or a phrase that should be found")
    return questions


def _evaluated(given: argparse.Namespace, questions: Sequence[Question], program: str) -> Evaluation:
    settings = chosen_folder.settings_of(given, program)
    library = ReadOnly(settings, settings.data, computed_by(settings.embedding_engine))  # vectors as the server makes them
    library.open()
    try:
        searches = library.searches(given.base)

        def ask(question: Question, mode: Mode) -> list[Passage]:
            return searches.find(names.same(given.base), question.text, DEEPEST, question.earlier, None, mode).passages

        return evaluate(questions, ask)
    finally:
        library.close()


def _report(
    given: argparse.Namespace, found: Evaluation, figures: dict[Mode, dict[str, float]], under: list[tuple[str, float]]
) -> dict[str, Any]:
    scores = [round(a.score, 4) for q, a in zip(found.questions, found.answers["hybrid"], strict=True) if not q.answerable]
    return {
        "base": given.base,
        "questions": len(found.questions),
        "figures": figures,
        "best_score_of_unanswerable": scores,
        "differences": found.differences(),
        "bars": {name: {"least": least, "held": (name, least) not in under} for name, least in given.bar},
    }


def _table(found: Evaluation, figures: dict[Mode, dict[str, float]]) -> str:
    names = list(figures["hybrid"])
    head = f"{'':<14}" + "".join(f"{mode:>10}" for mode in MODES) + "\n"
    rows = "".join(f"{name:<14}" + "".join(f"{figures[mode][name]:>10}" for mode in MODES) + "\n" for name in names)
    places = [
        f"{' '.join(row['question'].split())[:70]:<72}" + "".join(f"{row[mode] or '-':>10}" for mode in MODES) + "\n"
        for row in found.differences()
    ]
    told = "\nplace of the first right passage, where it differs\n" + "".join(places) if places else ""
    return f"{len(found.questions)} questions\n{head}{rows}{told}"
