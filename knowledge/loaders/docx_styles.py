"""What the paragraph styles of a Word document mean for its text: which are headings, which are list items.

Knows `w:style` (ISO/IEC 29500-1, 17.7.4), no text. A style says it by its outline level or its numbering, itself or
through the style it is based on, or by its name: the names of built-in styles are English in every language's files.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

HEADING = re.compile(r"(?:heading|標題|标题|überschrift|titre|título|заголовок)\s*([1-9])$", re.IGNORECASE)
CAPTION = re.compile(
    "(?:table |tabellen)?caption|beschriftung|tabellenbeschriftung|légende|leyenda|epígrafe|descripción|legenda|didascalia|"
    "bijschrift|название объекта|题注|題注|標號|図表番号|キャプション|캡션|titulek|billedtekst|bildtext|bildetekst",
    re.IGNORECASE,
)
LIST = re.compile(r"list\b(?! continue)", re.IGNORECASE)
BODY_LEVEL = 9
"""The outline level that means body text."""
LONGEST_CHAIN = 20


@dataclass(frozen=True, slots=True)
class Numbered:
    """The list (`w:numId`) that a paragraph is counted in, and how deep (from 0; None: as the list says of its style)."""

    list: str
    depth: int | None = None


@dataclass(frozen=True, slots=True)
class Style:
    """`level`: of a heading, 0 for the document's title; `item`: the depth of a list item; None for neither.

    `caption`: it is that of a table or a figure.
    """

    level: int | None = None
    item: int | None = None
    caption: bool = False
    numbered: Numbered | None = None


PLAIN = Style()


def local(element: Element) -> str:
    """Return an element's name without its namespace; transitional and strict documents differ in that only."""
    return str(element.tag).rpartition("}")[2]


def value(element: Element | None, name: str = "val") -> str | None:
    """Return an attribute without regard to its namespace; None when there is no element or no attribute."""
    if element is None:
        return None
    return next((text for key, text in element.attrib.items() if key.rpartition("}")[2] == name), None)


def child(element: Element | None, *path: str) -> Element | None:
    """Return the first child, and its first child, by their local names; None when there is none."""
    for name in path:
        element = next((inner for inner in element if local(inner) == name), None) if element is not None else None
    return element


def is_on(element: Element | None) -> bool:
    """Whether a property that needs no value is there and not switched off."""
    return element is not None and value(element) not in ("0", "false", "off")


def number(text: str | None) -> int | None:
    """Return a small number from an attribute, or None for anything else."""
    return int(text) if text and len(text) < 5 and text.isdecimal() else None


def styles_of(root: Element | None) -> dict[str, Style]:
    """Return the meaning of each paragraph style by its id."""
    found: dict[str, Element] = {}
    for element in root if root is not None else ():
        if local(element) == "style" and (identifier := value(element, "styleId")):
            found[identifier] = element
    return {identifier: replace(_style(identifier, found), numbered=_numbered(identifier, found)) for identifier in found}


def _numbered(identifier: str, found: dict[str, Element]) -> Numbered | None:
    numbered: Numbered | None = None
    for properties in reversed([child(element, "pPr") for element in _chain(identifier, found)]):
        numbered = numbered_by(properties, numbered)
    return numbered


def _chain(identifier: str, found: dict[str, Element]) -> Iterator[Element]:
    """Yield a style and those it is based on."""
    current: str | None = identifier
    for _ in range(LONGEST_CHAIN):  # a chain of styles may be a circle
        element = found.get(current or "")
        if element is None:
            return
        yield element
        current = value(child(element, "basedOn"))


def _style(identifier: str, found: dict[str, Element]) -> Style:
    for element in _chain(identifier, found):
        style = of_properties(child(element, "pPr"), _of_name(value(child(element, "name")) or ""))
        if style != PLAIN:
            return style
    return PLAIN


def _of_name(name: str) -> Style:
    if match := HEADING.match(name):
        return Style(level=int(match[1]))
    if name.lower() == "title":
        return Style(level=0)
    if CAPTION.fullmatch(name):
        return Style(caption=True)
    return Style(item=0) if LIST.match(name) else PLAIN


def of_properties(properties: Element | None, style: Style) -> Style:
    """Return the meaning of a paragraph that has this style and these properties (`w:pPr`) of its own."""
    style = replace(style, numbered=numbered_by(properties, style.numbered))
    outline = number(value(child(properties, "outlineLvl")))
    if outline is not None:
        return replace(style, level=outline + 1 if outline < BODY_LEVEL else None)
    numbering = child(properties, "numPr")
    if numbering is None or style.level is not None:
        return style
    if value(child(numbering, "numId")) == "0":  # taken off the list that its style would put it in
        return PLAIN
    return Style(item=number(value(child(numbering, "ilvl"))) or 0, numbered=style.numbered)


def numbered_by(properties: Element | None, numbered: Numbered | None) -> Numbered | None:
    """Return the list of a paragraph whose style counts it in `numbered`."""
    numbering = child(properties, "numPr")
    identifier = value(child(numbering, "numId")) or (numbered.list if numbered else "")
    if numbering is None:
        return numbered
    depth = number(value(child(numbering, "ilvl")))
    return (
        Numbered(identifier, numbered.depth if depth is None and numbered else depth) if identifier not in ("", "0") else None
    )
