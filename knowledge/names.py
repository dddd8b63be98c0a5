"""What a knowledge base and a document may be called. Names are text for people: none ever becomes a path."""

import re
import unicodedata

from knowledge import tokens
from knowledge.base import BadName

LONGEST_DOCUMENT = 200
_BASE = re.compile(r"[\w .-]{1,64}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_UNPRINTABLE = frozenset({"Cc", "Cs", "Cn", "Co", "Zl", "Zp"})


def base_name(name: str) -> str:
    """Return the name of a knowledge base as it is kept (NFC); raises `BadName`."""
    plain = unicodedata.normalize("NFC", name)
    if not _BASE.fullmatch(plain) or plain != plain.strip() or plain.startswith(".") or plain.endswith("."):
        raise BadName(
            "a knowledge base is named by 1 to 64 letters, digits, spaces, and any of . _ - ; it does not begin or end"
            " with a space or a dot"
        )
    if tokens.is_base(plain):
        raise BadName("a knowledge base cannot be named like an id of another one")
    if _RESERVED.fullmatch(plain):
        raise BadName("this is a name that Windows keeps for itself")
    return plain


def document_name(name: str) -> str:
    """Return the name of a document as it is kept: the last part of what the browser sent, NFC; raises `BadName`."""
    plain = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1]).strip()
    if not plain.strip("."):
        raise BadName("a document needs a file name")
    if len(plain) > LONGEST_DOCUMENT:
        raise BadName(f"the file name is longer than {LONGEST_DOCUMENT} characters")
    if any(character in _DIRECTION or unicodedata.category(character) in _UNPRINTABLE for character in plain):
        raise BadName("the file name holds control characters, or ones that turn the direction of writing: rename the file")
    return plain


def same(name: str) -> str:
    """Return a name that someone asks for in the form in which names are kept."""
    return unicodedata.normalize("NFC", name).encode("utf-8", "replace").decode()
