"""Text of models and documents becomes markup that is safe to show. Pure functions; knows no component.

Gradio's sanitiser runs behind this and the Content-Security-Policy behind that: here images and tags are taken out of an
answer, so that showing it asks no other server for anything (EchoLeak, CVE-2025-32711).
"""

import re
from collections.abc import Iterable
from html import escape

from assistant.citations import rewrite

CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]+`)", re.DOTALL)
IMAGE = re.compile(r"!\[([^\]\n]*)\](?=[(\[])")
TAG = re.compile(r"<(?=[A-Za-z/!?])")
GROWING = '<div class="growing"></div>'
"""Marks an answer that is being written; page.css shows Stop instead of Send while there is one."""
RETRIEVED = '<div class="retrieved"></div>'
"""Marks an answer that is the passages themselves; page.css hides their text where the cards stand right under it."""


def answer(text: str, offered: int, anchor: str) -> str:
    """Return the Markdown to show for a model's `text`: no tags, no images, citations as links to `#anchor-N`."""
    parts = CODE.split(text)
    return "".join(part if index % 2 else _prose(part, offered, anchor) for index, part in enumerate(parts))


def flat(text: str) -> str:
    """Return `text` as HTML on one line, so that Markdown finds nothing in it to interpret."""
    return escape(text).replace("\r", "").replace("\n", "&#10;")


def note(text: str, kind: str = "note") -> str:
    """Return a line set apart from the answer; `kind` is its class."""
    return f'<div class="{kind}">{flat(text)}</div>'


def bar(part: float) -> str:
    """Return a bar that is filled to `part` of it, in [0, 1]."""
    return f'<span class="bar"><i style="width:{100 * part:.0f}%"></i></span>'


def chips(numbers: Iterable[int], anchor: str) -> str:
    """Return the numbers of passages as links to `#anchor-N`."""
    return " ".join(f'<a class="cite" href="#{anchor}-{number}">{number}</a>' for number in numbers)


def _prose(text: str, offered: int, anchor: str) -> str:
    return rewrite(TAG.sub("&lt;", IMAGE.sub(r"[\1]", text)), offered, lambda numbers: chips(numbers, anchor))
