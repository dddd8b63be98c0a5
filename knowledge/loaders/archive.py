"""The parts of an Office document (OPC, ECMA-376 part 2) or an e-book: a ZIP archive read with limits, never unpacked.

Only parts that are asked for are inflated, and no further than the limits, whatever their headers say. Before the XML
reader sees a part, one with a document type (the door to entities) is refused. External targets are never followed.
A library that opens the archive itself is only let at one that `check_all` has seen.
"""

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from xml.etree.ElementTree import Element, ParseError, iterparse
from xml.parsers import expat

from knowledge.base import UnreadableFile
from knowledge.loaders import magic

MAX_ENTRIES = 2000
MAX_PART = 50 * 1024 * 1024
MAX_TOTAL = 100 * 1024 * 1024
MAX_DEPTH = 400
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, LookupError)
OLE = b"\xd0\xcf\x11\xe0"
WORD = "a Word document (.docx)"
ROOTS = {"word/": WORD, "xl/": "a workbook (.xlsx)", "ppt/": "a presentation (.pptx)"}
"""Where the main part of each kind of Office document lies."""
XML = (".xml", ".rels", ".vml")


class Archive:
    """An open Office document; a context manager."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self._left = MAX_TOTAL

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __contains__(self, part: str) -> bool:
        return part in self._file.NameToInfo

    def parts(self, folder: str) -> list[str]:
        """Return the names of the parts in a folder ("xl/worksheets/")."""
        return [name for name in self._file.NameToInfo if name.startswith(folder)]

    def elements(self, part: str) -> Iterator[tuple[str, Element]]:
        """Yield ("start" or "end", element) for the XML of a part; raises `UnreadableFile`."""
        self._refuse_document_type(part)
        depth = 0
        try:
            with self._open(part) as stream:
                for event, element in iterparse(stream, ("start", "end")):  # noqa: S314
                    depth += 1 if event == "start" else -1
                    if depth > MAX_DEPTH:
                        raise UnreadableFile(
                            "broken", f"the document is damaged: its parts are nested more than {MAX_DEPTH} deep"
                        )
                    yield event, element
        except (ParseError, *DAMAGE) as error:
            raise damaged(part) from error

    def read(self, part: str) -> bytes:
        """Return the bytes of a part; raises `UnreadableFile`."""
        try:
            with self._open(part) as stream:
                return b"".join(iter(stream.read, b""))
        except DAMAGE as error:
            raise damaged(part) from error

    def check_all(self) -> None:
        """Raise when the whole would be over the limits, or any XML in it has a document type.

        The sizes are those that the archive tells: `zipfile`, which the libraries use, gives no byte beyond them.
        """
        sizes = [entry.file_size for entry in self._file.infolist()]
        if max(sizes, default=0) > MAX_PART or sum(sizes) > MAX_TOTAL:
            raise UnreadableFile("too_large", f"unpacked, the document is larger than {MAX_TOTAL >> 20} MiB")
        for part in self._file.NameToInfo:
            if part.lower().endswith(XML):
                self._refuse_document_type(part)

    def tree(self, part: str) -> Element | None:
        """Return the root element of a part, whole; None when there is no such part."""
        root = None
        if part in self:
            for _, element in self.elements(part):
                root = element  # the root's end comes last
        return root

    def related(self, part: str, kind: str) -> str | None:
        """Return the part that `part` ("": the package) names as its `kind` ("styles"), None without one."""
        folder, name = posixpath.split(part)
        relations = self.tree(posixpath.join(folder, "_rels", f"{name}.rels"))
        for relation in relations if relations is not None else ():
            if relation.get("Type", "").endswith(f"/{kind}") and relation.get("TargetMode") != "External":
                target = posixpath.join("/", folder, relation.get("Target", ""))
                return posixpath.normpath(target).lstrip("/")
        return None

    def _refuse_document_type(self, part: str) -> None:
        """Raise for a part with a document type: with expat, so that no encoding can hide it."""
        parser, seen = expat.ParserCreate(), []

        def doctype(*_: object) -> None:
            raise UnreadableFile("broken", "the document holds XML that no Office program writes (a document type)")

        parser.StartDoctypeDeclHandler = doctype
        parser.StartElementHandler = lambda *_: seen.append(True)
        try:
            with self._open(part) as stream:
                while not seen and (data := stream.read(4096)):
                    parser.Parse(data)
        except (expat.ExpatError, *DAMAGE) as error:
            raise damaged(part) from error

    def _open(self, part: str) -> "IO[bytes]":
        return _Limited(self._file.open(part), self)  # type: ignore[return-value]

    def spend(self, size: int) -> None:
        """Count inflated bytes; raises when it is too much in all."""
        self._left -= size
        if self._left < 0:
            raise UnreadableFile("too_large", f"unpacked, the document is larger than {MAX_TOTAL >> 20} MiB")


class _Limited:
    """A part's bytes, counted as they are inflated."""

    def __init__(self, stream: IO[bytes], archive: Archive) -> None:
        self._stream, self._archive, self._size = stream, archive, 0

    def __enter__(self) -> "_Limited":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(min(size, 1 << 16) if size > 0 else 1 << 16)
        self._size += len(data)
        if self._size > MAX_PART:
            raise UnreadableFile("too_large", f"a part of the document is larger than {MAX_PART >> 20} MiB")
        self._archive.spend(len(data))
        return data


def damaged(part: str) -> UnreadableFile:
    """Return the error for a part that cannot be unpacked or is no XML."""
    return UnreadableFile("broken", f"the document is damaged ({part})")


def another_kind(root: str, main: str) -> UnreadableFile:
    """Return the error for an archive whose main part is not in `root`, or is missing."""
    kind = next((words for place, words in ROOTS.items() if main.startswith(place) and place != root), "")
    return UnreadableFile("wrong_type", f"the file is not {ROOTS[root]}, it is {kind or 'another kind of archive'}")


def check_office(path: Path, root: str) -> None:
    """Raise unless the file at `path` is an Office document whose main part is in `root`, within the limits whole."""
    with open_archive(path, ROOTS[root]) as archive:
        main = archive.related("", "officeDocument") or ""
        if not main.startswith(root):
            raise another_kind(root, main)
        if main.endswith(".bin"):
            raise UnreadableFile("wrong_type", "the file is a binary workbook (.xlsb): save it as .xlsx")
        archive.check_all()


def open_archive(path: Path, wanted: str = WORD) -> Archive:
    """Open the archive at `path`, which should be `wanted` ("a workbook (.xlsx)").

    Raises `UnreadableFile` when it is no archive, encrypted, or has too many parts.
    """
    head = magic.head_of(path)
    if head.startswith(OLE):
        raise _old_or_encrypted(path)
    if not head.startswith(b"PK"):
        raise UnreadableFile("wrong_type" if head else "empty", magic.other_kind(head, wanted))
    try:
        file = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UnreadableFile("broken", "the document is damaged or not complete: add it again") from error
    try:
        _check(file.infolist())
    except UnreadableFile:
        file.close()
        raise
    return Archive(file)


def _check(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_ENTRIES:
        raise UnreadableFile("too_large", f"the document has {len(entries):,} parts; {MAX_ENTRIES:,} are read at most")
    if any(entry.flag_bits & 1 for entry in entries):
        raise UnreadableFile("encrypted", "the document is encrypted: save it without a password")
    if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in entries):
        raise UnreadableFile("broken", "the document is compressed in a way that no Office program uses")


def _old_or_encrypted(path: Path) -> UnreadableFile:
    """Return the error for an OLE container, which holds a password-protected .docx or an old .doc."""
    with path.open("rb") as file:
        content = file.read(MAX_PART)
    if "EncryptedPackage".encode("utf-16-le") in content:
        return UnreadableFile("encrypted", "the document needs a password: save it without one")
    if "WordDocument".encode("utf-16-le") in content:
        return UnreadableFile("wrong_type", "the file is an old Word document (.doc): save it as .docx")
    return UnreadableFile("wrong_type", "the file is an old Office document: save it as .docx, .xlsx or .pptx")
