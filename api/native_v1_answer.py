"""An answer of version 1: HTML of the prompt and the answer, a line each. Knows no request.

As the first clients were shown it: every line after the first is prefixed by `<br/>`, `<` and `>` are escaped (an ampersand
is not), and fences of code become `<pre><code class="LANGUAGE">`.
"""

import re

FENCE = re.compile(r"\s*```\s*([A-Za-z0-9_+#.-]{0,32})[^`]*")
"""A line that opens or closes code; only such a name may get into an attribute."""


def html(prompt: str, answer: str) -> str:
    """Return the echoed prompt and the answer after it."""
    return "".join(_lines(f"{prompt}\n{answer}".split("\n")))


def _lines(lines: list[str]) -> list[str]:
    written: list[str] = []
    code = False
    for number, line in enumerate(lines):
        if fence := FENCE.fullmatch(line):
            written.append("</code></pre>" if code else f'<pre><code class="{fence[1]}">')
            code = not code
        else:
            written.append(("<br/>" if number else "") + line.replace("<", "&lt;").replace(">", "&gt;"))
    return [*written, "</code></pre>"] if code else written
