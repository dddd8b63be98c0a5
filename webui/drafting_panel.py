"""The panel that has questions drafted by the model: a row for each, which a person changes, approves or drops.

Nothing is saved but what is approved. What makes a draft usable, `assistant.drafting` knows.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from api.errors import sentence
from assistant.assistant import Assistant
from assistant.drafting import LONGEST, Draft, Drafted, draft, spread
from assistant.errors import RunError
from generation.base import GenerationError, ModelNotReady
from knowledge.base import KnowledgeError, Passage
from webui import refusals, sources, talk
from webui.markup import note
from webui.texts.base import Texts

MOST = 10
USUAL = 5


@dataclass(frozen=True, slots=True)
class _Row:
    """The components of one draft."""

    row: gr.Row
    question: gr.Textbox
    passage: gr.Markdown
    approve: gr.Button
    drop: gr.Button

    @property
    def shown(self) -> list[Any]:
        return [self.row, self.question, self.passage]


class DraftingPanel:
    """The components of the panel and what they do."""

    def __init__(self, assistant: Assistant, texts: Texts) -> None:
        self._assistant, self._library, self._texts = assistant, assistant.library, texts

    def place(self) -> None:
        """Place the panel."""
        texts = self._texts
        plain: dict[str, Any] = {"size": "md", "scale": 0}
        with gr.Row(elem_classes="knobs"):
            self.documents = gr.Dropdown(
                [], multiselect=True, label=texts.draft_documents, elem_id="draft-documents", min_width=220, scale=2
            )
            self.count = gr.Slider(1, MOST, USUAL, step=1, label=texts.draft_count, min_width=190, scale=1)
            self.start = gr.Button(texts.draft, elem_id="draft-start", min_width=150, **plain)
            self.stop = gr.Button(texts.stop, variant="stop", visible=False, elem_id="draft-stop", min_width=90, **plain)
        self.told = gr.Markdown(note(texts.draft_hint, "quiet"), elem_id="draft-told", latex_delimiters=[])
        self.drafts = gr.State([])
        self.done = gr.State([])  # the drafts that were approved or dropped, by their places
        self.rows = [self._place_row(number) for number in range(1, MOST + 1)]

    def _place_row(self, number: int) -> _Row:
        texts = self._texts
        with gr.Row(visible=False, elem_classes="draft") as row:
            with gr.Column(min_width=240, scale=1):
                question = gr.Textbox(
                    label=texts.draft_question.format(number), lines=2, max_lines=4, max_length=LONGEST, elem_classes="drafted"
                )
                with gr.Row():
                    approve = gr.Button(texts.approve, variant="primary", size="sm", min_width=80)
                    drop = gr.Button(texts.drop_draft, size="sm", min_width=80)
            with gr.Column(min_width=240, scale=1):
                passage = gr.Markdown("", latex_delimiters=[])
        return _Row(row, question, passage, approve, drop)

    def wire(self, base: gr.Dropdown, tab: gr.Tab, questions: Sequence[Any], shown: Callable[[str], tuple[Any, ...]]) -> None:
        """Connect the panel; `shown` gives what `questions` show of a base when its test questions have changed."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
        self._shown, self._questions = shown, len(questions)
        rows = [part for row in self.rows for part in row.shown]
        tab.select(lambda base: gr.update(choices=self._choices(base)), base, self.documents, **quiet)
        drafts = [self.drafts, self.done, *rows]
        outputs = [self.told, self.start, self.stop, *drafts]
        begun = self.start.click(self._draft, [base, self.documents, self.count], outputs, **quiet)
        base.change(self._clear, base, [self.documents, *outputs], cancels=begun, **quiet)
        self.stop.click(self._stopped, self.drafts, [self.told, self.start, self.stop, *rows], cancels=begun, **quiet)
        for number, row in enumerate(self.rows):
            handled, handling = [self.drafts, self.done], [self.told, self.done, row.row]
            approving = [base, *handled, row.question]
            row.approve.click(partial(self._approve, number), approving, [*handling, *questions], **quiet)
            row.drop.click(partial(self._drop, number), handled, handling, **quiet)

    # -- what they do ---------------------------------------------------------------------------------------------

    def _choices(self, base: str) -> list[str]:
        try:
            return [document.name for document in self._library.documents(base)]
        except KnowledgeError:
            return []

    def _clear(self, base: str) -> tuple[Any, ...]:
        chosen = gr.update(choices=self._choices(base), value=[])
        return (chosen, note(self._texts.draft_hint, "quiet"), *self._ended, [], [], *self._rows([]))

    def _stopped(self, drafts: list[Draft]) -> tuple[Any, ...]:
        return (note(self._texts.draft_stopped, "quiet"), *self._ended, *self._rows(drafts))

    async def _draft(
        self, request: gr.Request, base: str, documents: Sequence[str] | None, count: float
    ) -> AsyncGenerator[tuple[Any, ...], None]:
        """Tell how far it is, and show the drafts at the end: the browser may leave out an update that another one follows."""
        keep = tuple(gr.skip() for _ in range(3 * MOST))
        documents = documents or await asyncio.to_thread(self._choices, base)
        if not documents:
            yield (note(self._texts.draft_nowhere, "note warning"), *(gr.skip(),) * 4, *keep)
            return
        going = (gr.update(interactive=False), gr.update(visible=True))
        yield (note(self._texts.drafting.format(1, int(count)), "quiet"), *going, [], [], *self._rows([]))
        state = Drafted(0)
        try:
            passages, saved = await asyncio.to_thread(self._asked, base, documents, min(int(count), MOST))
            async with aclosing(draft(self._assistant, passages, saved, f"session:{request.session_hash}")) as states:
                async for state in states:
                    told = self._texts.drafting.format(min(state.done + 1, state.wanted), state.wanted)
                    yield (note(told, "quiet"), *going, list(state.drafts), gr.skip(), *keep)
            said = self._result(state)
        except (KnowledgeError, GenerationError, RunError) as error:
            said = note(self._refusal(error), "note warning")
        yield (said, *self._ended, list(state.drafts), [], *self._rows(state.drafts))

    @property
    def _ended(self) -> tuple[Any, Any]:
        """Updates of the two buttons when nothing is drafted any more."""
        return gr.update(interactive=True), gr.update(visible=False)

    def _asked(self, base: str, documents: Sequence[str], count: int) -> tuple[list[Passage], list[str]]:
        """Return the passages to ask about, and the questions there are."""
        saved = [row["question"] for row in self._library.question_files.rows(self._library.card(base).id)]
        return spread(self._library, base, documents, count, secrets.SystemRandom()), saved

    def _refusal(self, error: Exception) -> str:
        if isinstance(error, ModelNotReady) and self._assistant.engine.state.phase == "none":
            return self._texts.no_model
        return self._texts.failed.format(refusals.said(error, self._texts))

    def _result(self, state: Drafted) -> str:
        """Return what is told when all passages were asked about."""
        texts = self._texts
        if not state.wanted:
            return note(texts.draft_nothing_to_ask, "note warning")
        told = texts.drafted.format(len(state.drafts), state.wanted)
        thrown = [texts.thrown_for[reason].format(many) for reason, many in sorted(state.thrown.items())]
        told += texts.thrown.format(", ".join(thrown)) if thrown else ""
        return note(told, "quiet") + (note(texts.draft_too_small, "note warning") if state.too_small else "")

    def _rows(self, drafts: Sequence[Draft]) -> tuple[Any, ...]:
        """Return the updates of all rows: shown or not, the question, the passage."""
        updates: list[Any] = []
        for number in range(MOST):
            one = drafts[number] if number < len(drafts) else None
            updates += (
                [gr.update(visible=True), one.question, self._card(number, one)] if one else [gr.update(visible=False), "", ""]
            )
        return tuple(updates)

    def _card(self, number: int, one: Draft) -> str:
        card = talk.card(one.passage)
        body = f'<div class="place">{sources.place(card, self._texts)}</div>{sources.passage(card)}'
        return sources.frame(number + 1, sources.opener(card, self._texts), "", body)

    def _approve(self, number: int, base: str, drafts: list[Draft], done: list[int], question: str) -> tuple[Any, ...]:
        """Save a question, as the person left it, with the document of its passage."""
        keep = tuple(gr.skip() for _ in range(self._questions))
        if not question.strip():
            return (note(self._texts.draft_empty, "note warning"), done, gr.skip(), *keep)
        row = {"question": question.strip(), "files": [drafts[number].passage.source.name]}
        try:
            self._library.question_files.add(self._library.card(base).id, [row])
        except KnowledgeError as error:
            return (note(sentence(error), "note warning"), done, gr.skip(), *keep)
        return (*self._drop(number, drafts, done, self._texts.approved), *self._shown(base))

    def _drop(self, number: int, drafts: list[Draft], done: list[int], said: str = "") -> tuple[Any, ...]:
        done = [*done, number]
        told = said + self._texts.drafts_left.format(len(drafts) - len(done))
        return note(told, "quiet"), done, gr.update(visible=False)
