"""Tells one-byte encodings of Latin letters apart, by which letters the languages that used them write.

The bytes of "schön" are letters in a dozen encodings; only in one of them are they letters of one language. Knows no
East Asian, Cyrillic, Greek, Arabic, Hebrew or Thai encodings.
"""

SIGNS = "\xa0«»‹›„“”‚‘’–—…•€£§©®°·¿¡´`"
WESTERN = "äöüßéèêëàâáãçñíìîïóòôõúùûøåæœÿªº"
TURKISH = "çğıöşüİâîûi̇"
CENTRAL = "ąćęłńóśźżěščřžýáíéúůťďňőűöüăâîșțşţđäôľĺŕ"
BALTIC = "āčēģīķļņšūžąęėįųõäöü"
VIETNAMESE = "ăâđêôơưàáèéìíòóùúýãõ\u0300\u0301\u0303\u0309\u0323"
LATIN: tuple[tuple[str, str], ...] = (
    ("cp1252", WESTERN),
    ("cp1254", TURKISH),
    ("cp1250", CENTRAL),
    ("iso8859_15", WESTERN),
    ("iso8859_2", CENTRAL),
    ("cp1257", BALTIC),
    ("cp1258", VIETNAMESE),
    ("mac_roman", WESTERN),
    ("cp850", WESTERN),
    ("cp852", CENTRAL),
)
"""Encodings and the letters that speak for them; among equals the first is taken."""
ENOUGH = 0.5


def latin(sample: bytes) -> str | None:
    """Return the encoding that makes words of the bytes above ASCII, None when none does."""
    ratings = {encoding: _rate(sample, encoding, set(letters)) for encoding, letters in LATIN}
    best = max(ratings, key=lambda encoding: ratings[encoding])
    return best if ratings[best] >= ENOUGH else None


def _rate(sample: bytes, encoding: str, letters: set[str]) -> float:
    """Return the mean, over the characters above ASCII, of how well each stands where it stands."""
    text = f" {sample.decode(encoding, 'replace')} "
    places = [place for place, character in enumerate(text) if character > "\x7f"]
    return sum(_fits(text, place, letters) for place in places) / max(len(places), 1)


def _fits(text: str, place: int, letters: set[str]) -> float:
    before, character, after = text[place - 1], text[place], text[place + 1]
    if character.lower() in letters or character in letters:
        # A capital letter inside a word of small ones is a sign of the wrong table.
        return -1.0 if character.isupper() and before.islower() else 1.0
    if character in SIGNS:
        return -1.0 if before.isalpha() and after.isalpha() and character != "’" else 1.0
    return -1.0
