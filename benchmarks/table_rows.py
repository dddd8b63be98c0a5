"""Whether search finds the row of a table that holds a figure: `python -m benchmarks.table_rows PDFS --questions FILE`.

PDFS is a folder of reports; it is no part of this repository. The questions are made of rows of their tables, as the product
reads them ("What was cost of sales in 2022 Q3 AAPL?"), once, and kept in FILE, so that a second run, of another version of the
program, is asked the same. Found is a passage of that document with the row's label and its first figure. Prints JSON: the
part found first and in the first five, and the mean reciprocal rank, for search, by words alone and by vectors alone.
"""

import argparse
import json
import random
import re
import tempfile
from pathlib import Path

from knowledge.library import Library
from knowledge.ranking import Mode
from knowledge.settings import KnowledgeSettings

BASE, TOP, COUNT = "default", 5, 500
MODES: tuple[Mode, ...] = ("hybrid", "lexical", "dense")
ROW = re.compile(r"^\| ([A-Z][^|]{8,60}?) \|(.*)\|$", re.MULTILINE)
FIGURE = re.compile(r"\d{1,3}(?:,\d{3})+|\d+\.\d+")

Row = tuple[str, str, str]
"""Document, label, figure."""


def rows(library: Library) -> list[Row]:
    """Return some rows with at least two figures, the same ones every time."""
    found = {
        (document.name, label.strip(), figures[0])
        for document in library.documents(BASE)
        for passage in library.passages(BASE, document.name)
        for label, cells in ROW.findall(passage.text)
        if len(figures := FIGURE.findall(cells)) > 1
    }
    chosen = sorted(found)
    random.Random(3).shuffle(chosen)  # a sample, no secret
    return chosen[:COUNT]


def rank(library: Library, row: Row, mode: Mode) -> int:
    """Return the place, from 1, of the first passage that holds the row; 0 where none of the first five does."""
    name, label, figure = row
    question = f"What was {label[0].lower()}{label[1:]} in {Path(name).stem}?"
    passages = library.find(BASE, question, TOP, mode=mode).passages
    held = (p.source.name == name and label in p.text and figure in p.text for p in passages)
    return next((place for place, holds in enumerate(held, 1) if holds), 0)


def run(folder: Path, questions: Path) -> dict[str, object]:
    """Return the figures, after having made the questions where they are not there."""
    with tempfile.TemporaryDirectory() as data:
        library = Library(KnowledgeSettings.model_validate({"data_dir": Path(data)}))
        library.open()
        library.load(lambda what, part: None)
        for job in [library.add_file(BASE, file.name, file) for file in sorted(folder.glob("*.pdf"))]:
            library.wait(job.id)
        if not questions.exists():
            questions.write_text(json.dumps(rows(library)), encoding="utf-8")
        asked: list[Row] = [tuple(row) for row in json.loads(questions.read_text(encoding="utf-8"))]
        figures: dict[str, object] = {"passages": library.bases()[0].chunks, "questions": len(asked)}
        for mode in MODES:
            ranks = [rank(library, row, mode) for row in asked]
            figures[mode] = {
                "first": round(sum(place == 1 for place in ranks) / len(ranks), 3),
                "in_5": round(sum(place > 0 for place in ranks) / len(ranks), 3),
                "mrr": round(sum(1 / place for place in ranks if place) / len(ranks), 3),
            }
        library.close()
    return figures


def main() -> None:
    """Run it and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table_rows", description=__doc__)
    parser.add_argument("pdfs", type=Path, help="a folder of reports")
    parser.add_argument("--questions", type=Path, required=True, help="the file in which the questions are kept")
    given = parser.parse_args()
    print(json.dumps(run(given.pdfs, given.questions)))


if __name__ == "__main__":
    main()
