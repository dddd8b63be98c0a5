"""The formats that can be read: a table from suffix to loader. Importing it imports no loader and no library.

A new format is one file here and one line in `LOADERS`.
"""

import importlib
from pathlib import PurePath
from typing import cast

from knowledge.base import UnsupportedFormat
from knowledge.loaders.base import Loader

LOADERS: dict[str, str] = {
    ".txt": "knowledge.loaders.text:read",
    ".text": "knowledge.loaders.text:read",
    ".log": "knowledge.loaders.text:read",
    ".md": "knowledge.loaders.markdown:read",
    ".markdown": "knowledge.loaders.markdown:read",
    ".docx": "knowledge.loaders.docx:read",
    ".pdf": "knowledge.loaders.pdf:read",
    ".html": "knowledge.loaders.html:read",
    ".htm": "knowledge.loaders.html:read",
    ".csv": "knowledge.loaders.csv:read",
    ".tsv": "knowledge.loaders.csv:read",
    ".xlsx": "knowledge.loaders.xlsx:read",
    ".xlsm": "knowledge.loaders.xlsx:read",
    ".pptx": "knowledge.loaders.pptx:read",
    ".epub": "knowledge.loaders.epub:read",
}

HINTS: dict[str, str] = {
    ".doc": "an old Word document: save it as .docx",
    ".docm": "a Word document with macros: save it as .docx",
    ".dotx": "a Word template: save it as .docx",
    ".odt": "an OpenDocument text: save it as .docx",
    ".rtf": "a Rich Text document: save it as .docx",
    ".pages": "an Apple Pages document: export it as .docx or .pdf",
    ".wps": "a WPS document: save it as .docx",
    ".xls": "an old spreadsheet: save it as .xlsx",
    ".xlsb": "a binary spreadsheet: save it as .xlsx",
    ".ods": "an OpenDocument spreadsheet: save it as .xlsx",
    ".numbers": "an Apple Numbers spreadsheet: export it as .xlsx or .csv",
    ".ppt": "an old presentation: save it as .pptx",
    ".odp": "an OpenDocument presentation: save it as .pptx",
    ".key": "an Apple Keynote presentation: export it as .pptx",
    ".mhtml": "a web page with its pictures: save it as .html",
    ".mobi": "an e-book for Kindle: convert it to .epub",
    ".rst": "plain text: rename it to .txt",
    ".zip": "an archive: add the files that are in it",
    ".png": "a picture: make it a .pdf with OCR",
    ".jpg": "a picture: make it a .pdf with OCR",
    ".jpeg": "a picture: make it a .pdf with OCR",
}


def formats() -> list[str]:
    """Return one ending for each format, without its dot, for people to read."""
    first = {target: suffix for suffix, target in reversed(LOADERS.items())}
    return [suffix[1:] for suffix in LOADERS if first[LOADERS[suffix]] == suffix]


def target_for(name: str) -> str:
    """Return "module:function" of the loader for a file of this name; raises `UnsupportedFormat`."""
    suffix = PurePath(name).suffix.lower()
    if suffix in LOADERS:
        return LOADERS[suffix]
    readable = ", ".join(LOADERS)
    if suffix in HINTS:
        raise UnsupportedFormat(f"{suffix} is {HINTS[suffix]} (files that can be read: {readable})")
    what = f"{suffix} files cannot be read" if suffix else "a file whose name has no ending cannot be read"
    raise UnsupportedFormat(f"{what}, only {readable}")


def load(target: str) -> Loader:
    """Import the loader that "module:function" names."""
    module, _, function = target.partition(":")
    return cast(Loader, getattr(importlib.import_module(module), function))
