"""Server-sent events as OpenAI sends them: `data: {...}` and an empty line, `data: [DONE]` last. Knows no field of them.

Written in ASCII, because some readers take a line separator of Unicode inside a string for the end of a line.
Source: WHATWG HTML, 9.2 (event streams).
"""

import json
from collections.abc import AsyncGenerator
from typing import Any

from api import openai_errors
from api.errors import fault

MEDIA_TYPE = "text/event-stream"
DONE = b"data: [DONE]\n\n"


def event(value: dict[str, Any], kind: str = "") -> bytes:
    """Return one event; `kind`: its name, for protocols that name them."""
    name = f"event: {kind}\n" if kind else ""
    return f"{name}data: {json.dumps(value, separators=(',', ':'))}\n\n".encode("ascii")


HOLE, NUMBER_HOLE = "\x00text", "\x00number"
"""Stand for what changes in a `Template`."""


class Template:
    """An event of which only a text (and a number) changes: the rest is written once, and not for every token."""

    def __init__(self, value: dict[str, Any], kind: str = "") -> None:
        """`value` holds `HOLE` where the text belongs, and maybe `NUMBER_HOLE` behind it."""
        whole = event(value, kind).decode("ascii")
        self._before, _, rest = whole.partition(json.dumps(HOLE))
        self._between, self._numbered, self._after = rest.partition(json.dumps(NUMBER_HOLE))

    def __call__(self, text: str, number: int = 0) -> bytes:
        """Return the event with `text` and `number` in it."""
        said = f"{self._before}{json.dumps(text)}{self._between}"
        return f"{said}{number}{self._after}".encode("ascii") if self._numbered else said.encode("ascii")


async def told(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield `chunks` and the end of the stream; an error of the run becomes an event, as the status has been sent."""
    try:
        async for chunk in chunks:
            yield chunk
    except Exception as error:  # whatever made the run fail: its registry has logged what is not ours
        yield event(openai_errors.body(fault(error)))
    finally:
        await chunks.aclose()
    yield DONE
