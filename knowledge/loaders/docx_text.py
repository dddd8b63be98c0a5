"""The text inside a paragraph of a Word document: what is seen, each word once. Knows no styles and no tables.

Walks everything a run can be wrapped in (links, insertions, content controls, smart tags, fields), and leaves out what
is deleted, moved away or hidden, and the second copies that documents carry for older programs (`mc:Fallback`).
"""

from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement

from knowledge.loaders.docx_signs import sign_of
from knowledge.loaders.docx_styles import child, is_on, local, value
from knowledge.loaders.powers import sign_before

GONE = {"del", "moveFrom", "delText", "instrText", "pPr", "rPr", "sdtPr", "sdtEndPr", "tblPr", "trPr", "tcPr"}
WORDS = {"t"}
SIGNS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
BEFORE = 8
"""Parts of the text that are looked at before a raised one."""
MATH = {"sup": "^", "sub": "_", "den": " / "}
BLOCKS = {"p", "tbl", "altChunk"}


def seen(element: Element) -> Iterator[Element]:
    """Yield the children that a reader sees: nothing deleted, and of alternatives the first that has text."""
    for inner in element:
        name = local(inner)
        if name == "AlternateContent":
            yield from _chosen(inner)
        elif name not in GONE:
            yield inner


def _chosen(alternatives: Element) -> Iterator[Element]:
    for name in ("Choice", "Fallback"):
        choice = child(alternatives, name)
        if choice is not None and any(local(inner) in WORDS and inner.text for inner in choice.iter()):
            yield choice
            return


def text_of(element: Element) -> str:
    """Return the text of a paragraph or of anything in it, floating text boxes left out (see `floating_in`)."""
    parts: list[str] = []
    _collect(element, parts)
    return "".join(parts).strip()


def _collect(element: Element, parts: list[str]) -> None:
    raised: list[str] = []
    for inner in seen(element):
        name = local(inner)
        properties = child(inner, "rPr") if name == "r" else None
        if is_on(child(properties, "vanish")):
            continue
        if value(child(properties, "vertAlign")) == "superscript":
            _collect(inner, raised)
            continue
        _raise(raised, parts)
        if name in WORDS:
            parts.append(inner.text or "")
        elif name in SIGNS:
            parts.append(SIGNS[name])
        elif name == "sym":
            parts.append(sign_of(value(inner, "font"), value(inner, "char")))
        elif name == "ruby":  # a reading aid stands behind its word, or that could not be found
            words, reading = (text_of(part) if (part := child(inner, kind)) is not None else "" for kind in ("rubyBase", "rt"))
            parts.append(f"{words}({reading})" if reading else words)
        elif name == "oMath":
            parts.append(f" {formula_of(inner)} ")
        elif name == "inline":  # a box that stands in the line like a word
            parts.append(" ".join(" ".join(text_of(box) for box in boxes_in(inner)).split()))
        elif name != "txbxContent":
            _collect(inner, parts)
            if name == "p":  # paragraphs in a note or a cell
                parts.append("\n")
    _raise(raised, parts)


def _raise(raised: list[str], parts: list[str]) -> None:
    """Put what is raised, in one run or several, behind the other parts."""
    if raised:
        text = "".join(raised)
        parts.append(sign_before("".join(parts[-BEFORE:]), text.strip()) + text)
        raised.clear()


def put_before(paragraph: Element, words: str) -> None:
    """Put words before those of a paragraph, as if they had been typed."""
    if words:
        run = Element("r")
        SubElement(run, "t").text = f"{words} "
        paragraph.insert(0, run)


def formula_of(element: Element) -> str:
    """Return a formula on one line: "E=m c^2"; raised, lowered and divided parts, brackets and sums are told."""
    parts: list[str] = []
    for inner in seen(element):
        name = local(inner)
        if name in WORDS:
            parts.append(inner.text or "")
        elif name == "d":
            parts.append(f"({formula_of(inner)})")
        else:
            sign = value(child(inner, "naryPr", "chr")) or "∫" if name == "nary" else ""
            parts.append(MATH.get(name, " ") + sign + formula_of(inner))
    return " ".join("".join(parts).split()).replace("^ ", "^").replace("_ ", "_")


def boxes_in(element: Element) -> Iterator[Element]:
    """Yield the contents of the text boxes in an element; boxes in boxes belong to the outer one."""
    for inner in seen(element):
        if local(inner) == "txbxContent":
            yield inner
        else:
            yield from boxes_in(inner)


def floating_in(element: Element) -> Iterator[Element]:
    """Yield the contents of the text boxes anchored in a paragraph that do not stand in its lines."""
    for inner in seen(element):
        if local(inner) == "txbxContent":
            yield inner
        elif local(inner) != "inline":
            yield from floating_in(inner)


def begins_with_box(element: Element) -> bool:
    """Whether a floating text box is anchored before the first word of a paragraph."""
    for inner in element.iter():
        if local(inner) in ("txbxContent", *WORDS):
            return local(inner) == "txbxContent"
        if local(inner) == "inline":
            return False
    return False


def notes_in(element: Element) -> Iterator[tuple[str, str]]:
    """Yield ("footnote" or "endnote", id) for each note that the text refers to."""
    for inner in element.iter():
        name = local(inner)
        if name in ("footnoteReference", "endnoteReference"):
            yield name.removesuffix("Reference"), value(inner, "id") or ""


def holds_picture(element: Element) -> bool:
    """Whether a picture stands in a paragraph."""
    return any(local(inner) in ("blip", "imagedata", "chart") for inner in element.iter())


def parts_in(element: Element, *names: str) -> Iterator[Element]:
    """Yield the nearest descendants with one of these names (paragraphs and tables when none is given), in order."""
    wanted = set(names) or BLOCKS
    for inner in seen(element):
        if local(inner) in wanted:
            yield inner
        else:
            yield from parts_in(inner, *names)
