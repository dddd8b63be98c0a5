"""Tables of text (.csv, .tsv) to Markdown tables with line numbers; what divides the cells is found out.

Cells are text: nothing in them is computed, followed or run.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from knowledge.base import UnreadableFile
from knowledge.loaders.base import Extract, PageReport
from knowledge.loaders.sheet import Row, blocks_of
from knowledge.loaders.text import text_of

DIVIDERS = ",;\t|"
SAYS = re.compile(r'"?sep=(.)"?')
"""What the first line says to Excel: the sign that divides the cells."""
SAMPLE_ROWS = 50
LONGEST_LINE = 1 << 20
"""Characters in a line, and in a cell; a longer one is no row of a table."""


def read(path: Path, report: PageReport) -> Extract:
    """Return the tables of a file; raises `UnreadableFile` when it is not text or a line has no end."""
    text, warnings = text_of(path)
    for number, line in enumerate(io.StringIO(text), 1):
        if len(line) > LONGEST_LINE:
            raise UnreadableFile(
                "too_large", f"line {number:,} is longer than {LONGEST_LINE:,} characters: it is no row of a table"
            )
    csv.field_size_limit(LONGEST_LINE)
    blocks = tuple(blocks_of(rows_of(text, *dialect_of(text))))
    report(1, 1)
    return Extract(blocks, None, warnings)


def rows_of(text: str, divider: str, escape: str | None = None) -> Iterator[Row]:
    """Yield the rows of a text; raises `UnreadableFile` for a cell that never ends."""
    reader = csv.reader(io.StringIO(text), delimiter=divider, escapechar=escape, skipinitialspace=True)
    done = 0
    try:
        for cells in reader:
            if done or not SAYS.fullmatch(text[: text.find("\n") + 1].strip()):
                yield Row(cells, done + 1, reader.line_num)
            done = reader.line_num
    except csv.Error as error:
        raise UnreadableFile("broken", f"the table is damaged after line {done:,}: {error}") from error


def dialect_of(text: str) -> tuple[str, str | None]:
    """Return the sign that divides the first rows into the most even table, and the one that makes a quote no end, if any."""
    says = SAYS.fullmatch(text[: text.find("\n") + 1].strip())
    escapes = (None, "\\") if '\\"' in text else (None,)
    dialects = [(divider, escape) for escape in escapes for divider in (says[1] if says else DIVIDERS)]
    return max(dialects, key=lambda dialect: evenness(text, *dialect))


def evenness(text: str, divider: str, escape: str | None) -> float:
    """Return how many of the first rows have the usual number of cells, with a little for more cells; 0 for one cell."""
    try:
        widths = [len(row.cells) for row in islice(rows_of(text, divider, escape), SAMPLE_ROWS) if row.cells]
    except UnreadableFile:
        return 0.0
    width, rows = Counter(widths).most_common(1)[0] if widths else (1, 0)
    return rows / len(widths) + width / 1000 if width > 1 else 0.0
