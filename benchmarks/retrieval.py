"""How well search finds the passage that answers, on public question sets: `python -m benchmarks.retrieval DATA`.

DATA is a folder of corpora in the layout of BEIR and of documentation trees with questions, as `question_sets.py` names
them; it is no part of this repository. Each set is put into a knowledge base of its own by the product's own chunker, store and
index, and searched by the product's own search: by words and vectors, and by each alone. `--plain` adds the pipeline of
LangChain's tutorials: 800 characters with 80 shared, the same model, FAISS. Vectors are kept in `--cache`, so that a
second run costs only the search. Prints JSON; latency is the CPU time of the process for a search, without the vector
of the question.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kept_vectors import Kept
from benchmarks.question_sets import ARTICLES, SETS, Corpus, Question, corpus
from benchmarks.retrieval_measures import TOP, measures
from knowledge import catalog, entry_rows, file_rows, jobs, terms
from knowledge.base import Job, Passage
from knowledge.catalog import NewDocument
from knowledge.chunking import Size, split
from knowledge.file_base import Cut
from knowledge.index import Indexes
from knowledge.loaders.base import Block
from knowledge.mirror import Mirror
from knowledge.originals import Originals
from knowledge.ranking import Mode
from knowledge.search import Search
from knowledge.shelf import Shelf
from knowledge.store import Store

BASE = "default"
MODES: tuple[Mode, ...] = ("hybrid", "lexical", "dense")


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


def _read(passage: Passage) -> str:
    """Return a passage as the model reads it, with its headings; the plain pipeline's texts hold them, too."""
    return " ".join((*passage.locator.headings, passage.text))


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
