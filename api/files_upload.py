"""A multipart body with one file in it becomes a file on the disk and its fields; nothing larger than allowed is taken in.

RFC 7578. What a file may be called or hold is not known here.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from api.errors import BadRequest
from knowledge.base import TooLarge

FIELDS = 20
FIELD_SIZE = 64 * 1024
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file, open at its beginning, and the other fields of the form; each name came once."""

    name: str
    file: BinaryIO
    fields: dict[str, str]


@asynccontextmanager
async def receive(request: Request, largest: int) -> AsyncIterator[Upload]:
    """Give the one file, of the field `file` and at most `largest` bytes; raises `BadRequest` and `TooLarge`."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise BadRequest("A file is uploaded as multipart/form-data, with the fields file and purpose.")
    parser = MultiPartParser(
        request.headers, _bounded(request, largest), max_files=1, max_fields=FIELDS, max_part_size=FIELD_SIZE
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise BadRequest(f"The multipart body cannot be read: {error.message.rstrip('.')}.") from None
    except (ValueError, LookupError):  # what the parser makes of headers that are none
        raise BadRequest("The multipart body cannot be read.") from None
    try:
        yield _upload(form)
    finally:
        await form.close()


async def _bounded(request: Request, largest: int) -> AsyncGenerator[bytes, None]:
    """Yield the body; raises `TooLarge` as soon as it holds more than the largest file and its fields can."""
    most, size = largest + FIELDS * FIELD_SIZE, 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise TooLarge(f"the file is larger than {largest // MIB} MiB (--max-file-size)")
        yield chunk


def _upload(form: FormData) -> Upload:
    items = form.multi_items()
    if len({name for name, _ in items}) != len(items):
        raise BadRequest("A field appears twice in the form.")
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise BadRequest("file: the form holds no file under this name.", "file")
    if not file.filename:
        raise BadRequest("file: it has no file name.", "file")
    fields = {name: value for name, value in items if isinstance(value, str)}
    return Upload(file.filename, file.file, fields)
