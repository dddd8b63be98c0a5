"""Tables of a PDF that go on on the next page: the part there is put below the header row of the first part.

Knows the parts and lines of pages, no PDF library. Each part stays a table of its own page. Two tables that only look
alike are not joined: the part must begin with the header row once more, or with a row like those before it. Where neither
words, figures nor the way that rows are set tell, nothing is joined.
"""

import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

from knowledge.loaders.cleaning import Cleaner
from knowledge.loaders.lines import Line
from knowledge.loaders.pdf_part import Cells, Part, Span

NEAR = 3.0
"""Points between places on two pages that are one,"""
FIGURES_NEAR, LABELS_NEAR = 6.0, 36.0
"""between the ends of figures in one column (a bracket hangs over), and between labels, which may be indented."""
BEFORE = 3
"""Pages that are looked at for a header and footer: those of odd and even pages differ."""
MOST_LINES = 12
"""Lines of a header or a footer."""
NUMBER, YEAR = re.compile(r"\d+(?:[.,'\u2009\u202f]\d+)*"), re.compile(r"\b(?:19|20)\d\d\b")
NOTHING = re.compile(r"[-\u2012-\u2015\u2212*.\s]*|n/?[am]\.?|none|nil", re.IGNORECASE)
PAGE_NUMBER = re.compile(
    r"\W*(?:(?:page|p\.|seite|s\.|página|pagina|стр\.|第)\s*)?(?:\d{1,4}|[ivxlc]{1,6})"
    r"(?:\s*(?:/|of|von|de|di|из)\s*\d{1,4})?\s*页?\W*",
    re.IGNORECASE,
)
CONTINUED = re.compile(
    r"[-\u2013\u2014:,;\s]*[(\[（]?(?:\b(?:continued|cont['’]?d|cont\.|fortsetzung|suite|continuación|continuação|continua)"
    r"|продолжение|接上页|续表|續表|续|續)(?:\s(?:from|on|to|auf|von)\s[^.]{1,30})?[^\w.]*\.?$",
    re.IGNORECASE,
)
"""At the end of a caption, or of a line of its own."""

Lines = Sequence[Line | Part]


class Spread:
    """The table at the end of the last page; `caption` is the one above it, or above its first part."""

    def __init__(self) -> None:
        self.caption = ""
        self._open: Part | None = None
        self._last: Part | None = None
        self._pages: deque[Lines] = deque(maxlen=BEFORE)

    def join(self, page: Lines) -> tuple[Lines, Part | None]:
        """Return the next page, and the part in it that goes on with the table, now below its header row, if one does."""
        parts = [one for one in page if isinstance(one, Part)]
        first = max(parts, key=lambda part: part.top, default=None)
        joined = None
        if first is not None and self._open is not None and self._meet(self._open, first, page):
            joined = below_header(self._open, first)
            page = [joined if one is first and joined else one for one in page]
        self._last = min((one for one in page if isinstance(one, Part)), key=lambda part: part.bottom, default=None)
        self._open = cleaned(self._last) if self._last is not None and self._last.headed else None
        self._pages.append(page)
        return page, joined

    def told(self, part: Part, own: str, joined: Part | None) -> str:
        """Return the caption of a part of the page, above which stands `own`; keeps that of the page's last part."""
        caption = captioned(self.caption, own) if part is joined else own
        self.caption = caption if part is self._last else self.caption
        return caption

    def _meet(self, above: Part, part: Part, page: Lines) -> bool:
        """Whether nothing stands between two parts but what stands on every page, or says that the table goes on."""
        last = self._pages[-1]
        between = [line for line in placed(last) if middle(line) < above.bottom]
        begins = [line for line in placed(page) if middle(line) > part.top]
        return (
            same_columns(above, part)
            and max(len(between), len(begins)) <= MOST_LINES
            and all(self._is_known(line, [page, *list(self._pages)[:-1]]) for line in between)
            and all(self._is_known(line, self._pages) for line in begins)
        )

    def _is_known(self, line: Line, pages: Iterable[Lines]) -> bool:
        """Whether a line is a header, footer or page number, or says that a table goes on."""
        text = line.text.strip()
        if PAGE_NUMBER.fullmatch(text) or CONTINUED.search(text) or (letters(text) and letters(text) in letters(self.caption)):
            return True
        wanted = shape(text)
        return any(
            abs(other.bottom - line.bottom) <= NEAR and shape(other.text) == wanted for page in pages for other in placed(page)
        )


def below_header(above: Part, part: Part) -> Part | None:
    """Return a part below the header row of the part above it; None where it is a table of its own."""
    if letters("".join(part.rows[0])) == letters("".join(above.rows[0])):
        return replace(part, headed=True)
    if part.ruled and not is_row_of(above, part):
        return None
    if not part.ruled and part.headed:
        return None
    styles = (above.styles[0], *part.styles) if above.styles and part.styles else ()
    return replace(part, rows=(above.rows[0], *part.rows), headed=True, styles=styles)


def is_row_of(above: Part, part: Part) -> bool:
    """Whether a part begins with a row like those below the header row of the part above it, and not like a header row."""
    head, body = above.styles[0], set(above.styles[1:])
    told = head and head not in body
    if (told and part.styles[0] == head) or any(map(is_head, part.rows[0], columns(part.rows[1:]), columns(above.rows[1:]))):
        return False
    alike = any(map(is_like, part.rows[0], above.rows[0], columns(above.rows[1:])))
    return alike or bool(told and part.styles[0] in body)


def is_head(cell: str, below: Cells, above: Cells) -> bool:
    """Whether a cell is words over figures, between cells that all are figures."""
    around = [one for one in (*below, *above) if one and not NOTHING.fullmatch(one)]
    words = not NOTHING.fullmatch(cell) and not NUMBER.search(cell)
    return words and len(around) > 1 and all(NUMBER.search(one) for one in around)


def is_like(cell: str, header: str, above: Cells) -> bool:
    """Whether a cell says the same as one above it, or the same with other figures, and its column's header does not."""
    wanted = shape(cell)
    return bool(wanted) and wanted != shape(header) and any(shape(one) == wanted for one in above)


def columns(rows: Sequence[Cells]) -> Iterable[Cells]:
    """Return the columns of rows, endless empty ones where there are no rows."""
    return zip(*rows, strict=True) if rows else iter(tuple, None)


def shape(text: str) -> str:
    """Return a text with one sign for every year, and another for every other number."""
    return NUMBER.sub("#", YEAR.sub("¥#", text.casefold().strip()))


def letters(text: str) -> str:
    """Return the letters and figures of a text, small."""
    return "".join(sign for sign in CONTINUED.sub("", text).casefold() if sign.isalnum())


def captioned(first: str, own: str) -> str:
    """Return the caption of a part that goes on, by that of the first part and what stands above it."""
    mark = CONTINUED.search(own)
    if not first or not own or letters(own) not in letters(first):
        return f"{first} {own}".strip()
    return f"{first}{mark[0]}" if mark else first


def same_columns(one: Part, other: Part) -> bool:
    """Whether two parts have the same columns at the same places; those between rules may all be moved, for the binding."""
    if one.ruled != other.ruled or len(one.columns) != len(other.columns):
        return False
    if not one.ruled:
        labels = abs(one.columns[0][0] - other.columns[0][0]) <= LABELS_NEAR
        return labels and all(map(is_column, one.columns[1:], other.columns[1:]))
    moved = other.columns[0][0] - one.columns[0][0]
    return all(abs(after[1] - before[1] - moved) <= NEAR for before, after in zip(one.columns, other.columns, strict=True))


def is_column(one: Span, other: Span) -> bool:
    """Whether two columns of figures are one: they end at one place, or begin there."""
    return abs(one[1] - other[1]) <= FIGURES_NEAR or abs(one[0] - other[0]) <= NEAR


def placed(page: Lines) -> Iterable[Line]:
    """Yield the lines of a page of which the place is known."""
    return (one for one in page if isinstance(one, Line) and one.height and one.text.strip())


def middle(line: Line) -> float:
    """Return the height at which the middle of a line stands."""
    return line.bottom + line.height / 2


def cleaned(part: Part) -> Part:
    """Return a part whose header row may be repeated: its hidden signs are taken out once, and counted where it stands."""
    clean = Cleaner().clean
    return replace(part, rows=(tuple(clean(cell) for cell in part.rows[0]), *part.rows[1:]))
