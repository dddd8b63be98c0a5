"""Presentations (.pptx) to the texts of their slides, with the slide's number as page and its title as heading.

By python-pptx. Shapes come from the top to the bottom; tables are Markdown tables; the speaker's notes come last.
Pictures, charts and drawn diagrams are not read, links not followed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from knowledge.base import Locator
from knowledge.loaders.archive import check_office
from knowledge.loaders.base import Block, Extract, PageReport
from knowledge.loaders.cleaning import Cleaner
from knowledge.loaders.table import cell, take_caption, with_captions_below
from knowledge.loaders.table_head import Span, as_markdown

LIBRARIES = ("pptx",)

MAX_GROUPS = 20
"""Groups in groups that are looked into."""
DIAGRAM = "http://schemas.openxmlformats.org/drawingml/2006/diagram"
CHART = "http://schemas.openxmlformats.org/drawingml/2006/chart"


def read(path: Path, report: PageReport) -> Extract:
    """Return the texts of a presentation; raises `UnreadableFile` when it is none, encrypted or over the limits."""
    check_office(path, "ppt/")
    import pptx

    slides = list(pptx.Presentation(str(path)).slides)
    cleaner, blocks, unread = Cleaner(), [], 0
    for number, slide in enumerate(slides, 1):
        title = slide.shapes.title
        heading = " ".join(cleaner.clean(title.text_frame.text if title is not None else "").split())
        place = Locator(number, (heading,) if heading else ())
        shapes = [shape for shape in in_order(slide.shapes) if title is None or shape.shape_id != title.shape_id]
        texts: list[Block] = []
        for shape in shapes:
            texts += block_of(shape, place, cleaner, texts)
        texts += notes(slide, place, cleaner)
        unread += sum(is_drawn(shape) for shape in shapes)
        blocks += texts or ([Block(heading, Locator(number))] if heading else [])
        report(number, len(slides))
    told = (f"{unread} chart{'s' if unread > 1 else ''} or diagram{'s' if unread > 1 else ''} not read",) if unread else ()
    return Extract(tuple(with_captions_below(blocks)), len(slides), (*told, *cleaner.warnings()))


def in_order(shapes: Any, depth: int = 0) -> Iterator[Any]:
    """Yield the shapes of a slide from the top to the bottom, those of a group together."""
    for shape in sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0)):
        if hasattr(shape, "shapes"):
            if depth < MAX_GROUPS:
                yield from in_order(shape.shapes, depth + 1)
        else:
            yield shape


def block_of(shape: Any, place: Locator, cleaner: Cleaner, above: list[Block]) -> list[Block]:
    """Return the text or the table of a shape, none when it has none; the caption of a table is taken off those above."""
    if getattr(shape, "has_table", False) and shape.has_table:
        text = table_of(shape.table, cleaner)
        return [Block(f"{take_caption(above, place.headings)}\n{text}".lstrip(), place, "table")] if text else []
    text = cleaner.clean(words(shape.text_frame)).strip("\n") if shape.has_text_frame else ""
    return [Block(text, place)] if text.strip() else []


def table_of(table: Any, cleaner: Cleaner) -> str:
    """Return a table as Markdown; merged cells stand once."""
    rows: list[list[str]] = []
    spans: dict[tuple[int, int], Span] = {}
    for row in table.rows:
        cells = list(row.cells)
        spans |= {
            (len(rows), column): (one.span_width, one.span_height) for column, one in enumerate(cells) if one.is_merge_origin
        }
        rows.append([cell("" if one.is_spanned else cleaner.clean(one.text_frame.text)) for one in cells])
    return as_markdown(rows, spans)


def words(frame: Any) -> str:
    """Return the paragraphs of a text frame; several are a list, as deep as their levels."""
    # A vertical tab is a line break inside a paragraph.
    paragraphs = [(one.level, one.text.replace("\v", " ").strip()) for one in frame.paragraphs if one.text.strip()]
    if len(paragraphs) < 2:
        return "".join(text for _, text in paragraphs)
    return "\n".join(f"{'  ' * level}- {text}" for level, text in paragraphs)


def notes(slide: Any, place: Locator, cleaner: Cleaner) -> list[Block]:
    """Return the speaker's notes of a slide, if there are any."""
    frame = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    text = cleaner.clean(frame.text.replace("\v", "\n")).strip() if frame is not None else ""
    return [Block(text, place)] if text else []


def is_drawn(shape: Any) -> bool:
    """Whether a shape is a chart or a diagram, which hold text elsewhere."""
    data = shape.element.find(".//{http://schemas.openxmlformats.org/drawingml/2006/main}graphicData")
    return data is not None and data.get("uri") in (CHART, DIAGRAM)
