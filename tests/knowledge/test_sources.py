"""A citation opens its document: boxes on the page of a PDF, marks in text; only within its base, and honest when lost."""

import io

import pypdfium2
import pytest
from PIL import Image

from knowledge.base import Locator, Passage, UnknownDocument, UnreadableFile
from knowledge.library import Library
from knowledge.sandbox import Sandbox
from knowledge.sources import Opened
from tests.knowledge.conftest import Make, finish
from tests.knowledge.make_files import image_pdf, pdf

HANDBOOK = (
    "# Orchard\n\nIntro.\n\n## Picking\n\nApples are picked in September.\n\n## Storing\n\nApples are picked in September.\n"
)
LONG = "\n\n".join(f"Paragraph {number} tells of tree number {number} in the orchard." for number in range(2000))


@pytest.fixture
def library(make: Make, sandbox: Sandbox) -> Library:
    return make(read=sandbox.read)


def added(library: Library, name: str, data: bytes, base: str = "default") -> list[Passage]:
    library.add(base, name, data)
    assert finish(library, base)[-1].stage == "ready"
    return library.passages(base, name)


def opened(library: Library, passage: Passage, at: Locator | None = None) -> Opened:
    return library.sources.open(passage.source.base, passage.source.file, passage.text, at or passage.locator)


def marked(source: Opened) -> list[str]:
    return [part.text[begin:end] for part in source.text for begin, end in part.marks]


def test_a_pdf_opens_at_its_page_with_the_words_boxed(library: Library) -> None:
    leaf = pdf(["The first page tells\nof apples.", "\n" * 20 + "The second page tells of pears."])
    (passage,) = added(library, "a.pdf", leaf)
    both = opened(library, passage)
    assert both.found and both.pages == 2 and [(page, len(boxes)) for page, boxes in both.places] == [(1, 2), (2, 1)]
    source = library.sources.open("default", passage.source.file, "The second page tells of pears.", Locator(page=2))
    assert source.found and [page for page, _ in source.places] == [2]
    ((left, top, right, bottom),) = source.places[0][1]
    assert 0.10 < left < 0.14 and 0.2 < right < 0.5  # 72 of 595 points from the left
    assert 0.4 < top < bottom < 0.45  # the 21st line of 14 points from 770 of 842


def test_the_boxes_lie_on_the_ink_of_the_picture_also_of_a_turned_page(library: Library) -> None:
    document = pypdfium2.PdfDocument(pdf(["Only these words."]))
    document[0].set_rotation(90)
    turned = io.BytesIO()
    document.save(turned)
    for name, data in (("straight.pdf", pdf(["Only these words."])), ("turned.pdf", turned.getvalue())):
        (passage,) = added(library, name, data)
        ((_, ((left, top, right, bottom),)),) = opened(library, passage).places
        picture = Image.open(io.BytesIO(library.sources.picture("default", passage.source.file, 1))).convert("L")
        ink = picture.point(lambda grey: 255 if grey < 128 else 0).getbbox()
        assert ink is not None
        wide, high = picture.size
        near = zip((left * wide, top * high, right * wide, bottom * high), ink, strict=True)
        assert all(abs(box - drawn) < 8 for box, drawn in near), name


def test_a_picture_is_limited_and_a_page_that_is_not_there_is_said(library: Library) -> None:
    (passage,) = added(library, "a.pdf", pdf(["words"]).replace(b"[0 0 595 842]", b"[0 0 99 9900]"))
    picture = Image.open(io.BytesIO(library.sources.picture("default", passage.source.file, 1)))
    assert picture.size[0] * picture.size[1] <= 4_100_000
    for page in (2, 0, -1, 10**30):
        with pytest.raises(UnknownDocument):
            library.sources.picture("default", passage.source.file, page)


def test_a_passage_that_is_in_no_text_of_its_page_is_not_boxed(library: Library) -> None:
    (passage,) = added(library, "a.pdf", image_pdf(2, "Only this is text."))
    half = library.sources.open(
        "default", passage.source.file, "Only this is text. " + "And very much else is not. " * 5, Locator(1)
    )
    assert not half.found and half.places == ((1, ()),)
    lost = library.sources.open("default", passage.source.file, "Words that stand in the scanned picture", Locator(page=2))
    assert not lost.found and lost.pages == 2 and lost.places == ((2, ()),)


def test_markdown_opens_below_its_heading(library: Library) -> None:
    passages = added(library, "a.md", HANDBOOK.encode())
    picking, storing = (one for one in passages if "September" in one.text)
    for passage, heading, line in ((picking, "Picking", 7), (storing, "Storing", 11)):
        source = opened(library, passage)
        assert source.found and marked(source) == ["Apples are picked in September."]
        held = next(part for part in source.text if part.marks)
        assert held.headings[-1] == heading and held.line == line


def test_a_long_text_is_shown_around_its_passage(library: Library) -> None:
    passage = next(one for one in added(library, "a.txt", LONG.encode()) if "tree number 1500 " in one.text)
    source = opened(library, passage)
    assert source.found and source.before and source.after
    assert any("tree number 1500 " in text for text in marked(source))
    assert sum(len(part.text) for part in source.text) < 20_000
    assert all(part.line is not None for part in source.text)
    assert opened(library, passage, Locator()).text == source.text  # found without being told where


def test_a_passage_that_is_gone_is_not_marked(library: Library) -> None:
    passages = added(library, "a.md", HANDBOOK.encode())
    source = library.sources.open("default", passages[0].source.file, "Bananas grow in hothouses.", Locator(first_line=11))
    assert not source.found and marked(source) == [] and source.text


def test_a_file_is_opened_in_its_own_base_only(library: Library) -> None:
    library.create("other")
    mine, theirs = added(library, "a.pdf", pdf(["mine"]))[0], added(library, "b.pdf", pdf(["theirs"]), "other")[0]
    for base, file in (
        ("default", theirs.source.file),
        ("other", mine.source.file),
        ("none", mine.source.file),
        ("default", "x"),
    ):
        with pytest.raises(UnknownDocument):
            library.sources.open(base, file, "text", Locator())
        with pytest.raises(UnknownDocument):
            library.sources.picture(base, file, 1)
    assert library.sources.open(library.card("other").id, theirs.source.file, "theirs", Locator()).found
    library.remove("other", "b.pdf")
    with pytest.raises(UnknownDocument):
        library.sources.picture("other", theirs.source.file, 1)


def test_a_text_has_no_pages_and_a_lost_original_is_said(library: Library) -> None:
    passage = added(library, "a.md", HANDBOOK.encode())[0]
    with pytest.raises(UnknownDocument):
        library.sources.picture("default", passage.source.file, 1)
    document = library.documents("default")[0]
    library._originals.path(document.sha256).unlink()
    with pytest.raises(UnreadableFile, match="add the file again"):
        opened(library, passage)
