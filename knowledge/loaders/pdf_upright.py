"""Pages of a PDF whose text runs up, down or headlong, as wide tables are printed, turned so that it runs to the right.

PDFium puts letters together by lines of a page as it is drawn, and so do the readers of tables and columns; a page that
is only shown turned, or printed sideways, is drawn anew in memory. Knows PDFium's pages only; the file stays as it is.
"""

import math
from collections import Counter
from typing import Any

SAMPLE = 40
"""About as many characters of a page are asked for their direction: one costs 1.4 microseconds."""
MOST = 0.5
"""Part of them from which it is the page's: a stamp at the margin is not."""

Box = tuple[float, float, float, float]


def turned(document: Any, index: int, page: Any, text_page: Any) -> tuple[Any, Any]:
    """Return a page and its text page, or in place of both, which it closes, those of the page turned upright."""
    quarters = direction(text_page)
    if not quarters:
        return page, text_page
    text_page.close()
    turn(page, quarters)
    page.close()
    page = document[index]  # it is drawn anew only when it is loaded
    return page, page.get_textpage()


def direction(text_page: Any) -> int:
    """Return in which direction most of a page's characters run, in quarters of a turn with the clock: 0 to the right."""
    from pypdfium2 import raw

    count = text_page.count_chars()
    places = range(0, count, max(1, count // SAMPLE))
    angles = (raw.FPDFText_GetCharAngle(text_page, place) for place in places)
    quarters = Counter(round(angle / (math.pi / 2)) % 4 for angle in angles if angle >= 0)
    way, most = quarters.most_common(1)[0] if quarters else (0, 0)
    return way if most > MOST * len(places) else 0


def turn(page: Any, quarters: int) -> None:
    """Turn what is drawn on a page back by quarters of a turn, and the page's edges with it."""
    from pypdfium2 import raw

    left, bottom, right, top = page.get_mediabox()
    cosine, sine, across, up = {1: (0, 1, top, -left), 2: (-1, 0, right, top), 3: (0, -1, -bottom, right)}[quarters]
    matrix = raw.FS_MATRIX(cosine, sine, -sine, cosine, across, up)

    def moved(box: Box) -> Box:
        xs = [cosine * x - sine * y + across for x in box[::2] for y in box[1::2]]
        ys = [sine * x + cosine * y + up for x in box[::2] for y in box[1::2]]
        return min(xs), min(ys), max(xs), max(ys)

    shown = page.get_cropbox()
    raw.FPDFPage_TransFormWithClip(page, matrix, None)
    page.set_mediabox(*moved((left, bottom, right, top)))
    page.set_cropbox(*moved(shown))
    page.set_rotation(0)
