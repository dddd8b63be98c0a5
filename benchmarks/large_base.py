"""A large knowledge base: opening, searching, adding: `python -m benchmarks.large_base FOLDER --texts PATH...`.

FOLDER is where the base is kept; it is made once, from the .md, .rst, .txt, .jsonl and .gz files below PATH, each passage
130 words. Embedding 100,000 passages takes an hour of CPU, so some are embedded for real and the others get a mixture of
two of those vectors and a little noise: good for timing, and recall is only said of the exact search. With `--vectors`
all are real, made before: a folder with `texts-00.json` (a list of texts), `vectors-00.npy` (their vectors, float16, shape
(texts, dimension)) and so on, and `questions.json`. Prints JSON; figures are CPU milliseconds of the process, the vector of
the question left out. Best of all rounds and median: other work on the machine adds to both.
"""

import argparse
import gzip
import json
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from knowledge import catalog, chunk_rows, entry_rows, file_rows, jobs, terms
from knowledge.base import Job, Locator
from knowledge.catalog import Halves, NewDocument
from knowledge.chunking import Chunk
from knowledge.embeddings import Embedder
from knowledge.file_base import Cut
from knowledge.index import Index
from knowledge.library import Library
from knowledge.settings import KnowledgeSettings

WORDS = 130
OF_DOCUMENT = 100
KINDS = (".md", ".rst", ".txt", ".jsonl", ".gz")
LARGEST = 4_000_000
MOST_QUESTIONS = 200


def passages(folders: list[Path]) -> Iterator[str]:
    """Yield passages of real text, no passage twice."""
    seen: set[int] = set()
    for file in sorted(file for folder in folders for file in folder.rglob("*") if file.suffix in KINDS and file.is_file()):
        try:
            data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        except (OSError, EOFError, gzip.BadGzipFile):
            continue
        words = data[:LARGEST].decode("utf-8", "replace").split()
        for start in range(0, len(words), WORDS):
            text = " ".join(words[start : start + WORDS])[:2000]
            if len(text) > 300 and hash(text) not in seen:
                seen.add(hash(text))
                yield text


def mixed(real: Halves, count: int, seed: int) -> Halves:
    """Return `count` vectors of length 1 made of the real ones."""
    chance = np.random.default_rng(seed)
    part = chance.uniform(0.5, 0.95, (count, 1))
    one, other = (real[chance.integers(0, len(real), count)].astype(np.float32) for _ in range(2))
    mixture = part * one + (1 - part) * other + chance.normal(0, 0.01, one.shape)
    return np.asarray(mixture / np.linalg.norm(mixture, axis=1, keepdims=True), dtype=np.float16)


def put(library: Library, number: int, texts: list[str], vectors: Halves, identity: str) -> float:
    """Store a document of these passages as the worker would; returns CPU seconds of the durable part."""
    store, shelf = library._store, library._shelf
    name = f"document-{number}.txt"
    chunks = [Chunk(text, "", Locator(None, (f"Part {number}",), 1, 9), 180) for text in texts]
    packed = [terms.pack(terms.of_passage(name, chunk.locator.headings, chunk.text)) for chunk in chunks]
    with store.write(durable=False) as connection:
        base = catalog.base_id(connection, "default")
        facts = (name, f"{number:064x}", 1000)
        file_id = file_rows.add_file(connection, *facts, "assistants", uploaded=False)
        entry_rows.add_entry(connection, base, file_id, name, Cut(200, 20))
        job = jobs.add(connection, base, *facts, file_id)
    new = NewDocument(base, file_id, *facts, 1000, None, (), chunks, vectors, packed, identity, time.time())
    ready = Job(job.id, "default", name, 1000, "ready", 1.0, len(chunks), 0.1)
    start = time.process_time()
    shelf.put(new, ready)
    return time.process_time() - start


def build(library: Library, embedder: Embedder, folders: list[Path], count: int, real: int) -> None:
    """Fill the base."""
    found = passages(folders)
    texts = list(islice(found, count))
    random.Random(3).shuffle(texts)  # a sample, no secret
    if len(texts) < count:
        raise SystemExit(f"there are only {len(texts)} passages of text there")
    vectors = embedder.encode(texts[:real]).astype(np.float16)
    vectors = np.vstack([vectors, mixed(vectors, count - real, 5)])
    for start in range(0, count, OF_DOCUMENT):
        stop = start + OF_DOCUMENT
        put(library, start, texts[start:stop], vectors[start:stop], embedder.identity)


def build_made(library: Library, identity: str, folder: Path, count: int, of_document: int) -> None:
    """Fill the base with texts and vectors that were made before."""
    done = 0
    for file in sorted(folder.glob("vectors-[0-9]*.npy")):
        texts = json.loads(file.with_name(file.name.replace("vectors", "texts")).with_suffix(".json").read_text())
        vectors = np.load(file, allow_pickle=False)
        for start in range(0, min(len(texts), count - done), of_document):
            stop = min(start + of_document, count - done)
            put(library, done + start, texts[start:stop], vectors[start:stop], identity)
        done += min(len(texts), count - done)
    if done < count:
        print(f"there are only {done} vectors there", file=sys.stderr)


def timed(act: Callable[[Any], Any], over: list[Any]) -> dict[str, float]:
    """Return CPU milliseconds of an act on each of some things."""
    spent = []
    for one in over:
        start = time.process_time()
        act(one)
        spent.append((time.process_time() - start) * 1000)
    return {
        "best": round(min(spent), 2),
        "p50": round(float(np.median(spent)), 2),
        "p95": round(float(np.percentile(spent, 95)), 2),
    }


class Remembered(Embedder):
    """The embedding model, that makes the vector of a question once."""

    def __init__(self) -> None:
        super().__init__(None)
        self._known: dict[str, Any] = {}

    def encode_query(self, text: str) -> Any:
        """Return the vector of a question."""
        if text not in self._known:
            self._known[text] = super().encode_query(text)
        return self._known[text]


def measure(library: Library, embedder: Remembered, questions: list[str]) -> dict[str, Any]:
    """Return the figures of an open, filled base."""
    number = 1
    index = library._indexes.of(number)
    figures: dict[str, Any] = {"chunks": index.size, "lists": index.lists}
    figures["open_ms"] = timed(lambda _: library._mirror.rebuild(number), list(range(5)))
    for question in questions:
        embedder.encode_query(question)
    for count in (10, 100):
        nearest = partial(_nearest, index, embedder, count)
        figures[f"vectors_{count}_ms"] = timed(nearest, questions * 2)
    figures["search_ms"] = timed(lambda question: library.search("default", question, 10), questions * 2)
    for mode in ("dense", "lexical"):
        search = partial(library.search, "default", top_k=10, mode=mode)
        figures[f"search_{mode}_ms"] = timed(search, questions * 2)
    figures["recall@10"] = _recall(library, embedder, questions)
    figures["bytes_a_chunk"] = _bytes(index)
    made = embedder.encode(questions[:20]).astype(np.float16)
    spent = [put(library, 10**9 + place, questions[:20] * 5, mixed(made, 100, place), embedder.identity) for place in range(10)]
    figures["add_100_ms"] = {"best": round(min(spent) * 1000, 2), "p50": round(float(np.median(spent)) * 1000, 2)}
    for place in range(10):
        library.remove("default", f"document-{10**9 + place}.txt")
    figures["memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return figures


def _nearest(index: Index, embedder: Embedder, count: int, question: str) -> list[tuple[int, float]]:
    return index.search(embedder.encode_query(question), count)


def _bytes(index: Index) -> dict[str, int]:
    """Return what a chunk takes in memory: its vector with its place, and its words."""
    arrays = index.arrays()
    vectors, words = arrays[1 : 1 + int(arrays[0][0])], arrays[1 + int(arrays[0][0]) :]
    return {name: sum(array.nbytes for array in some) // index.size for name, some in (("vector", vectors), ("words", words))}


def _recall(library: Library, embedder: Embedder, questions: list[str]) -> float:
    """Return the part of the ten nearest by brute force that the index finds."""
    asked = np.vstack([embedder.encode_query(question) for question in questions])
    best, scores = np.empty((len(asked), 0), dtype=np.int64), np.empty((len(asked), 0), dtype=np.float32)
    with library._store.read() as connection:
        for ids, vectors in chunk_rows.vectors(connection, 1):
            scores = np.hstack([scores, asked @ vectors.astype(np.float32).T])
            best = np.hstack([best, np.broadcast_to(ids, (len(asked), len(ids)))])
            order = np.argsort(-scores, axis=1)[:, :10]
            scores, best = np.take_along_axis(scores, order, 1), np.take_along_axis(best, order, 1)
    hits = 0
    for vector, true in zip(asked, best, strict=True):
        hits += len(set(true.tolist()) & {number for number, _ in library._indexes.of(1).search(vector[None], 10)})
    return hits / (10 * len(questions))


def _resident() -> int:
    """Return the memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _questions(library: Library) -> list[str]:
    chance = random.Random(11)  # a sample, no secret
    with library._store.read() as connection:
        sample = connection.execute("SELECT text FROM chunks WHERE id % 997 = 1 LIMIT 60").fetchall()
    return ["What is said about " + " ".join(chance.sample(text.split(), 7)) + "?" for (text,) in sample]


def main() -> None:
    """Read the command line, run, and print."""
    parser = argparse.ArgumentParser(description="Opening, searching and adding to a large knowledge base.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--texts", type=Path, nargs="+", default=[Path("/usr/share/doc")])
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--real", type=int, default=1500)
    parser.add_argument("--vectors", type=Path, help="a folder of texts, their vectors and questions, in place of --texts")
    parser.add_argument("--of-document", type=int, default=OF_DOCUMENT, help="passages of one document, with --vectors")
    given = parser.parse_args()
    import faiss

    faiss.omp_set_num_threads(1)
    embedder = Remembered()
    settings = KnowledgeSettings.model_validate({"data_dir": given.folder.resolve(), "min_free_disk": 0})
    library = Library(settings, embedder=embedder)
    library.open()
    embedder.load(lambda what, part: None)
    before, start = _resident(), time.process_time()
    library.load(lambda what, part: None)
    loaded = {"first_open_s": round(time.process_time() - start, 2), "resident_bytes": _resident() - before}
    if not library.bases()[0].chunks:
        start = time.process_time()
        if given.vectors:
            build_made(library, embedder.identity, given.vectors, given.chunks, given.of_document)
        else:
            build(library, embedder, given.texts, given.chunks, given.real)
        library._indexes.of(1).settle()
        loaded = {"build_s": round(time.process_time() - start, 2)}
    questions = json.loads((given.vectors / "questions.json").read_text()) if given.vectors else _questions(library)
    print(json.dumps(loaded | measure(library, embedder, questions[:MOST_QUESTIONS])))
    library.close()


if __name__ == "__main__":
    main()
