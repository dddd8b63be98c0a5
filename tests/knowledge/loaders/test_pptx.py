"""Presentations: slides as pages, titles as headings, tables, notes, and files that want to do harm."""

from pathlib import Path
from typing import Any

from knowledge.loaders import pptx as loader
from knowledge.loaders.archive import MAX_PART
from knowledge.loaders.pptx_drawn import DIAGRAM, DRAWING, RELATIONS
from tests.knowledge.loaders.reading import reading
from tests.knowledge.make_files import slides, with_part, workbook

extract, failure = reading(loader.read, "talk.pptx")


def plan(presentation: Any) -> None:
    from pptx.util import Inches

    slide = presentation.slides.add_slide(presentation.slide_layouts[1])
    slide.shapes.title.text = "The\vplan"
    frame = slide.placeholders[1].text_frame
    frame.text = "first"
    below = frame.add_paragraph()
    below.text, below.level = "below it", 1
    slide.notes_slide.notes_text_frame.text = "say this"
    slide = presentation.slides.add_slide(presentation.slide_layouts[6])
    for top, words in ((3, "lower"), (1, "upper")):
        slide.shapes.add_textbox(Inches(1), Inches(top), Inches(2), Inches(1)).text_frame.text = words
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(Inches(1), Inches(5), Inches(2), Inches(1)).text_frame.text = "grouped"


def test_slides_are_pages_and_titles_headings(tmp_path: Path) -> None:
    found = extract(tmp_path, slides(plan))
    assert [(block.text, block.locator.page, block.locator.headings) for block in found.blocks] == [
        ("- first\n  - below it", 1, ("The plan",)),
        ("say this", 1, ("The plan",)),
        ("upper", 2, ()),
        ("lower", 2, ()),
        ("grouped", 2, ()),
    ]
    assert found.pages == 2


def test_tables_and_what_is_not_read(tmp_path: Path) -> None:
    def build(presentation: Any) -> None:
        from pptx.chart.data import CategoryChartData
        from pptx.enum.chart import XL_CHART_TYPE
        from pptx.util import Inches

        slide = presentation.slides.add_slide(presentation.slide_layouts[5])
        slide.shapes.title.text = "Sizes"
        table = slide.shapes.add_table(3, 2, Inches(1), Inches(2), Inches(4), Inches(2)).table
        for row, words in enumerate((("k", "v"), ("a", "1"), ("", "2"))):
            for column, text in enumerate(words):
                table.cell(row, column).text = text
        table.cell(1, 0).merge(table.cell(2, 0))
        data = CategoryChartData()
        data.categories = ["x", "y"]
        data.add_series("s", (1, None))
        data.add_series("t", (2.5, 3))
        place = (Inches(1), Inches(4), Inches(3), Inches(2))
        chart = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *place, data).chart
        chart.chart_title.text_frame.text = "Our sales"

    found = extract(tmp_path, slides(build))
    assert [(block.text, block.kind) for block in found.blocks] == [
        ("| k | v |\n| --- | --- |\n| a | 1 |\n|  | 2 |", "table"),
        ("Our sales\n|  | s | t |\n| --- | --- | --- |\n| x | 1 | 2.5 |\n| y |  | 3 |", "table"),
    ]
    assert found.warnings == ()


def diagram(presentation: Any, points: str) -> None:
    """A slide with a diagram of these points."""
    from pptx.opc.package import Part
    from pptx.opc.packuri import PackURI
    from pptx.oxml import parse_xml

    slide = presentation.slides.add_slide(presentation.slide_layouts[6])
    model = f'<d:dataModel xmlns:d="{DIAGRAM}" xmlns:a="{DRAWING}"><d:ptLst>{points}</d:ptLst></d:dataModel>'
    part = Part(PackURI("/ppt/diagrams/data1.xml"), "application/xml", slide.part.package, model.encode())
    identifier = slide.part.relate_to(part, f"{RELATIONS}/diagramData")
    frame = slide.shapes.add_table(1, 1, 0, 0, 9, 9)._element
    data = frame.find(f".//{{{DRAWING}}}graphicData")
    data.set("uri", DIAGRAM)
    data[:] = [parse_xml(f'<d:relIds xmlns:d="{DIAGRAM}" xmlns:r="{RELATIONS}" r:dm="{identifier}"/>')]


def test_a_diagram_is_a_list_of_its_points(tmp_path: Path) -> None:
    point = "<d:pt {}><d:t><a:p><a:r><a:t>{}</a:t></a:r></a:p></d:t></d:pt>"
    points = point.format("", "plan ") + point.format('type="pres"', "drawn") + point.format('type="node"', "do")
    found = extract(tmp_path, slides(lambda presentation: diagram(presentation, points)))
    assert ([block.text for block in found.blocks], found.warnings) == (["- plan\n- do"], ())
    found = extract(tmp_path, slides(lambda presentation: diagram(presentation, "")))
    assert (found.blocks, found.warnings) == ((), ("1 chart or diagram not read",))


def test_a_chart_that_claims_many_points_is_not_read(tmp_path: Path) -> None:
    def build(presentation: Any) -> None:
        from pptx.chart.data import CategoryChartData
        from pptx.enum.chart import XL_CHART_TYPE

        slide = presentation.slides.add_slide(presentation.slide_layouts[6])
        data = CategoryChartData()
        data.categories = ["x"]
        data.add_series("s", (1,))
        chart = slide.shapes.add_chart(XL_CHART_TYPE.PIE, 0, 0, 9, 9, data).chart
        for count in chart.element.iter("{http://schemas.openxmlformats.org/drawingml/2006/chart}ptCount"):
            count.set("val", "2000000000")

    assert extract(tmp_path, slides(build)).warnings == ("1 chart or diagram not read",)


def test_shapes_side_by_side_come_from_the_left(tmp_path: Path) -> None:
    def build(presentation: Any) -> None:
        from pptx.util import Inches

        slide = presentation.slides.add_slide(presentation.slide_layouts[6])
        for left, top, words in ((5, 1.95, "right"), (1, 2, "left"), (1, 3, "below")):
            slide.shapes.add_textbox(Inches(left), Inches(top), Inches(2), Inches(1)).text_frame.text = words

    assert [block.text for block in extract(tmp_path, slides(build)).blocks] == ["left", "right", "below"]


def test_a_header_of_two_rows_is_one(tmp_path: Path) -> None:
    def build(presentation: Any) -> None:
        slide = presentation.slides.add_slide(presentation.slide_layouts[6])
        table = slide.shapes.add_table(3, 3, 0, 0, 9, 9).table
        for row, words in enumerate((("Plan", "2024", ""), ("", "H1", "H2"), ("A", "1", "2"))):
            for column, text in enumerate(words):
                table.cell(row, column).text = text
        table.cell(0, 0).merge(table.cell(1, 0))
        table.cell(0, 1).merge(table.cell(0, 2))

    (block,) = extract(tmp_path, slides(build)).blocks
    assert block.text == "| Plan | 2024 H1 | H2 |\n| --- | --- | --- |\n| A | 1 | 2 |"


def test_a_slide_with_a_title_only_is_not_lost(tmp_path: Path) -> None:
    def build(presentation: Any) -> None:
        presentation.slides.add_slide(presentation.slide_layouts[5]).shapes.title.text = "The end"

    assert [block.text for block in extract(tmp_path, slides(build)).blocks] == ["The end"]


def test_bombs_and_other_files_are_refused(tmp_path: Path) -> None:
    whole = slides(plan)
    assert failure(tmp_path, with_part(whole, "ppt/media/image1.png", bytes(MAX_PART + 1))).code == "too_large"
    error = failure(tmp_path, with_part(whole, "ppt/slides/slide1.xml", '<!DOCTYPE p SYSTEM "http://127.0.0.1:1/x"><p/>'))
    assert (error.code, "document type" in str(error)) == ("broken", True)
    assert "it is a workbook (.xlsx)" in str(failure(tmp_path, workbook(lambda book: None)))
    assert failure(tmp_path, whole[: len(whole) // 2]).code == "broken"
