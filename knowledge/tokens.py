"""The ids by which clients name what is kept: of the look of OpenAI's, random, never used again. Knows no table."""

import re
import secrets

_BASE = re.compile(r"vs_[0-9a-f]{32}")


def base() -> str:
    """Return a new id of a knowledge base."""
    return "vs_" + secrets.token_hex(16)


def file() -> str:
    """Return a new id of a file."""
    return "file-" + secrets.token_hex(12)


def batch() -> str:
    """Return a new id of a batch of files."""
    return "vsfb_" + secrets.token_hex(16)


def is_base(name: str) -> bool:
    """Return whether `name` could be the id of a knowledge base."""
    return _BASE.fullmatch(name) is not None
