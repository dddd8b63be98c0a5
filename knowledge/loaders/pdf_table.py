"""Tables on a page of a PDF that are drawn with rules: which cell a place is in, and the rows of the table.

Knows geometry, no PDF library. Tables without rules between their columns stay text: telling them from columns of text
by distances alone was wrong too often. Merged cells stand once, where they begin.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from operator import itemgetter

from knowledge.loaders import table
from knowledge.loaders.pdf_part import Part
from knowledge.loaders.pdf_rules import STRAIGHT, Rule
from knowledge.loaders.table_head import MOST, Span, begins_with_figures, has_labels, header_rows, joined, title_of, titles

NEAR = STRAIGHT
"""Points between rules that are one, and between the ends of rules that meet."""
MOST_CELLS = 3000
LONGEST_CELL = 1000
"""Characters; a longer "cell" is a column or a box of running text."""
NEXT = 0.5
"""Points between the letters of a word."""
CROSSINGS = 2
"""Rules that go through words, from which they are a drawing's."""
ROWS = 4
"""Rules across, from which it is no chance that grids side by side have them at the same heights."""
GUTTER = 12
"""Points that part them at most."""

Rules = tuple[list[Rule], list[Rule]]
"""Those across and those upright."""
Style = Callable[[int], str]
"""Tells how the character at a place of the page's text is set."""


class Grid:
    """The rows and columns that some rules make; collects the characters in its cells."""

    def __init__(self, across: list[Rule], upright: list[Rule]) -> None:
        self._xs = clustered([rule[0] for rule in upright])
        self._ys = clustered([rule[1] for rule in across])
        self._across, self._upright = across, upright
        self._cells: dict[tuple[int, int], list[tuple[int, str]]] = {}
        self._ends: dict[int, Rule] = {}
        self.rows, self.columns = max(len(self._ys) - 1, 0), max(len(self._xs) - 1, 0)
        self._anchors = dict(self._merged()) if self.is_grid() else {}

    def is_grid(self) -> bool:
        """Whether there are two rows and two columns, and not too many."""
        return self.rows > 1 and self.columns > 1 and self.rows * self.columns <= MOST_CELLS

    @property
    def around(self) -> Rule:
        """What holds all its cells."""
        return self._xs[0], self._ys[0], self._xs[-1], self._ys[-1]

    def cell_at(self, x: float, y: float) -> tuple[int, int] | None:
        """Return row and column, from 0 at the top left, where the cell begins that holds this point; None outside."""
        column, row = bisect_right(self._xs, x) - 1, bisect_right(self._ys, y) - 1
        if 0 <= column < self.columns and 0 <= row < self.rows:
            return self._anchors[self.rows - 1 - row, column]
        return None

    def put(self, cell: tuple[int, int], place: int, sign: str, box: Rule) -> None:
        """Take in a character, whose place in the page's text is `place`."""
        self._cells.setdefault(cell, []).append((place, sign))
        self._ends[place] = box

    def part(self, text: str, style: Style) -> Part | None:
        """Return the table, None where this is none; `text` is the page's, to see what stands between characters."""
        rows = tuple(tuple(self._words(row, column, text) for column in range(self.columns)) for row in range(self.rows))
        filled = [number for number, row in enumerate(rows) if any(row)]
        full = sum(sum(map(bool, row)) > 1 for row in rows)
        longest = max(len(cell) for row in rows for cell in row)
        if full < 2 or longest > LONGEST_CELL or self._crossings() >= CROSSINGS:
            return None
        styles = [self._style(row, style) for row in filled]
        cells = [rows[row] for row in filled]
        spans = self._spans(filled)
        above = titles(cells, spans)
        body = above + header_rows(cells, spans, above)
        return Part(
            (tuple(joined(cells[above:body])), *cells[body:]),
            tuple(pairwise(self._xs)),
            self._ys[0],
            self._ys[-1],
            ruled=True,
            headed=not has_labels(cells[above]) and not begins_with_figures(cells[above:]),
            styles=(styles[above], *styles[body:]),
            title=title_of(cells[:above]),
        )

    def _spans(self, filled: Sequence[int]) -> dict[tuple[int, int], Span]:
        """Return what the merged cells of the first rows take, counted in the rows that hold something."""
        places = {row: place for place, row in enumerate(filled[: 2 * MOST])}
        taken: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for cell, anchor in self._anchors.items():
            if cell[0] in places and anchor[0] in places:
                taken.setdefault((places[anchor[0]], anchor[1]), []).append(cell)
        return {at: (len({column for _, column in cells}), len({row for row, _ in cells})) for at, cells in taken.items()}

    def _words(self, row: int, column: int, text: str) -> str:
        return words(self._cells.get((row, column), ()), text)

    def _style(self, row: int, style: Style) -> str:
        """Return how the last cell of a row is set; the first ones are often labels, set as a header row is."""
        column = next((column for column in reversed(range(self.columns)) if (row, column) in self._cells), None)
        return "" if column is None else style(self._cells[row, column][0][0])

    def _crossings(self) -> int:
        """Return how often a word goes on in another cell, at its first character."""
        begins = (signs[0][0] for signs in self._cells.values())
        pairs = ((self._ends[place - 1], self._ends[place]) for place in begins if place - 1 in self._ends)
        return sum(abs(after[0] - before[2]) < NEXT and abs(after[1] - before[1]) < NEXT for before, after in pairs)

    def _merged(self) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """Yield for each cell the one that it belongs to: where no rule is between two cells, they are one."""
        anchors: dict[tuple[int, int], tuple[int, int]] = {}
        sides = [[rule for rule in self._upright if abs(rule[0] - x) <= NEAR] for x in self._xs]
        tops = [[rule for rule in self._across if abs(rule[1] - y) <= NEAR] for y in self._ys]
        for row in range(self.rows):
            middle = (self._ys[self.rows - 1 - row] + self._ys[self.rows - row]) / 2
            for column in range(self.columns):
                centre = (self._xs[column] + self._xs[column + 1]) / 2
                anchor = (row, column)
                if column and not any(rule[1] <= middle <= rule[3] for rule in sides[column]):
                    anchor = anchors[row, column - 1]
                elif row and not any(rule[0] <= centre <= rule[2] for rule in tops[self.rows - row]):
                    anchor = anchors[row - 1, column]
                anchors[row, column] = anchor
                yield (row, column), anchor


class Tables:
    """The tables of one page: `owners` tells of each place in the page's text the table that holds it, by its number."""

    def __init__(self, grids: list[Grid], boxes: Sequence[Rule], text: str, style: Style = lambda _: "") -> None:
        held: list[list[int]] = [[] for _ in grids]
        left, bottom, right, top = around([grid.around for grid in grids])
        for place, box in enumerate(boxes):
            x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            if box[2] <= box[0] or not (left <= x <= right and bottom <= y <= top):
                continue
            for grid, places in zip(grids, held, strict=True):
                cell = grid.cell_at(x, y)
                if cell is not None:
                    grid.put(cell, place, text[place], box)
                    places.append(place)
                    break
        self.parts = [grid.part(text, style) for grid in grids]
        self.owners = {place: number for number, places in enumerate(held) if self.parts[number] for place in places}


def around(rules: Sequence[Rule]) -> Rule:
    """Return what holds all of some boxes."""
    lefts, bottoms, rights, tops = zip(*rules, strict=True)
    return min(lefts), min(bottoms), max(rights), max(tops)


def words(signs: Sequence[tuple[int, str]], text: str) -> str:
    """Return the text of a cell: a space where something that is not in it stands between its characters."""
    parts: list[str] = []
    before = -1
    for place, sign in signs:
        if parts and place != before + 1 and text[before + 1 : place] not in ("\x02", "\ufffe"):
            parts.append(" ")
        parts.append(sign)
        before = place
    return table.cell("".join(parts))


def grids_of(rules: list[Rule]) -> list[Grid]:
    """Return the grids that rules make which meet each other."""
    across = sorted((rule for rule in rules if rule[2] - rule[0] > rule[3] - rule[1]), key=itemgetter(1))
    upright = {rule: met(rule, across) for rule in rules if rule[2] - rule[0] <= rule[3] - rule[1]}
    meeting: dict[Rule, list[Rule]] = {rule: [] for rule in across}
    for rule, others in upright.items():
        for other in others:
            meeting[other].append(rule)
    groups: list[Rules] = []
    while meeting:
        lying: list[Rule] = []
        standing: dict[Rule, None] = {}
        fresh = [next(iter(meeting))]
        while fresh:
            one = fresh.pop()
            if one in meeting:
                lying.append(one)
                new = [rule for rule in meeting.pop(one) if rule not in standing]
                standing.update(dict.fromkeys(new))
                fresh += [other for rule in new for other in upright[rule]]
        groups.append((lying, list(standing)))
    return [grid for lying, standing in abreast(groups) if (grid := Grid(lying, standing)).is_grid()]


def abreast(groups: list[Rules]) -> list[Rules]:
    """Return groups of rules, those in one that stand side by side with the same rows: a gap parts them, not a meaning."""
    found: list[Rules] = []
    rows: list[list[float]] = []
    for lying, standing in sorted(groups, key=lambda group: min(rule[0] for rule in group[0])):
        ys = clustered([rule[1] for rule in lying])
        left = min(rule[0] for rule in lying)
        beside = (
            place
            for place, other in enumerate(rows)
            if len(ys) == len(other) >= ROWS
            and all(abs(one - two) <= NEAR for one, two in zip(ys, other, strict=True))
            and -NEAR <= left - max(rule[2] for rule in found[place][0]) <= GUTTER
        )
        place = next(beside, None)
        if place is None:
            found.append((list(lying), list(standing)))
            rows.append(ys)
        else:
            found[place] = (found[place][0] + lying, found[place][1] + standing)
    return found


def met(upright: Rule, across: Sequence[Rule]) -> list[Rule]:
    """Return those of the rules across, in order from the lowest, that an upright one meets."""
    begin = bisect_left(across, upright[1] - NEAR - STRAIGHT, key=itemgetter(1))
    end = bisect_right(across, upright[3] + NEAR, lo=begin, key=itemgetter(1))
    return [rule for rule in across[begin:end] if meet(upright, rule)]


def meet(one: Rule, other: Rule) -> bool:
    """Whether two rules touch or cross."""
    wide = one[0] - NEAR <= other[2] and other[0] - NEAR <= one[2]
    return wide and one[1] - NEAR <= other[3] and other[1] - NEAR <= one[3]


def clustered(places: list[float]) -> list[float]:
    """Return places in order, those next to each other once."""
    found: list[float] = []
    for place in sorted(places):
        if not found or place - found[-1] > NEAR:
            found.append(place)
    return found
