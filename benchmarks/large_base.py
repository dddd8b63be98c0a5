"""A large knowledge base: opening, searching, adding: `python -m benchmarks.large_base FOLDER --texts PATH...`.

FOLDER is where the base is kept; it is made once, from the .md, .rst, .txt, .jsonl and .gz files below PATH, each passage
130 words. Embedding 100,000 passages takes an hour of CPU, so some are embedded for real and the others get a mixture of
two of those vectors and a little noise: good for timing, and recall is only said of the exact search. Prints JSON;
figures are CPU milliseconds of the process, the vector of the question left out where it says so. Best of all rounds
and median: other work on the machine adds to both.
"""

import argparse
import gzip
import json
import random
import resource
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from knowledge import catalog, entry_rows, file_rows, jobs, terms
from knowledge.base import Job, Locator
from knowledge.catalog import Halves, NewDocument
from knowledge.chunking import Chunk
from knowledge.embeddings import Embedder
from knowledge.file_base import Cut
from knowledge.library import Library
from knowledge.settings import KnowledgeSettings

WORDS = 130
OF_DOCUMENT = 100
KINDS = (".md", ".rst", ".txt", ".jsonl", ".gz")
LARGEST = 4_000_000


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
    figures: dict[str, Any] = {"chunks": index.size}
    opening = timed(lambda _: library._shelf.rebuild(number), list(range(5)))
    figures["open_ms"] = opening
    for question in questions:
        embedder.encode_query(question)
    figures["search_ms"] = timed(lambda question: library.search("default", question, 10), questions * 2)
    for mode in ("dense", "lexical"):
        search = partial(library.search, "default", top_k=10, mode=mode)
        figures[f"search_{mode}_ms"] = timed(search, questions * 2)
    figures["recall@10"] = _recall(library, embedder, questions)
    made = embedder.encode(questions[:20]).astype(np.float16)
    spent = [put(library, 10**9 + place, questions[:20] * 5, mixed(made, 100, place), embedder.identity) for place in range(10)]
    figures["add_100_ms"] = {"best": round(min(spent) * 1000, 2), "p50": round(float(np.median(spent)) * 1000, 2)}
    for place in range(10):
        library.remove("default", f"document-{10**9 + place}.txt")
    figures["memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return figures


def _recall(library: Library, embedder: Embedder, questions: list[str]) -> float:
    with library._store.read() as connection:
        parts = list(catalog.vectors(connection, 1))
    ids = np.concatenate([part[0] for part in parts])
    vectors = np.vstack([part[1] for part in parts]).astype(np.float32)
    hits = 0
    for question in questions:
        vector = embedder.encode_query(question)
        best = set(ids[np.argsort(-(vectors @ vector[0]))[:10]].tolist())
        hits += len(best & {number for number, _ in library._indexes.of(1).search(vector, 10)})
    return hits / (10 * len(questions))


def main() -> None:
    """Read the command line, run, and print."""
    parser = argparse.ArgumentParser(description="Opening, searching and adding to a large knowledge base.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--texts", type=Path, nargs="+", default=[Path("/usr/share/doc")])
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--real", type=int, default=1500)
    given = parser.parse_args()
    import faiss

    faiss.omp_set_num_threads(1)
    embedder = Remembered()
    settings = KnowledgeSettings.model_validate({"data_dir": given.folder.resolve(), "min_free_disk": 0})
    library = Library(settings, embedder=embedder)
    library.open()
    library.load(lambda what, part: None)
    if not library.bases()[0].chunks:
        build(library, embedder, given.texts, given.chunks, given.real)
    chance = random.Random(11)  # a sample, no secret
    with library._store.read() as connection:
        sample = connection.execute("SELECT text FROM chunks WHERE id % 997 = 1 LIMIT 60").fetchall()
    questions = ["What is said about " + " ".join(chance.sample(text.split(), 7)) + "?" for (text,) in sample]
    print(json.dumps(measure(library, embedder, questions)))
    library.close()


if __name__ == "__main__":
    main()
