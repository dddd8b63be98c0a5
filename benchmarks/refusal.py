"""When the documents do not tell: `python -m benchmarks.refusal DATA --cache FILE`, an operating curve a set.

Sets with articles are divided: half of the articles are put into a base (SQuAD's with 2Wiki's passages), the questions about
them are its own, those about the other half are foreign, for nothing in the base tells of them. So also single articles,
and bases of three passages. MTRAG and the documentation trees have SQuAD's or CMRC's questions as foreign ones. For each
threshold of the evidence: `own_refused`, of the own questions with a gold passage in the 5 found, and `foreign_refused`.
Prints JSON, a line for each kind of base.
"""

import argparse
import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kept_vectors import Kept
from benchmarks.question_sets import Corpus, Question, corpus
from benchmarks.retrieval import BASE, Shelved
from knowledge.search import Found

FOUND = 5
THRESHOLDS = tuple(round(0.26 + 0.02 * step, 2) for step in range(10))
DIVIDED = {"squad": 400, "chinese": 250}
"""Sets with articles, and how many own and foreign questions are asked of the half."""
FOREIGN = {"mtrag": "squad", "easycv": "squad", "fastapi_en": "squad", "fastapi_zh": "chinese"}
ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A question asked of a base, what was found, and whether the base tells of it."""

    question: Question
    found: Found
    own: bool

    @property
    def counts(self) -> bool:
        """Whether it says anything about refusing: an own question whose passage is not found could as well be refused."""
        right = self.question.gold | self.question.others
        return not self.own or any(passage.source.name in right for passage in self.found.passages)


def bases(data: Path, name: str, model: Kept) -> Iterator[tuple[str, list[Asked]]]:
    """Yield kinds of bases made of a set and what was asked of each."""
    chance = random.Random(5)  # a sample, no secret
    whole = corpus(data, name, ALL)
    if name not in DIVIDED:
        foreign = chance.sample(corpus(data, FOREIGN[name], ALL).questions, 150)
        yield name, _asked(model, whole, set(whole.documents), whole.questions, foreign)
        return
    told = {document for question in whole.questions for document in question.gold}
    articles = sorted({_article(document) for document in told})
    chance.shuffle(articles)
    half, filler = set(articles[: len(articles) // 2]), set(whole.documents) - told
    own, foreign = _parted(whole.questions, half)
    most = DIVIDED[name]
    documents = {document for document in told if _article(document) in half} | filler
    yield name, _asked(model, whole, documents, _some(chance, own, most), _some(chance, foreign, most))
    single: list[Asked] = []
    for article in articles[:6]:
        own, foreign = _parted(whole.questions, {article})
        documents = {document for document in told if _article(document) == article}
        single += _asked(model, whole, documents, _some(chance, own, 40), _some(chance, foreign, 40))
    yield f"{name}, single articles", single
    three: list[Asked] = []
    for _ in range(25):
        documents = set(chance.sample(sorted(told), 3))
        own = [question for question in whole.questions if question.gold <= documents]
        foreign = _parted(whole.questions, {_article(document) for document in documents})[1]
        three += _asked(model, whole, documents, _some(chance, own, 8), _some(chance, foreign, 8))
    yield f"{name}, three passages", three


def _article(document: str) -> str:
    return document.rpartition("#")[0] or document


def _parted(questions: Sequence[Question], articles: set[str]) -> tuple[list[Question], list[Question]]:
    own = [question for question in questions if all(_article(gold) in articles for gold in question.gold)]
    foreign = [question for question in questions if not any(_article(gold) in articles for gold in question.gold)]
    return own, foreign


def _some(chance: random.Random, questions: Sequence[Question], most: int) -> list[Question]:
    return chance.sample(questions, min(most, len(questions)))


def _asked(
    model: Kept, whole: Corpus, documents: set[str], own: Sequence[Question], foreign: Sequence[Question]
) -> list[Asked]:
    model.encode([text for one in (*own, *foreign) for text in (one.text, *one.earlier[-1:])])
    with tempfile.TemporaryDirectory() as folder:
        held = {name: blocks for name, blocks in whole.documents.items() if name in documents}
        shelved = Shelved(Path(folder), model, held, 200, 20)
        return [
            Asked(question, shelved.search.find(BASE, question.text, FOUND, question.earlier), is_own)
            for is_own, questions in ((True, own), (False, foreign))
            for question in questions
        ]


def curve(asked: Sequence[Asked]) -> dict[str, dict[str, float]]:
    """Return for each threshold the parts of own and of foreign questions that it refuses."""
    own = [one.found.evidence for one in asked if one.own and one.counts]
    foreign = [one.found.evidence for one in asked if not one.own]
    return {
        str(threshold): {
            "own_refused": round(sum(value < threshold for value in own) / len(own), 4),
            "foreign_refused": round(sum(value < threshold for value in foreign) / len(foreign), 4),
        }
        for threshold in THRESHOLDS
    }


def main() -> None:
    """Print the curves of the sets that are asked for."""
    sets = [*DIVIDED, *FOREIGN]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.refusal", description=__doc__)
    parser.add_argument("data", type=Path, help="the folder of the question sets")
    parser.add_argument("sets", nargs="*", default=sets, help=f"of {', '.join(sets)}; default: all")
    parser.add_argument("--cache", type=Path, required=True, help="the file in which vectors are kept")
    given = parser.parse_args()
    model = Kept(given.cache)
    model.load(lambda what, part: None)
    for name in given.sets:
        for kind, asked in bases(given.data, name, model):
            own = sum(one.own and one.counts for one in asked)
            foreign = sum(not one.own for one in asked)
            print(json.dumps({"base": kind, "own": own, "foreign": foreign, "at": curve(asked)}), flush=True)


if __name__ == "__main__":
    main()
