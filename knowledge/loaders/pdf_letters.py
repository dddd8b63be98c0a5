"""Letters of a page of a PDF that its fonts tell wrong or not at all.

Where a font says nothing of Unicode, PDFium guesses and says so for each character. Where a TrueType font has no encoding
it reads codes of Windows as those of a Macintosh ("Allg‰u" for "Allgäu"); that shows in words and is put right. A map to
Unicode that lies is not seen. Knows PDFium's text page only.
"""

import ctypes
import re
from typing import Any

SAMPLE = 200
"""About as many characters of a page are asked: one costs half a microsecond."""
MOST = 0.05
"""Part of the characters that may be guessed without a word: signs of formulas are, most often."""
FEWEST = 5
HIGH = bytes(code for code in range(128, 256) if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D))
"""The bytes that stand for something else on a Macintosh than in Windows, without five that stand for nothing there."""
MEANT = str.maketrans(HIGH.decode("mac_roman"), HIGH.decode("cp1252"))
IN_WORD = re.compile("[A-Za-z][‰‡‚„](?=[a-z])")
"""An a with two dots, a grave accent, a circumflex or a tilde, read so: no language has these signs within a word."""
LONGEST_NAME = 256


def mended(text: str, text_page: Any) -> str:
    """Return a page's text with the letters put right of fonts that were read in the wrong code; places stay."""
    if text_page.count_chars() != len(text):
        return text
    wrong = {font_at(text_page, match.start() + 1) for match in IN_WORD.finditer(text)}
    if not wrong:
        return text
    return "".join(
        one.translate(MEANT) if not one.isascii() and font_at(text_page, place) in wrong else one
        for place, one in enumerate(text)
    )


def font_at(text_page: Any, place: int) -> bytes:
    """Return the name of a character's font."""
    from pypdfium2 import raw

    name = ctypes.create_string_buffer(LONGEST_NAME)
    raw.FPDFText_GetFontInfo(text_page, place, name, LONGEST_NAME, None)
    return name.value


def is_guessed(text_page: Any) -> bool:
    """Whether PDFium had to guess so many characters of a page that its text may be wrong; a guessed space harms nothing."""
    from pypdfium2 import raw

    places = range(0, text_page.count_chars(), max(1, text_page.count_chars() // SAMPLE))
    guessed = [place for place in places if raw.FPDFText_HasUnicodeMapError(text_page, place) > 0]
    letters = sum(raw.FPDFText_GetUnicode(text_page, place) != ord(" ") for place in guessed)
    return bool(letters >= FEWEST and letters > MOST * len(places))
