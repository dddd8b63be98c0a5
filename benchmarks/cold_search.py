"""A search from the command line, cold: `python -m benchmarks.cold_search FOLDER --texts PATH...`.

FOLDER is where two bases are kept, a small one and a large one; they are made once, as `benchmarks.large_base` makes its
own. Prints JSON: CPU seconds (user and system, of the process and all it starts), median and best of some runs, of a search
of each base, of the same search where the large base has no index file yet, and of the commands beside it.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.large_base import build
from knowledge.data_folder import INDEXES
from knowledge.embeddings import Embedder
from knowledge.library import Library
from knowledge.settings import KnowledgeSettings

ROOT = Path(__file__).resolve().parent.parent
SIZES = (300, 20_000)
REAL = 300
QUESTION = "Which city was the architect of the old railway station born in?"


def spent(line: list[str]) -> float:
    """Run a command of the program; returns its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "cli", *line], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def repeated(line: list[str], runs: int, prepare: Callable[[], None] = lambda: None) -> dict[str, float]:
    """Return the figures of some runs of a command; `prepare` goes before each and does not count."""
    figures = []
    for _ in range(runs):
        prepare()
        figures.append(spent(line))
    return {"median": round(statistics.median(figures), 3), "best": round(min(figures), 3)}


def fill(folder: Path, count: int, texts: list[Path]) -> None:
    """Make the base of a size, if it is not there."""
    if folder.is_dir():
        return
    embedder = Embedder(None)
    settings = KnowledgeSettings.model_validate({"data_dir": folder.resolve(), "min_free_disk": 0})
    library = Library(settings, embedder=embedder)
    library.open()
    library.load(lambda what, part: None)
    build(library, embedder, texts, count, min(REAL, count))
    library.close()


def forget_indexes(folder: Path) -> None:
    """Remove the files of indexes, as after a crash of the server that filled the base."""
    for file in (folder / INDEXES).glob("*.index"):
        file.unlink()


def main() -> None:
    """Read the command line, run, and print."""
    parser = argparse.ArgumentParser(description="A search from the command line, cold.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--texts", type=Path, nargs="+", default=[Path("/usr/share/doc")])
    parser.add_argument("--runs", type=int, default=9)
    given = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    for size in SIZES:
        folder = given.folder / str(size)
        fill(folder, size, given.texts)
        where = ["--data-dir", str(folder.resolve())]
        search = ["knowledge", "search", QUESTION, *where]
        spent(search)  # what it keeps for the next start, it keeps now
        figures[f"search of {size:,}"] = repeated(search, given.runs)
        figures[f"list of {size:,}"] = repeated(["knowledge", "list", *where], given.runs)
    large = given.folder / str(SIZES[-1])
    figures["search without index file"] = repeated(search, given.runs, lambda: forget_indexes(large))
    for line in (["--help"], ["knowledge", "--help"]):
        figures[" ".join(line)] = repeated(line, given.runs)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
