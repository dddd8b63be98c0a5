"""How well search finds the passage that answers, on public question sets: `python -m benchmarks.retrieval DATA`.

DATA is a folder of corpora in the layout of BEIR and of documentation trees with questions, as `SETS` names them; it is
no part of this repository. Each set is put into a knowledge base of its own by the product's own chunker, store and
index, and searched by the product's own search: by words and vectors, and by each alone. `--plain` adds the pipeline of
LangChain's tutorials: 800 characters with 80 shared, the same model, FAISS. Vectors are kept in `--cache`, so that a
second run costs only the search. Prints JSON; latency is the CPU time of the process for a search, without the vector
of the question.
"""

import argparse
import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from knowledge import catalog, entry_rows, file_rows, jobs, terms
from knowledge.base import Job, Locator, Passage
from knowledge.catalog import NewDocument
from knowledge.chunking import Size, split
from knowledge.embeddings import Embedder, Vectors
from knowledge.file_base import Cut
from knowledge.index import Indexes
from knowledge.loaders.base import Block
from knowledge.mirror import Mirror
from knowledge.model_folder import Report
from knowledge.originals import Originals
from knowledge.ranking import Mode
from knowledge.search import Search
from knowledge.shelf import Shelf
from knowledge.store import Store

BASE = "default"
TOP = 10
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
MODES: tuple[Mode, ...] = ("hybrid", "lexical", "dense")


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


class Kept:
    """The embedding model with a memory on the disk: the vectors of texts it has seen."""

    def __init__(self, path: Path) -> None:
        self._model = Embedder(None)
        self._rows = sqlite3.connect(path, isolation_level=None)
        self._rows.execute("CREATE TABLE IF NOT EXISTS vectors (text TEXT PRIMARY KEY, vector BLOB)")
        self.name = self._model.name

    @property
    def identity(self) -> str:
        """The model's."""
        return self._model.identity

    @property
    def dimension(self) -> int:
        """The model's."""
        return self._model.dimension

    @property
    def max_tokens(self) -> int:
        """The model's."""
        return self._model.max_tokens

    def load(self, report: Report) -> None:
        """Load the model."""
        self._model.load(report)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has."""
        return self._model.count(texts)

    def ends(self, text: str) -> list[int]:
        """Return where each token ends."""
        return self._model.ends(text)

    def familiar(self, text: str) -> float:
        """Return how well the model knows the words of a text."""
        return self._model.familiar(text)

    def encode(self, texts: Sequence[str], step: Callable[[int], None] = lambda done: None) -> Vectors:
        """Return the vectors of texts, of which those not seen before cost time."""
        missing = [text for text in dict.fromkeys(texts) if self._row(text) is None]
        for start in range(0, len(missing), 256):
            some = missing[start : start + 256]
            self.keep(some, self._model.encode(some))
        found = [self._row(text) for text in texts]
        return np.vstack([np.frombuffer(row, dtype=np.float32) for row in found if row is not None])

    def encode_query(self, text: str) -> Vectors:
        """Return the vector of a question; MiniLM has no prompts, so it is that of a text."""
        return self.encode([text])

    def keep(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Keep the vectors of texts."""
        rows = [(_print(text), vector.astype(np.float32).tobytes()) for text, vector in zip(texts, vectors, strict=True)]
        self._rows.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

    def _row(self, text: str) -> bytes | None:
        row = self._rows.execute("SELECT vector FROM vectors WHERE text = ?", (_print(text),)).fetchone()
        return row[0] if row else None


def _print(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


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


class Shelved:
    """A set in a knowledge base of its own, and the search over it."""

    def __init__(
        self, folder: Path, model: Kept, documents: dict[str, list[Block]], tokens: int, overlap: int, share: float = 1.0
    ) -> None:
        originals = Originals(folder / "originals", 0, lambda point: None)
        originals.open()
        store, indexes = Store(folder / "knowledge.db"), Indexes()
        store.open()
        shelf = Shelf(store, Mirror(store, indexes), originals, lambda point: None)
        with store.write() as connection:
            catalog.create(connection, BASE)
            number = catalog.base_id(connection, BASE)
        size = Size(tokens, overlap, model.max_tokens)
        self.chunks = 0
        for name, blocks in documents.items():
            # A passage without a title has only a made-up name, which must tell the model nothing.
            shown = name if name.endswith(".md") else ""
            chunks = split(blocks, shown, model, size)
            vectors = model.encode([chunk.embedded for chunk in chunks]).astype(np.float16)
            packed = [terms.pack(terms.of_passage(shown, chunk.locator.headings, chunk.text)) for chunk in chunks]
            with store.write() as connection:
                file = file_rows.add_file(connection, name, name, 1, "assistants", uploaded=False)
                entry_rows.add_entry(connection, number, file, name, Cut(tokens, overlap))
                job = jobs.add(connection, number, name, name, 1, file)
            new = NewDocument(
                number, file, name, name, 1, 1, None, (), chunks, vectors, packed, model.identity, time.time()
            )  # fmt: skip
            shelf.put(new, Job(**{**{key: getattr(job, key) for key in Job.__slots__}, "stage": "ready"}))
            self.chunks += len(chunks)
        self.search = Search(store, indexes, model, share=share)

    def ask(self, question: Question, mode: Mode, top: int = TOP) -> list[Passage]:
        """Return the passages found for a question."""
        return self.search.find(BASE, question.text, top, question.earlier, mode=mode).passages


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


def _read(passage: Passage) -> str:
    """Return a passage as the model reads it, with its headings; the plain pipeline's texts hold them, too."""
    return " ".join((*passage.locator.headings, passage.text))


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def tutorial(model: Kept, found: Corpus) -> dict[str, float]:
    """Return the measures of the pipeline of LangChain's tutorials on the same texts."""
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(chunk_size=800, chunk_overlap=80)
    pieces = [(name, text) for name, blocks in found.documents.items() for text in splitter.split_text(_whole(blocks))]
    matrix = model.encode([text for _, text in pieces])
    answers = []
    for question in found.questions:
        texts = "\n".join([*question.earlier[-1:], question.text])
        best = np.argsort(-(matrix @ model.encode_query(texts)[0]))[:TOP]
        answers.append([pieces[place] for place in best])
    return measures(found.questions, answers)


def _whole(blocks: Sequence[Block]) -> str:
    parts: list[str] = []
    before: tuple[str, ...] = ()
    for block in blocks:
        parts += [" > ".join(block.locator.headings)] if block.locator.headings != before else []
        before = block.locator.headings
        parts.append(block.text)
    return "\n\n".join(parts)


def run(
    data: Path, model: Kept, name: str, most: int, plain: bool, cut: tuple[int, int], share: float, top: int
) -> dict[str, Any]:
    """Return the figures of one set by mode."""
    found = corpus(data, name, most)
    figures: dict[str, Any] = {"documents": len(found.documents), "questions": len(found.questions)}
    with tempfile.TemporaryDirectory() as folder:
        shelved = Shelved(Path(folder), model, found.documents, *cut, share)
        figures["chunks"] = shelved.chunks
        model.encode([text for question in found.questions for text in (question.text, *question.earlier[-1:])])
        for mode in MODES:
            answers, spent = [], []
            for question in found.questions:
                start = time.process_time()
                passages = shelved.ask(question, mode, top)
                spent.append(time.process_time() - start)
                answers.append([(passage.source.name, _read(passage)) for passage in passages])
            figures[mode] = measures(found.questions, answers)
            figures[mode] |= {f"cpu_ms_p{p}": round(float(np.percentile(spent, p)) * 1000, 2) for p in (50, 95)}
    if plain:
        figures["langchain"] = tutorial(model, found)
    return figures


def main() -> None:
    """Run the sets that are asked for and print what was found, a line of JSON for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval", description=__doc__)
    parser.add_argument("data", type=Path, help="the folder of the question sets")
    parser.add_argument(
        "sets", nargs="*", default=list(SETS), help=f"of {', '.join(SETS)}, {ARTICLES}; default: all but the last"
    )
    parser.add_argument("--cache", type=Path, required=True, help="the file in which vectors are kept")
    parser.add_argument("--questions", type=int, default=1500, help="of a larger set, a sample of this many")
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--overlap", type=int, default=20)
    parser.add_argument("--top", type=int, default=TOP, help="passages asked for, of which one document may have its share")
    parser.add_argument("--share", type=float, default=0.75, help="part of the passages that one document may have")
    parser.add_argument("--plain", action="store_true", help="also the pipeline of LangChain's tutorials")
    given = parser.parse_args()
    model = Kept(given.cache)
    model.load(lambda what, part: None)
    for name in given.sets:
        figures = run(
            given.data, model, name, given.questions, given.plain, (given.tokens, given.overlap), given.share, given.top
        )
        print(json.dumps({"set": name, **figures}), flush=True)


if __name__ == "__main__":
    main()
