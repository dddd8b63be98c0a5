"""The tab of passages: what a document was cut into, in order, with tokens and what neighbours share; each can be off."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from api.errors import sentence
from knowledge.base import KnowledgeError, Passage
from knowledge.library import Library
from webui import sources, talk
from webui.actions import Door, link, parsed
from webui.markup import flat, note
from webui.passage_text import reflowed
from webui.passage_text import shown as shown_text
from webui.texts.base import Texts

SHOWN = 20
"""Passages shown at a time."""

SHORTEST_SHARED, LONGEST_SHARED = 4, 4000
"""Characters: less is chance, like the bar at the end of a table's row and at the beginning of the next."""


class PassagesTab:
    """The components of the tab and what they do."""

    def __init__(self, library: Library, texts: Texts) -> None:
        self._library, self._texts = library, texts

    def place(self) -> None:
        """Place the tab."""
        texts = self._texts
        self.document = gr.Dropdown(
            [], label=texts.document, show_label=False, container=False, elem_id="passages-document", filterable=True
        )
        self.rows = gr.Markdown(note(texts.no_passages, "quiet"), elem_id="passages", latex_delimiters=[])

    def wire(self, base: gr.Dropdown, door: Door, tab: gr.Tab, tabs: gr.Tabs) -> None:
        """Connect the tab to the choice of a base and to the links of the page."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
        tab.select(self._choices, base, self.document, **quiet)
        base.change(self._other_base, base, [self.document, self.rows], **quiet)
        self.document.input(self._first, [base, self.document], self.rows, **quiet)
        door.go.click(self._act, [door.act, base, self.document], [tabs, self.document, self.rows], **quiet)

    def _choices(self, base: str) -> Any:
        # Without a value: a link that opens this tab has chosen the document, and this may come after it.
        return gr.update(choices=self._names(base))

    def _other_base(self, base: str) -> tuple[Any, str]:
        return gr.update(choices=self._names(base), value=None), listing([], 0, self._texts)

    def _first(self, base: str, document: str | None) -> str:
        return self._listed(base, document, 0)

    def _act(self, act: str, base: str, document: str | None) -> tuple[Any, Any, Any]:
        """Show a document's passages (`passages/ID`), another part of them (`part/NUMBER`), switch one (`off/ID`, `on/ID`)."""
        verb, number = parsed(act)
        if number is None:
            return gr.skip(), gr.skip(), gr.skip()
        if verb == "part":
            return gr.skip(), gr.skip(), self._listed(base, document, number)
        if verb in ("off", "on"):
            return gr.skip(), gr.skip(), self._switch(base, document, number, verb == "off")
        name = self._name(base, number)
        if name is None:
            gr.Warning(self._texts.document_gone)
            return gr.skip(), gr.skip(), gr.skip()
        return gr.Tabs(selected="passages"), gr.update(choices=self._names(base), value=name), self._first(base, name)

    def _switch(self, base: str, document: str | None, chunk: int, off: bool) -> str:
        """Switch a passage, and show the part that it is in."""
        try:
            self._library.switch_passages(base, document or "", [chunk], off)
            numbers = [one.chunk_id for one in self._library.passages(base, document or "")]
        except KnowledgeError as error:
            gr.Warning(sentence(error))
            return self._first(base, document)
        return self._listed(base, document, numbers.index(chunk) // SHOWN)

    def _name(self, base: str, document: int) -> str | None:
        """Return the name of a document, None where it or its base was deleted meanwhile."""
        try:
            return next((one.name for one in self._library.documents(base) if one.id == document), None)
        except KnowledgeError:
            return None

    def _names(self, base: str) -> list[str]:
        try:
            return [document.name for document in self._library.documents(base)]
        except KnowledgeError:
            return []

    def _listed(self, base: str, document: str | None, part: int) -> str:
        try:
            passages = self._library.passages(base, document) if document else []
        except KnowledgeError:  # removed meanwhile
            passages = []
        return listing(passages, part, self._texts)


def listing(passages: Sequence[Passage], part: int, texts: Texts) -> str:
    """Return a part (from 0) of a document's passages as HTML."""
    if not passages:
        return note(texts.no_passages, "quiet")
    parts = (len(passages) + SHOWN - 1) // SHOWN
    part = min(part, parts - 1)
    begin, end = part * SHOWN, min((part + 1) * SHOWN, len(passages))
    tokens = [passage.tokens for passage in passages]
    facts = texts.passages_facts.format(f"{len(passages):,}", f"{sum(tokens) / len(tokens):.0f}", f"{max(tokens):,}")
    off = sum(passage.switched_off for passage in passages)
    facts += f" · {texts.switched_off_count.format(f'{off:,}')}" if off else ""
    hint = note(texts.switched_off_hint, "quiet") if off else ""
    cards = [_card(at, passages[at], passages[at - 1] if at else None, texts) for at in range(begin, end)]
    return f"{note(facts, 'quiet')}{hint}{''.join(cards)}{_pager(part, parts, begin, end, len(passages), texts)}"


def _card(at: int, passage: Passage, before: Passage | None, texts: Texts) -> str:
    shown = talk.card(passage)
    shared = _shared(before.text, passage.text) if before is not None else 0
    first, rest = passage.text[:shared], passage.text[shared:]
    if passage.locator.page is not None:
        first, rest = reflowed(first), reflowed(rest)
    marked = f'<span class="shared" title="{flat(texts.shared)}">{flat(first)}</span>' if shared else ""
    title = sources.opener(shown, texts, sources.place(shown, texts) or flat(texts.open_short))
    words = shown_text(rest)
    reached = ' tabindex="0"' if "<table" in words else ""  # what may be wider than the card is scrolled by keys, too
    body = f'<div class="passage whole"{reached}>{marked}{words}</div>'
    off = passage.switched_off
    act = (f'<span class="state">{flat(texts.switched_off)}</span>' if off else "") + _act(at, passage, texts)
    kind = " chunk off" if off else " chunk"
    return sources.frame(at + 1, title, texts.tokens.format(passage.tokens), body, kind, act=act)


def _act(at: int, passage: Passage, texts: Texts) -> str:
    """Return the link that switches a passage off, or on again."""
    if passage.switched_off:
        return link("on", passage.chunk_id, texts.switch_on, texts.passage_number.format(at + 1))
    return link("off", passage.chunk_id, texts.switch_off, texts.passage_number.format(at + 1))


def _pager(part: int, parts: int, begin: int, end: int, count: int, texts: Texts) -> str:
    if parts == 1:
        return ""
    back = link("part", part - 1, texts.previous) if part else ""
    on = link("part", part + 1, texts.next) if part + 1 < parts else ""
    return f'<div class="pager">{back}<span>{flat(texts.of.format(f"{begin + 1}–{end}", f"{count:,}"))}</span>{on}</div>'


def _shared(before: str, text: str) -> int:
    """Return how many characters at the beginning of `text` the end of `before` has, too."""
    for length in range(min(len(before), len(text), LONGEST_SHARED), SHORTEST_SHARED - 1, -1):
        if before.endswith(text[:length]):
            return length
    return 0
