"""Bytes to characters: byte order mark, UTF-8, UTF-16 and UTF-32 without a mark, then a guess that is told.

The guess tries what East Asian texts are written in by how common their decoded characters are, then asks
charset-normalizer about one-byte encodings. It looks at a sample; the whole is decoded once. Knows no format.
"""

import codecs
import logging
import re
from itertools import pairwise

from knowledge.loaders.frequent import EAST_ASIAN, commonness
from knowledge.loaders.one_byte import latin

SAMPLE = 1 << 16
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
ESCAPED = (
    (re.compile(rb"\x1b\$\)C"), "iso2022_kr"),
    (re.compile(rb"\x1b(?:\$[@B]|\(J|\$\([DOPQ])"), "iso2022_jp_ext"),
    (re.compile(rb"~\{(?:[!-w][!-~])+~\}"), "hz"),
)
ONE_BYTE = [
    *(
        "cp1250",
        "cp1251",
        "cp1252",
        "cp1253",
        "cp1254",
        "cp1255",
        "cp1256",
        "cp1257",
        "cp1258",
        "cp437",
        "cp850",
        "cp852",
    ),
    *(
        "cp866",
        "cp874",
        "koi8_r",
        "koi8_u",
        "mac_roman",
        "mac_cyrillic",
        "iso8859_2",
        "iso8859_3",
        "iso8859_4",
        "iso8859_5",
    ),
    *(
        "iso8859_6",
        "iso8859_7",
        "iso8859_8",
        "iso8859_9",
        "iso8859_10",
        "iso8859_13",
        "iso8859_14",
        "iso8859_15",
        "tis_620",
    ),
]
MISTAKES = 0.02
"""Broken UTF-8 sequences among the whole ones, below which a text is UTF-8 with mistakes."""
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a]")
EVERYDAY = 0.9
"""Share of everyday characters from which a decoding with two or four bytes a character is believed."""
COMMON = 0.2
"""Share of common characters from which a decoding as an East Asian text is believed."""


def decode(data: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the text and warnings, empty when there was nothing to guess."""
    for mark, encoding in BOMS:
        if data.startswith(mark) and (encoding != "utf-32" or len(data) % 4 == 0):
            return _whole(data, encoding, () if encoding.startswith("utf") else (_told(encoding),))
    for pattern, encoding in ESCAPED:
        if data.isascii() and pattern.search(data) and _decodes(data, encoding):
            return data.decode(encoding), (_told(encoding),)
    wide = _wide(data)
    if wide:
        return _whole(data, wide, (_told(wide),))
    try:
        return data.decode("utf-8"), ()
    except UnicodeDecodeError:
        pass
    if _nearly_utf8(data[:SAMPLE]):
        return _whole(data, "utf-8", ())
    guess = _guess(data)
    return _whole(data, guess, (_told(guess),)) if guess else _whole(data, "utf-8", ())


def _told(encoding: str) -> str:
    return f"the encoding was guessed: {encoding.replace('_', '-')}"


def _whole(data: bytes, encoding: str, warnings: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Decode the whole; bytes that do not decode are replaced, and told."""
    text = data.decode(encoding, "replace")
    lost = text.count("\ufffd") - (data.count("\ufffd".encode()) if encoding.startswith("utf-8") else 0)
    if lost > 0:
        warnings += (f"{lost:,} places could not be read as {encoding.removesuffix('-sig')} and were replaced",)
    return text, warnings


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return False
    return True


def _wide(data: bytes) -> str | None:
    """Return the UTF-16 or UTF-32 of a text without a byte order mark; None when it is neither."""
    sample = data[:SAMPLE]
    if len(data) % 2 or not data or (_decodes(data, "utf-8") and not CONTROL.search(sample)):
        return None
    widths = ("utf-32-le", "utf-32-be") if len(data) % 4 == 0 and sample.count(0) > len(sample) * 0.4 else ()
    ratings = {encoding: _rating(sample, encoding) for encoding in (*widths, "utf-16-le", "utf-16-be")}
    best = max(ratings, key=lambda encoding: ratings[encoding])
    return best if ratings[best] > EVERYDAY else None


def _rating(sample: bytes, encoding: str) -> float:
    """Return the share of everyday characters, 0 when the bytes do not decode.

    East Asian ones count only as far as they are common: two bytes of a one-byte text make an ideograph, too.
    """
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return 0.0
    if not text:
        return 0.0
    beyond = [character for character in text if character > "\u1fff"]
    plain = sum(character in "\t\r\n" or "\x20" <= character < "\x7f" or "\xa0" <= character <= "\u1fff" for character in text)
    common = sum(map(commonness, beyond))
    if beyond and common >= COMMON * len(beyond):
        return (plain + len(beyond)) / len(text)
    return plain / len(text) if " " in text or "\n" in text or text.isascii() else 0.0


def _nearly_utf8(sample: bytes) -> bool:
    text = sample.decode("utf-8", "replace")
    good = sum(character > "\x7f" and character != "\ufffd" for character in text)
    return good > 0 and text.count("\ufffd") <= max(1, good * MISTAKES)


def _guess(data: bytes) -> str | None:
    """Return the most likely encoding of a text that is not Unicode, None when nothing fits."""
    sample = data[:SAMPLE]
    ratings = {encoding: _rate(sample, encoding) for encoding in EAST_ASIAN}
    best = max(ratings, key=lambda encoding: ratings[encoding])
    if ratings[best] >= COMMON:
        return best
    script = _by_normalizer(sample)
    letters = [c for c in sample.decode(script, "replace") if c > "\x7f" and c.isalpha()] if script else []
    if sum(letter > "\u036f" for letter in letters) > len(letters) / 2:
        return script
    return latin(sample) or script


def _by_normalizer(sample: bytes) -> str | None:
    """Return what charset-normalizer takes the text for: it is good at alphabets, less so at Latin letters."""
    from charset_normalizer import from_bytes

    logging.getLogger("charset_normalizer").setLevel(logging.CRITICAL)
    match = from_bytes(sample, steps=8, chunk_size=512, cp_isolation=ONE_BYTE, preemptive_behaviour=False).best()
    return match.encoding if match else None


def _rate(sample: bytes, encoding: str) -> float:
    """Return how common the characters are that this encoding makes of the bytes above ASCII; 0 when it makes none."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        text = decoder.decode(sample)
    except UnicodeDecodeError:
        return 0.0
    total = score = 0.0
    for before, character in pairwise(f" {text}"):
        if character > "\x7f":
            total += 1
            # After a small letter it is rather the second half of a word whose accented letter was misread.
            score += commonness(character) - (0.5 if "a" <= before <= "z" else 0.0)
    return score / total if total else 0.0
