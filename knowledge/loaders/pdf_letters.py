"""Whether a page of a PDF tells what its letters are: a font may have none or only some of them in its map to Unicode.

PDFium then guesses, and says so for each character; a map that lies is not seen. Knows PDFium's text page only.
"""

from typing import Any

SAMPLE = 200
"""About as many characters of a page are asked: one costs half a microsecond."""
MOST = 0.05
"""Part of the characters that may be guessed without a word: signs of formulas are, most often."""
FEWEST = 5


def is_guessed(text_page: Any) -> bool:
    """Whether PDFium had to guess so many characters of a page that its text may be wrong; a guessed space harms nothing."""
    from pypdfium2 import raw

    places = range(0, text_page.count_chars(), max(1, text_page.count_chars() // SAMPLE))
    guessed = [place for place in places if raw.FPDFText_HasUnicodeMapError(text_page, place) > 0]
    letters = sum(raw.FPDFText_GetUnicode(text_page, place) != ord(" ") for place in guessed)
    return letters >= FEWEST and letters > MOST * len(places)
