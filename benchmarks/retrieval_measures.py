"""What is measured of passages that were found: recall, reciprocal rank, discounted gain (Jarvelin and Kekalainen 2002)."""

from collections.abc import Sequence

import numpy as np

from benchmarks.question_sets import Question

TOP = 10
"""Places that count."""


def measures(questions: Sequence[Question], answers: Sequence[Sequence[tuple[str, str]]]) -> dict[str, float]:
    """Return the means over all questions; each answer is a list of document names and texts, the best first."""
    rows = [_measured(question, answer) for question, answer in zip(questions, answers, strict=True)]
    return {
        key: round(float(np.mean([row[key] for row in rows if key in row])), 4) for key in sorted({k for r in rows for k in r})
    }


def _measured(question: Question, answer: Sequence[tuple[str, str]]) -> dict[str, float]:
    right = question.gold | question.others
    hits = [name in right for name, _ in answer]
    row: dict[str, float] = {f"any@{k}": float(any(hits[:k])) for k in (1, 5, 10)}
    row |= {f"recall@{k}": len(question.gold & {n for n, _ in answer[:k]}) / len(question.gold) for k in (1, 5, 10)}
    names = {name for name, _ in answer[:5]}
    row["all@5"] = float(question.gold <= names if len(question.gold) > 1 else any(hits[:5]))
    row["mrr@10"] = next((1 / place for place, hit in enumerate(hits, 1) if hit), 0.0)
    ideal = sum(1 / np.log2(place + 1) for place in range(1, min(len(question.gold), TOP) + 1))
    seen: set[str] = set()
    gain = 0.0
    for place, (name, _) in enumerate(answer, 1):
        gain += 1 / np.log2(place + 1) if name in question.gold and name not in seen else 0.0
        seen.add(name)
    row["ndcg@10"] = float(gain / ideal)
    if question.phrases:
        text = _plain(" ".join(text for _, text in answer[:5]))
        held = all(_plain(phrase) in text for phrase in question.phrases)
        row["phrase@5"] = float(held or any(_plain(phrase) in text for phrase in question.accepted))
    return row


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
