"""The numbers that Word counts itself, which are not in the text: "4.2" before a clause, "第三条", "b)".

Knows `w:numbering` (ISO/IEC 29500-1, 17.9), no text. Lists that differ only in their number (`w:num`) are counted on as one,
unless they say that they begin anew. Bullets are no numbers, and neither are, but for headings, the plain "1." and "a)" of
lists without depth: nobody refers to them, and a reader counts them as well.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from xml.etree.ElementTree import Element

from knowledge.loaders.docx_styles import Numbered, child, is_on, local, number, value

DEEPEST = 8
LONGEST = 40
"""Characters of a label; a longer one is text."""
UNCOUNTED = ("bullet", "none")
_PLACE = re.compile(r"%([1-9])")
_WORD = re.compile(r"[^\W\d_]|§")
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
          (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip
_STEMS = {"ideographTraditional": "甲乙丙丁戊己庚辛壬癸", "ideographZodiac": "子丑寅卯辰巳午未申酉戌亥"}
_CIRCLED = {"decimalEnclosedCircle", "decimalEnclosedCircleChinese"}


@dataclass(frozen=True, slots=True)
class Level:
    """How one depth of a list is counted and written; `restart`: the depth (from 1) after which it begins anew, 0: never."""

    start: int = 1
    format: str = "decimal"
    text: str = ""
    restart: int | None = None
    decimal: bool = False
    style: str | None = None


@dataclass(slots=True)
class _List:
    """A list as it is defined, and how far it has been counted at each depth."""

    levels: dict[int, Level]
    counts: dict[int, int] = field(default_factory=dict)

    def names(self, level: Level) -> bool:
        """Whether labels name their paragraphs: "4.2" and what stands above it do, and "Article 4"."""
        deep = any(len(_PLACE.findall(other.text)) > 1 for other in self.levels.values())
        return deep or _WORD.search(_PLACE.sub("", level.text)) is not None


class Numbers:
    """Counts the numbered paragraphs of a document, which are told in their order."""

    def __init__(self, root: Element | None, lists: Mapping[str, str] | None = None) -> None:
        """`root`: `w:numbering`; `lists`: the number (`w:numId`) that a style of lists stands for, by its id."""
        abstract = {
            identifier: element
            for element in (root if root is not None else ())
            if local(element) == "abstractNum" and (identifier := value(element, "abstractNumId"))
        }
        self._lists = {identifier: _List(dict(_levels(element))) for identifier, element in abstract.items()}
        self._of: dict[str, str] = {}
        self._anew: dict[str, dict[int, int]] = {}
        for element in root if root is not None else ():
            if local(element) == "num" and (identifier := value(element, "numId")):
                self._of[identifier] = self._own(identifier, element, value(child(element, "abstractNumId")) or "")
        for identifier, element in abstract.items():  # a list that is defined by a style stands for that style's
            linked = (lists or {}).get(value(child(element, "numStyleLink")) or "", "")
            if linked in self._of and self._of[linked] != identifier:
                self._lists[identifier] = self._lists.get(self._of[linked], self._lists[identifier])

    def _own(self, identifier: str, element: Element, abstract: str) -> str:
        """Take in what a `w:num` says otherwise than its list; return the list that it is counted in."""
        overrides = [one for one in element if local(one) == "lvlOverride"]
        own = {
            depth: _level(inner)
            for one in overrides
            if (inner := child(one, "lvl")) is not None and (depth := _depth(one)) >= 0
        }
        self._anew[identifier] = {
            depth: start
            for one in overrides
            if (start := number(value(child(one, "startOverride")))) is not None and (depth := _depth(one)) >= 0
        }
        if not own or abstract not in self._lists:
            return abstract
        self._lists[f"num {identifier}"] = _List(self._lists[abstract].levels | own)
        return f"num {identifier}"

    def next(self, numbered: Numbered | None, style: str | None = None, heading: bool = False) -> str:
        """Count a paragraph and return its label, "" where it has none that names it; `style`: the id of its style."""
        found = self._lists.get(self._of.get(numbered.list, "")) if numbered else None
        if not numbered or not found:
            return ""
        depth = min(numbered.depth if numbered.depth is not None else _of_style(found, style), DEEPEST)
        level = found.levels.get(depth)
        if level is None:
            return ""
        anew = self._anew.get(numbered.list, {}).pop(depth, None)
        found.counts[depth] = anew if anew is not None else found.counts.get(depth, level.start - 1) + 1
        for deeper in [one for one in found.counts if one > depth]:
            restart = found.levels.get(deeper, Level()).restart
            if restart is None or depth < restart:
                del found.counts[deeper]
        return _written(found, level) if _PLACE.search(level.text) and (heading or found.names(level)) else ""


def _of_style(found: _List, style: str | None) -> int:
    """Return the depth that a style of paragraphs is linked with."""
    return next((depth for depth, level in found.levels.items() if style and level.style == style), 0)


def _written(found: _List, level: Level) -> str:
    def one(match: re.Match[str]) -> str:
        depth = int(match[1]) - 1
        other = found.levels.get(depth, Level())
        return formatted(found.counts.get(depth, other.start), "decimal" if level.decimal else other.format)

    return " ".join(_PLACE.sub(one, level.text).split())[:LONGEST]


def _levels(element: Element) -> Iterator[tuple[int, Level]]:
    for inner in element:
        if local(inner) == "lvl" and (depth := _depth(inner)) >= 0:
            yield depth, _level(inner)


def _depth(element: Element) -> int:
    depth = number(value(element, "ilvl"))
    return -1 if depth is None or depth > DEEPEST else depth


def _level(element: Element) -> Level:
    start = number(value(child(element, "start")))
    level = Level(
        format=value(child(element, "numFmt")) or "decimal",
        text=value(child(element, "lvlText")) or "",
        restart=number(value(child(element, "lvlRestart"))),
        decimal=is_on(child(element, "isLgl")),
        style=value(child(element, "pStyle")),
    )
    return level if start is None else replace(level, start=start)


def formatted(count: int, form: str) -> str:
    """Return a number as a format of Word (`ST_NumberFormat`) writes it; in figures where the format is not known here."""
    if form == "decimalZero":
        return f"{count:02}"
    if form in ("upperRoman", "lowerRoman"):
        return _cased(_roman(count), form)
    if form in ("upperLetter", "lowerLetter"):  # after z comes aa, then bb
        return _cased(chr(ord("a") + (count - 1) % 26) * min((count - 1) // 26 + 1, LONGEST), form) if count > 0 else str(count)
    if form == "ordinal":
        return f"{count}{'th' if count % 100 in (11, 12, 13) else {1: 'st', 2: 'nd', 3: 'rd'}.get(count % 10, 'th')}"
    if form in _STEMS and 0 < count <= len(_STEMS[form]):
        return _STEMS[form][count - 1]
    if form in _CIRCLED and 0 < count <= 20:
        return chr(0x2460 + count - 1)
    if form.startswith(("chinese", "japanese", "taiwanese", "ideograph")) and 0 < count < 100 and form not in _STEMS:
        return _han(count)
    return "" if form in UNCOUNTED else str(count)


def _cased(text: str, form: str) -> str:
    return text.upper() if form.startswith("upper") else text


def _roman(count: int) -> str:
    if not 0 < count < 4000:
        return str(count)
    text = ""
    for worth, sign in _ROMAN:
        text += sign * (count // worth)
        count %= worth
    return text


def _han(count: int) -> str:
    tens, ones = divmod(count, 10)
    figures = "〇一二三四五六七八九"
    return ("" if tens == 0 else "十" if tens == 1 else f"{figures[tens]}十") + (figures[ones] if ones else "")
