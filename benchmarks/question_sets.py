"""Public question sets as documents and questions: corpora in the layout of BEIR, and documentation trees with questions."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from knowledge.base import Locator
from knowledge.loaders.base import Block

SETS: dict[str, tuple[str, ...]] = {
    "squad": ("1_qa/squad11_dev/beir", "2_retrieval/distractors_2wiki"),
    "mtrag": ("1_qa/mtrag/beir",),
    "hotpotqa": ("2_retrieval/multihop_hotpotqa",),
    "musique": ("2_retrieval/multihop_musique",),
    "chinese": ("1_qa/cmrc2018/beir", "1_qa/xquad/beir.zh"),
    "easycv": ("4_kb/easycv",),
    "fastapi_en": ("4_kb/fastapi_en",),
    "fastapi_zh": ("4_kb/fastapi_zh",),
}
ARTICLES = "articles"
"""SQuAD with one document an article, of which the right place is wanted: the words around the answer."""
AROUND = 25
"""Characters on each side of the answer."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, what was said before, and what answers it: documents by name, and for documentation key phrases."""

    text: str
    earlier: tuple[str, ...]
    gold: frozenset[str]
    others: frozenset[str] = frozenset()
    phrases: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()


@dataclass(slots=True)
class Corpus:
    """Documents as name and blocks, and the questions about them."""

    documents: dict[str, list[Block]] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)


def corpus(data: Path, name: str, most: int) -> Corpus:
    """Return a set; of more than `most` questions, a sample that is the same every time."""
    found = Corpus()
    for folder in SETS["squad" if name == ARTICLES else name]:
        (_documentation if folder.startswith("4_kb") else _beir)(data / folder, found)
    if name == ARTICLES:
        found = _by_article(data / SETS["squad"][0], found)
    if len(found.questions) > most:
        found.questions = random.Random(7).sample(found.questions, most)  # a sample, no secret
    return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from (json.loads(line) for line in file)


def _beir(folder: Path, into: Corpus) -> None:
    for row in _lines(folder / "corpus.jsonl"):
        headings = (row["title"],) if row.get("title") else ()
        into.documents[f"{row['_id']}.txt"] = [Block(row["text"], Locator(headings=headings))]
    if not (folder / "queries.jsonl").exists():
        return
    gold: dict[str, set[str]] = {}
    for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        question, document, _ = line.split("\t")
        gold.setdefault(question, set()).add(f"{document}.txt")
    for row in _lines(folder / "queries.jsonl"):
        if row["_id"] in gold:
            into.questions.append(Question(row["text"], _earlier(row), frozenset(gold[row["_id"]])))


def _documentation(folder: Path, into: Corpus) -> None:
    from knowledge.loaders.markdown import read

    for path in sorted(folder.rglob("*.md")):
        into.documents[path.relative_to(folder).as_posix()] = list(read(path, lambda page, pages: None).blocks)
    for row in _lines(folder.parent / "questions.jsonl"):
        if row["kb"] != folder.name or not row["file"]:
            continue
        pairs = row.get("files") or [[row["file"], row["answer_phrases"]]]
        files, phrases = frozenset(name for name, _ in pairs), tuple(phrase for _, some in pairs for phrase in some)
        others = frozenset(row.get("also_files") or ()) if len(pairs) == 1 else frozenset()
        into.questions.append(Question(row["question"], _earlier(row), files, others, phrases, tuple(row.get("accept") or ())))


def _by_article(folder: Path, passages: Corpus) -> Corpus:
    """Return passages of one article as one document, and questions with the words around their answers as phrase."""
    found = Corpus()
    for name, blocks in passages.documents.items():
        found.documents.setdefault(name.partition("#")[0], []).extend(blocks)
    answers = {row["text"]: row["answers"] for row in _lines(folder / "queries.jsonl")}
    for question in passages.questions:
        gold = min(question.gold)
        text = passages.documents[gold][0].text
        place = min((at for at in map(text.find, answers[question.text]) if at >= 0), default=-1)
        if place >= 0:
            phrase = text[max(0, place - AROUND) : place + AROUND]
            found.questions.append(replace(question, gold=frozenset({gold.partition("#")[0]}), phrases=(phrase,)))
    return found


def _earlier(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(turn["content"] for turn in row.get("history") or () if turn["role"] == "user")
