"""The words of a web page between two blocks, and what stands in a line with them: powers, readings, formulas.

Knows single elements, no blocks.
"""

from collections.abc import Mapping

from knowledge.loaders.powers import sign_before

BREAK = "\v"
"""A line's end inside a paragraph."""
RAISED = ("sup", "rt", "rp")
"""Elements whose words do not go on with those before them; links to notes are set like that, too."""
BEFORE = 8
"""Parts of the text that are looked at before a raised one."""
SECOND = {"mfrac": " / ", "msup": "^", "msub": "_", "msubsup": "_"}
"""What stands between the first and the second part of a formula's element."""


class Words:
    """Words so far, until they are taken."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._begun: dict[str, int] = {}
        self._readings: list[str] = []
        self._formula: list[list[str]] = []

    def add(self, text: str) -> None:
        """Take in words."""
        self._parts.append(text)

    def take(self) -> str:
        """Return the words and forget them."""
        text = "".join(self._parts)
        self._parts.clear()
        if self._begun or self._readings or self._formula:
            self._begun, self._readings, self._formula = {}, [], []
        return text

    def open(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Take in the start tag of an element that stands in a line."""
        if tag == "img":
            self.add(f" {attributes.get('alt') or ''} ")
        elif tag in RAISED or (tag == "a" and "noteref" in attributes.get("role", attributes.get("epub:type", ""))):
            self._begun[tag] = len(self._parts)
        elif tag == "math" or self._formula:
            self._open_formula(tag)

    def close(self, tag: str) -> None:
        """Take in its end tag."""
        begin = self._begun.pop(tag, None) if self._begun else None
        if tag in ("sup", "a") and begin is not None:
            before, raised = "".join(self._parts[max(begin - BEFORE, 0) : begin]), "".join(self._parts[begin:])
            self._parts.insert(begin, sign_before(before, raised.strip()))
        elif begin is not None:  # a reading aid stands behind the whole word, or it could not be found
            self._readings += self._parts[begin:] if tag == "rt" else []
            del self._parts[begin:]
        elif tag == "ruby" and self._readings:
            self.add(f"({''.join(self._readings).strip()})")
            self._readings = []
        elif self._formula and self._formula[-1][0] == tag:
            self._close_formula()

    def _open_formula(self, tag: str) -> None:
        if self._formula and len(self._formula[-1]) == 2:
            self.add(SECOND.get(self._formula[-1][0], ""))
        if self._formula:
            self._formula[-1].append(tag)
        self._formula.append([tag])
        self.add("\u221a(" if tag == "msqrt" else "")

    def _close_formula(self) -> None:
        self.add(")" if self._formula.pop()[0] == "msqrt" else "")
