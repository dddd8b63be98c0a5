"""Tells what a file really is by its first bytes, for files that are not what their name says. Reads no more of it."""

from pathlib import Path

HEAD = 1024
SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive, or an Office document"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old or password-protected Office document"),
    (b"\x7fELF", "a program"),
    (b"\xfe\xed\xfa\xce", "a program"),
    (b"\xfe\xed\xfa\xcf", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"MZ\x90\x00", "a program"),
    (b"\x89PNG\r\n", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF87a", "a picture"),
    (b"GIF89a", "a picture"),
    (b"II*\x00", "a picture"),
    (b"MM\x00*", "a picture"),
    (b"\x1f\x8b\x08", "a compressed file"),
    (b"BZh", "a compressed file"),
    (b"\xfd7zXZ\x00", "a compressed file"),
    (b"\x28\xb5\x2f\xfd", "a compressed file"),
    (b"7z\xbc\xaf\x27\x1c", "an archive"),
    (b"Rar!\x1a\x07", "an archive"),
    (b"{\\rtf", "a Rich Text document"),
    (b"SQLite format 3\x00", "a database"),
    (b"ID3\x03", "a sound"),
    (b"OggS", "a sound"),
)


def head_of(path: Path) -> bytes:
    """Return the first KiB of a file."""
    with path.open("rb") as file:
        return file.read(HEAD)


def kind_of(head: bytes) -> str | None:
    """Return what begins with these bytes, in words, or None when nothing known does."""
    if head[:4] == b"RIFF" and head[8:12] in (b"WEBP", b"WAVE", b"AVI "):
        return "a picture, a sound or a film"
    if head[4:8] == b"ftyp":
        return "a film or a picture"
    return next((words for signature, words in SIGNATURES if head.startswith(signature)), None)


def other_kind(head: bytes, wanted: str) -> str:
    """Return the sentence for a file that should be `wanted` ("a PDF document") and is something else."""
    if not head:
        return "the file is empty"
    kind = kind_of(head)
    return f"the file is not {wanted}, it is {kind}" if kind else f"the file is not {wanted}"
