"""The text of a passage as HTML: its Markdown tables as tables, the lines of a page as paragraphs. Knows no card.

Only what knowledge/loaders/table.py writes is a table here: rows between bars, the second one a rule.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from webui.markup import flat

FULL, SHORTEST = 0.75, 24
"""The part of a page's longest line from which a line is full and goes on in the next, and how many characters that has."""
BEGINS = re.compile(r"\s*(?:[•◦▪·●○■*–-]\s|\(?(?:\d{1,3}|[A-Za-z])[.)]\s|\|)")
"""Of an entry of a list, or a row."""
UNSPACED = re.compile(r"[\u2e80-\u9fff\uff00-\uffef]")
ROW = re.compile(r"\s*\|.*\|\s*")
RULE = re.compile(r"(?=[^-]*-)[\s|:-]+")
BAR = re.compile(r"(?<!\\)\|")


def shown(text: str) -> str:
    """Return a passage as HTML on one line."""
    return "".join(parts(text.split("\n")))


def reflowed(text: str) -> str:
    """Return the text of a page with the lines put together that only end because the page does on their right."""
    lines = text.split("\n")
    full = max(SHORTEST, FULL * max((len(line) for line in lines if not ROW.fullmatch(line)), default=0))
    found = lines[:1]
    for before, line in pairwise(lines):
        if len(before) >= full and line.strip() and not ROW.fullmatch(before) and not BEGINS.match(line):
            unspaced = UNSPACED.match(before[-1]) and UNSPACED.match(line)
            found[-1] += line if unspaced else f" {line.lstrip()}"
        else:
            found.append(line)
    return "\n".join(found)


def parts(lines: Sequence[str]) -> Iterator[str]:
    """Yield the HTML of lines, tables and what stands between them."""
    held: list[str] = []
    at = 0
    while at < len(lines):
        end = end_of(lines, at)
        if end > at + 1:
            yield flat("\n".join(held))
            yield table(lines[at:end])
            held, at = [], end
        else:
            held.append(lines[at])
            at += 1
    yield flat("\n".join(held))


def end_of(lines: Sequence[str], at: int) -> int:
    """Return where the table ends that begins at a line, `at` itself where none does."""
    if (
        not ROW.fullmatch(lines[at])
        or at + 1 == len(lines)
        or not (ROW.fullmatch(lines[at + 1]) and RULE.fullmatch(lines[at + 1]))
    ):
        return at
    return next((place for place in range(at + 2, len(lines)) if not ROW.fullmatch(lines[place])), len(lines))


def table(lines: Sequence[str]) -> str:
    """Return a table, its first line the header row and its second the rule."""
    body = "".join(row(line, "td") for line in lines[2:])
    return f'<table class="rows"><thead>{row(lines[0], "th")}</thead><tbody>{body}</tbody></table>'


def row(line: str, tag: str) -> str:
    """Return a row; a cell of the header row that says nothing is none for who hears the page."""
    cells = [cell.strip().replace("\\|", "|") for cell in BAR.split(line.strip()[1:-1])]
    return f"<tr>{''.join(f'<{kind}>{flat(cell)}</{kind}>' for cell in cells for kind in [tag if cell else 'td'])}</tr>"
