"""What becomes of pages that are pictures of text: whether they can be recognised here, and what is told when not.

Knows where Tesseract's languages lie; does not import it. `sandbox` runs the loader (`loaders/ocr.py`).
"""

import importlib.util
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge.base import UnreadableFile
from knowledge.loaders.base import Extract
from knowledge.loaders.page_numbers import ranges

if TYPE_CHECKING:
    from knowledge.settings import KnowledgeSettings

TARGET = "knowledge.loaders.ocr:read"
PLACES = ("usr/share/tesseract-ocr/*/tessdata", "usr/share/tessdata", "usr/local/share/tessdata", "opt/homebrew/share/tessdata")
"""Where Debian, others, a build from source and Homebrew put the languages."""
NOT_LANGUAGES = {"osd", "equ"}


def arguments(extract: Extract, settings: "KnowledgeSettings") -> dict[str, Any] | None:
    """Return what the loader needs for the pictures of this file; None where they cannot be or should not be recognised."""
    folder = data_folder()
    if not extract.pictures or not settings.ocr or folder is None or not importlib.util.find_spec("tesserocr"):
        return None
    return {
        "pages": list(extract.pictures),
        "languages": settings.ocr_languages or "+".join(languages(folder)),
        "data": f"{folder}/",
        "seconds": settings.ocr_seconds,
    }


def data_folder() -> Path | None:
    """Return the folder with Tesseract's languages; None when there is none."""
    named = [Path(os.environ["TESSDATA_PREFIX"])] if os.environ.get("TESSDATA_PREFIX") else []
    usual = (folder for place in PLACES for folder in sorted(Path("/").glob(place), reverse=True))
    return next((folder for folder in [*named, *usual] if languages(folder)), None)


def languages(folder: Path) -> list[str]:
    """Return the languages that Tesseract has in this folder, English first: it is part of most others' texts."""
    found = {path.stem for path in folder.glob("*.traineddata")} - NOT_LANGUAGES
    return sorted(found, key=lambda name: (name != "eng", name))


def merged(extract: Extract, found: Extract) -> Extract:
    """Return the text of a file together with what was recognised of it, by pages."""
    blocks = sorted((*extract.blocks, *found.blocks), key=lambda block: block.locator.page or 0)
    return Extract(tuple(blocks), extract.pages, (*extract.warnings, *found.warnings), found.pictures)


def told(extract: Extract, settings: "KnowledgeSettings", failure: str = "") -> Extract:
    """Return the extract with a warning about the pages that have no text.

    Raises `UnreadableFile` ("needs_ocr" or "empty") when none has; `failure`: why the pictures could not be recognised.
    """
    if not has_text(extract.blocks):
        raise nothing(extract, settings, failure)
    told_already = any("not recognised" in warning for warning in extract.warnings)
    if not extract.pictures or told_already:
        return extract
    verb = "has" if len(extract.pictures) == 1 else "have"
    reason = f"; {failure}" if failure else ""
    warning = f"{ranges(extract.pictures)} {verb} no text (images?){reason}"
    return Extract(extract.blocks, extract.pages, (warning, *extract.warnings), extract.pictures)


def has_text(blocks: Iterable[Any]) -> bool:
    """Whether any block has more than white space."""
    return any(block.text.strip() for block in blocks)


def nothing(extract: Extract, settings: "KnowledgeSettings", failure: str) -> UnreadableFile:
    """Return the error for a file without text."""
    if not extract.pictures:
        return UnreadableFile("empty", "the file holds no text")
    where = f"{ranges(extract.pictures)} of {extract.pages}"
    if failure:
        advice = f"recognising them failed: {failure}"
    elif any("not recognised" in warning for warning in extract.warnings):
        advice = f"recognising them takes longer than {settings.ocr_seconds} s (--ocr-seconds)"
    elif arguments(extract, settings):
        advice = "no text could be recognised in them"
    elif not settings.ocr:
        advice = "run it through OCR first, or switch it on here (--ocr)"
    else:
        advice = 'run it through OCR first, or install it here (the extra "ocr" and Tesseract)'
    return UnreadableFile("needs_ocr", f"it holds pictures of text, not text ({where}): {advice}")
