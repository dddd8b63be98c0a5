"""Takes out of a text what nobody sees and nobody means: control characters, hidden characters, broken pairs.

Knows no format and no encoding. NFC, not NFKC: what a person wrote stays as it was written. Newlines and tabs stay.
"""

import re
import unicodedata

# Terminal control sequences go whole: without their escape character "[31m" would be left behind.
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028]|\u2029")
CONTROLS = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ufff9-\uffff\ufdd0-\ufdef]".replace(r"\ufff9-\uffff", r"\ufff9-\ufffc\ufffe\uffff")
)
SURROGATES = re.compile(r"[\ud800-\udfff]")
SOFT_HYPHENS = re.compile("\xad")
# Joiners carry meaning between letters of Arabic and Indian scripts and inside emoji; anywhere else they only hide.
JOINED = r"\u0620-\u06ff\u0750-\u077f\u08a0-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u17ff"
EMOJI = r"\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
JOINERS = rf"(?<![{JOINED}{EMOJI}])[\u200c\u200d]|[\u200c\u200d](?![{JOINED}{EMOJI}])"
HIDDEN = re.compile(
    r"[\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff]|" + JOINERS
)
# Sorting a run of combining marks costs its square in normalization; no script stacks this many.
STACKED = re.compile(r"([\u0300-\u036f]{16})[\u0300-\u036f]+")


class Cleaner:
    """Cleans the texts of one file and counts what it took out."""

    def __init__(self) -> None:
        self.controls = 0
        self.hidden = 0

    def clean(self, text: str) -> str:
        """Return the text cleaned; its lines stay lines."""
        if text.isascii() and text.isprintable():
            return text
        text = SURROGATES.sub("", LINE_ENDS.sub("\n", ESCAPES.sub("", text)))
        text, controls = CONTROLS.subn("", text)
        text, hidden = HIDDEN.subn("", text)
        self.controls += controls
        self.hidden += hidden
        return unicodedata.normalize("NFC", STACKED.sub(r"\1", SOFT_HYPHENS.sub("", text)))

    def warnings(self) -> tuple[str, ...]:
        """Return what the person who uploaded the file should know."""
        told = []
        if self.controls:
            told.append(f"{self.controls:,} control characters removed")
        if self.hidden:
            told.append(f"{self.hidden:,} hidden characters removed (zero-width, text direction, tags)")
        return tuple(told)
