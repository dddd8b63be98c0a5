"""Presentations (.pptx) to the texts of their slides, with the slide's number as page and its title as heading.

By python-pptx. Shapes come from the top to the bottom; tables are Markdown tables; the speaker's notes come last.
Charts are tables of their figures. Pictures are not read, links not followed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from knowledge.base import Locator
from knowledge.loaders.archive import check_office
from knowledge.loaders.base import Block, Extract, Kind, PageReport
from knowledge.loaders.cleaning import Cleaner
from knowledge.loaders.pptx_drawn import DIAGRAM, chart_of, diagram_of, drawn_as
from knowledge.loaders.table import cell, take_caption, with_captions_below
from knowledge.loaders.table_head import Span, as_markdown

LIBRARIES = ("pptx",)

MAX_GROUPS = 20
"""Groups in groups that are looked into."""
ROW = 228_600
"""A quarter of an inch, in the file's units: shapes whose tops are nearer stand side by side."""


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
            found = drawing(shape, place, cleaner) if drawn_as(shape) else block_of(shape, place, cleaner, texts)
            unread += bool(drawn_as(shape) and not found)
            texts += found
        texts += notes(slide, place, cleaner)
        blocks += texts or ([Block(heading, Locator(number))] if heading else [])
        report(number, len(slides))
    told = (f"{unread} chart{'s' if unread > 1 else ''} or diagram{'s' if unread > 1 else ''} not read",) if unread else ()
    return Extract(tuple(with_captions_below(blocks)), len(slides), (*told, *cleaner.warnings()))


def in_order(shapes: Any, depth: int = 0) -> Iterator[Any]:
    """Yield the shapes of a slide from the top to the bottom, in a row from the left, those of a group together."""
    rows: list[list[Any]] = []
    for shape in sorted(shapes, key=lambda shape: shape.top or 0):
        if rows and (shape.top or 0) - (rows[-1][0].top or 0) < ROW:
            rows[-1].append(shape)
        else:
            rows.append([shape])
    for shape in (shape for row in rows for shape in sorted(row, key=lambda shape: shape.left or 0)):
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


def drawing(shape: Any, place: Locator, cleaner: Cleaner) -> list[Block]:
    """Return the words of a chart or a diagram, none where they cannot be told."""
    try:
        title, text = ("", diagram_of(shape)) if drawn_as(shape) == DIAGRAM else chart_of(shape)
    except MemoryError:
        raise
    except Exception:  # a drawing that python-pptx cannot read leaves the slide's words as they are
        return []
    kind: Kind = "text" if text.startswith("- ") else "table"
    return [Block(cleaner.clean(f"{title}\n{text}".lstrip()), place, kind)] if text else []


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
