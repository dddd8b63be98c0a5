"""Presentations: slides as pages, titles as headings, tables, notes, and files that want to do harm."""

from pathlib import Path
from typing import Any

from knowledge.loaders import pptx as loader
from knowledge.loaders.archive import MAX_PART
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
        data.categories = ["x"]
        data.add_series("s", (1,))
        slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, Inches(1), Inches(4), Inches(3), Inches(2), data)

    found = extract(tmp_path, slides(build))
    assert [(block.text, block.kind) for block in found.blocks] == [("| k | v |\n| --- | --- |\n| a | 1 |\n|  | 2 |", "table")]
    assert found.warnings == ("1 chart or diagram not read",)


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
