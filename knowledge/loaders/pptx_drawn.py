"""The words of what a slide draws from data: charts as tables of their figures, diagrams as lists of their points.

By python-pptx. Knows neither the slide nor how they look; of a chart the figures that the file keeps are read.
"""

from collections.abc import Iterator
from typing import Any

from knowledge.loaders.table import cell, markdown

DIAGRAM = "http://schemas.openxmlformats.org/drawingml/2006/diagram"
CHART = "http://schemas.openxmlformats.org/drawingml/2006/chart"
DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MOST_POINTS = 500
"""Figures of one series; a file may claim any number."""
NO_POINTS = ("pres", "parTrans", "sibTrans", "doc")
"""Kinds of a diagram's points that stand for how it is drawn."""


def drawn_as(shape: Any) -> str:
    """Return which of `CHART` and `DIAGRAM` a shape is, "" for neither."""
    data = shape.element.find(f".//{{{DRAWING}}}graphicData")
    uri = "" if data is None else data.get("uri", "")
    return uri if uri in (CHART, DIAGRAM) else ""


def chart_of(shape: Any) -> tuple[str, str]:
    """Return the title of a chart and its figures as a Markdown table, "" where it has none that can be told."""
    chart = shape.chart
    counts = (count.get("val", "0") for count in chart.element.iter(f"{{{CHART}}}ptCount"))
    if any(len(count) > 4 or not count.isdecimal() or int(count) > MOST_POINTS for count in counts):
        return "", ""
    title = chart.chart_title.text_frame.text if chart.has_title and chart.chart_title.has_text_frame else ""
    rows: list[list[str]] = []
    for plot in chart.plots:
        series = list(plot.series)
        columns = [list(one.values) for one in series]
        rows.append(["", *(cell(one.name or "") for one in series)])
        for number, category in enumerate(plot.categories):
            figures = (column[number] if number < len(column) else None for column in columns)
            rows.append([cell(str(category)), *("" if figure is None else f"{figure:.15g}" for figure in figures)])
    return " ".join(title.split()), markdown(rows) if len(rows) > len(list(chart.plots)) else ""


def diagram_of(shape: Any) -> str:
    """Return the points of a diagram (SmartArt) as a list, "" where there are none."""
    from pptx.oxml import parse_xml

    ids = shape.element.find(f".//{{{DIAGRAM}}}relIds")
    tree = parse_xml(shape.part.related_part(ids.get(f"{{{RELATIONS}}}dm")).blob)
    return "\n".join(f"- {words}" for words in points(tree))


def points(tree: Any) -> Iterator[str]:
    """Yield the words of the points of a diagram."""
    for point in tree.iter(f"{{{DIAGRAM}}}pt"):
        if point.get("type") not in NO_POINTS:
            words = " ".join("".join(run.text or "" for run in point.iter(f"{{{DRAWING}}}t")).split())
            if words:
                yield words
