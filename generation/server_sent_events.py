"""Bytes of a response to the data of its server-sent events (WHATWG HTML, section 9.2). Knows no protocol above.

Only `data` is kept: names, ids and comments (which some servers send as a sign of life) are read over. A last event
without its empty line is given too, because some servers leave it out. Bounded: an event may not be larger than a MiB.
"""

from collections.abc import AsyncGenerator, AsyncIterator

LARGEST_EVENT = 1024 * 1024


class BrokenEvents(ValueError):
    """These are no server-sent events; the text is the end of a sentence."""


async def events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    """Yield the data of each event; raises `BrokenEvents` for one that is too large or no UTF-8."""
    data: list[str] = []
    async for line in _lines(chunks):
        if line:
            data += _data(line)
            if sum(map(len, data)) > LARGEST_EVENT:
                raise BrokenEvents("sent an event larger than a MiB")
        elif data:
            yield "\n".join(data)
            data = []
    if data:
        yield "\n".join(data)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield _text(line)
        if len(rest) > LARGEST_EVENT:
            raise BrokenEvents("sent a line longer than a MiB")
    if rest:
        yield _text(rest)


def _text(line: bytes) -> str:
    try:
        return line.removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise BrokenEvents("sent text that is not UTF-8") from error


def _data(line: str) -> list[str]:
    name, _, value = line.partition(":")
    return [value.removeprefix(" ")] if name == "data" else []
