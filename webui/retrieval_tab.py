"""The tab to try retrieval: a question, what is found for it by which side, all scores; and it becomes a test question."""

import asyncio
import time
from typing import Any

import gradio as gr

from api.errors import sentence
from api.json_body import LONGEST_TEXT
from api.settings import ServerSettings
from knowledge.base import KnowledgeError, Passage
from knowledge.library import Library
from knowledge.ranking import Mode
from knowledge.search import Found
from webui import api_call, sources, talk
from webui.actions import Door, link, parsed
from webui.markup import bar, flat, note
from webui.texts.base import Texts

MOST = 20
VISIBLE = 0.0005
"""Scores that are nearer than this look the same."""


class RetrievalTab:
    """The components of the tab and what they do."""

    def __init__(self, library: Library, settings: ServerSettings, texts: Texts) -> None:
        self._library, self._settings, self._texts = library, settings, texts

    def place(self) -> None:
        """Place the tab."""
        texts = self._texts
        modes = [(label, value) for value, label in texts.search_modes.items()]
        with gr.Row(elem_classes="try"):
            self.query = gr.Textbox(
                placeholder=texts.try_hint, label=texts.try_hint, show_label=False, container=False, lines=1, max_lines=4,
                max_length=LONGEST_TEXT, elem_id="try-query", scale=1,
            )  # fmt: skip
            self.search = gr.Button(texts.search, variant="primary", size="md", elem_id="try-search", scale=0, min_width=110)
        with gr.Row(elem_classes="knobs"):
            self.mode = gr.Radio(modes, value="hybrid", label=texts.search_by, elem_id="try-mode", min_width=250, scale=3)
            self.depth = gr.Slider(
                1, MOST, min(self._settings.top_k, MOST), step=1, label=texts.how_many, min_width=140, scale=2
            )
            self.least = gr.Slider(0, 1, 0, step=0.01, label=texts.least_score, min_width=140, scale=2)
        with gr.Accordion(texts.as_call, open=False, visible=False, elem_id="try-call") as self.call_frame:
            self.call = gr.Code(interactive=False, show_label=False, container=False, lines=3)
        self.asked = gr.State(("", []))
        self.rows = gr.Markdown(note(texts.try_nothing, "quiet"), elem_id="found", latex_delimiters=[])

    def wire(self, base: gr.Dropdown, door: Door) -> None:
        """Connect the tab to the choice of a base and to the links of the page."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
        asked = [base, self.query, self.depth, self.least, self.mode]
        gr.on([self.search.click, self.query.submit], self._find, asked, [self.rows, self.asked], **quiet)
        gr.on([self.search.click, self.query.submit], self._as_call, asked, [self.call_frame, self.call], **quiet)
        base.change(lambda: ("", ("", [])), None, [self.rows, self.asked], **quiet)
        door.go.click(self._keep, [door.act, base, self.asked, self.rows], self.rows, **quiet)

    async def _find(self, base: str, query: str, depth: float, least: float, mode: Mode) -> tuple[str, tuple[str, list[str]]]:
        if not query.strip():
            return note(self._texts.try_nothing, "quiet"), ("", [])
        begin = time.monotonic()
        try:
            found = await asyncio.to_thread(self._library.find, base, query, int(depth), mode=mode)
        except KnowledgeError as error:
            return note(sentence(error), "note warning"), ("", [])
        names = [passage.source.name for passage in found.passages]
        told = listing(found, query, least, time.monotonic() - begin, self._texts)
        return self._by_words(found, mode) + self._refusal(found, mode) + told, (query.strip(), names)

    def _as_call(
        self, request: gr.Request, base: str, query: str, depth: float, least: float, mode: Mode
    ) -> tuple[dict[str, Any], str]:
        """Show the same search as a call of the API, which always compares both words and meaning."""
        if not query.strip() or mode != "hybrid":
            return gr.update(visible=False), ""
        origin = request.headers.get("origin") or f"http://{request.headers.get('host', '127.0.0.1:8000')}"
        try:
            token = self._library.card(base).id
        except KnowledgeError:
            return gr.update(visible=False), ""
        command = api_call.search(origin + self._settings.root_path, token, query.strip(), int(depth), least)
        return gr.update(visible=True), command

    def _by_words(self, found: Found, mode: Mode) -> str:
        """Return that only words were compared, where that was not asked for."""
        if mode == "lexical" or not found.by_words:
            return ""
        return note(self._texts.by_words)

    def _refusal(self, found: Found, mode: Mode) -> str:
        """Return that no model would be asked, where it would not."""
        least = self._settings.min_evidence
        if mode != "hybrid" or found.evidence >= least:  # an answer is always searched for by both
            return ""
        return note(self._texts.would_refuse.format(f"{least:.2f}"), "note warning")

    def _keep(self, act: str, base: str, asked: tuple[str, list[str]], rows: str) -> Any:
        """Keep the question with the document of a passage, and say so in its place: `keep/PLACE/nonce`, from 1."""
        verb, place = parsed(act)
        query, names = asked
        if verb != "keep" or place is None or not 1 <= place <= len(names):
            return gr.skip()
        name = names[place - 1]
        try:
            token = self._library.card(base).id
            self._library.question_files.add(token, [{"question": query, "files": [name]}])
        except (KnowledgeError, ValueError) as error:
            raise gr.Error(str(error), print_exception=False) from error
        return rows.replace(_keep(place, self._texts), f'<span class="good">{flat(self._texts.question_kept)}</span>')


def listing(found: Found, query: str, least: float, seconds: float, texts: Texts) -> str:
    """Return what was found as HTML: what is under the least score comes apart."""
    if not found.passages:
        return note(texts.nothing_found, "quiet")
    facts = [texts.found_facts.format(len(found.passages), f"{1000 * seconds:.0f}")]
    facts.append(texts.evidence.format(f"{found.evidence:.2f}"))
    if found.query.split() != query.split():
        facts.append(texts.searched_for.format(" · ".join(found.query.split("\n"))))
    numbered = list(enumerate(found.passages, 1))
    good = "".join(_card(at, one, "", texts) for at, one in numbered if one.score >= least)
    weak = "".join(_card(at, one, " unused", texts) for at, one in numbered if one.score < least)
    label = note(texts.under_least, "label") if weak else ""
    return f"{note(' · '.join(facts), 'quiet')}{good}{label}{weak}"


def _card(at: int, passage: Passage, kind: str, texts: Texts) -> str:
    shown = talk.card(passage)
    moved = abs(passage.scores.get("fused", passage.score) - passage.score) >= VISIBLE
    names = [name for name in passage.scores if name != "fused" or moved]
    parts = "".join(_score(texts.scores.get(name, name), passage.scores[name]) for name in names)
    body = (
        f'<div class="place">{sources.place(shown, texts)}</div>{sources.passage(shown)}'
        f'<div class="foot"><span class="parts">{parts}</span>{_keep(at, texts)}</div>'
    )
    return sources.frame(at, sources.opener(shown, texts), f"{passage.score:.3f}", body, kind, texts.score)


def _keep(at: int, texts: Texts) -> str:
    return link("keep", at, texts.keep_question)


def _score(name: str, value: float) -> str:
    return f"<span>{flat(name)} {bar(min(max(value, 0.0), 1.0))} {value:.3f}</span>"
