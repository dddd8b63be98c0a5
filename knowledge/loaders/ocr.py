"""Pages of a PDF that are pictures of text, to text: drawn by PDFium, recognised by Tesseract in this process (tesserocr).

Nothing is written to disk and no program is started, so the sandbox's limits hold for it, too. It ends by itself before
its time is over, and says which pages are left.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from knowledge.base import Locator, UnreadableFile
from knowledge.loaders.base import Block, Extract, PageReport
from knowledge.loaders.cleaning import Cleaner
from knowledge.loaders.lines import Line, joined
from knowledge.loaders.page_numbers import ranges

LIBRARIES = ("pypdfium2", "tesserocr")

DOTS_PER_INCH = 300
"""What Tesseract is trained for."""
MOST_DOTS = 4000
"""Dots along the longer side; a page may claim to be a kilometre wide."""
SURE = 40
"""Mean confidence, of 100, below which signs were seen in a picture that has none."""
SHARE = 0.85
"""Part of the time after which no page is begun, so that what was recognised can be told."""


def read(path: Path, report: PageReport, *, pages: list[int], languages: str, data: str, seconds: int) -> Extract:
    """Return the text of these pages (from 1) and, as `pictures`, those that have none; `data`: Tesseract's folder.

    Raises `UnreadableFile` when PDFium cannot draw the file or Tesseract does not know the languages ("eng+chi_sim").
    """
    import pypdfium2
    import tesserocr

    deadline = time.monotonic() + SHARE * seconds
    cleaner = Cleaner()
    blocks: list[Block] = []
    seen = 0
    try:
        document = pypdfium2.PdfDocument(path)
        with tesserocr.PyTessBaseAPI(path=data, lang=languages, psm=tesserocr.PSM.AUTO) as engine:
            while seen < len(pages) and (left := deadline - time.monotonic()) > 0:
                number = pages[seen]
                texts = [cleaner.clean(text) for text in recognised(engine, document[number - 1], left)]
                blocks += [Block(text, Locator(page=number)) for text in texts if text.strip()]
                seen += 1
                report(number, len(document))
    except pypdfium2.PdfiumError as error:
        raise UnreadableFile("broken", "its pages cannot be drawn") from error
    except RuntimeError as error:
        raise UnreadableFile("broken", f"Tesseract cannot start with {languages!r} (--ocr-languages)") from error
    found = {block.locator.page for block in blocks}
    warnings = (*about(pages, sorted(number for number in found if number), seen, seconds), *cleaner.warnings())
    return Extract(tuple(blocks), len(document), warnings, tuple(number for number in pages if number not in found))


def recognised(engine: Any, page: Any, seconds: float) -> Iterator[str]:
    """Yield the paragraphs that are seen on a page; nothing where it takes longer than `seconds`."""
    scale = min(DOTS_PER_INCH / 72, MOST_DOTS / max(*page.get_size(), 1))
    picture = page.render(scale=scale, grayscale=True)
    engine.SetImageBytes(bytes(picture.buffer), picture.width, picture.height, 1, picture.stride)
    engine.SetSourceResolution(round(72 * scale))
    if engine.Recognize(timeout=int(seconds * 1000)) and engine.MeanTextConf() >= SURE:
        for paragraph in engine.GetUTF8Text().split("\n\n"):
            lines = [Line(line) for line in paragraph.split("\n") if line.strip()]
            if lines:
                yield joined(lines)
    picture.close()
    page.close()


def about(pages: list[int], found: list[int], seen: int, seconds: int) -> Iterator[str]:
    """Yield what the person who uploaded the file should know."""
    if found:
        yield f"{ranges(found)} recognised from pictures (OCR): there may be mistakes"
    if seen < len(pages):
        yield f"{ranges(pages[seen:])} not recognised: it takes longer than {seconds} s (--ocr-seconds)"
