"""The tab of evaluation: the test questions of a base, asked in one go, and what two runs found, side by side."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from api.errors import sentence
from assistant.assistant import Assistant
from knowledge.base import KnowledgeError, Passage
from knowledge.evaluation import DEEPEST, BadQuestion, Question, evaluate, question_of
from knowledge.question_files import Row, RunOf, rows_of
from knowledge.ranking import Mode
from webui import evaluation
from webui.actions import Door, parsed
from webui.drafting_panel import DraftingPanel
from webui.markup import note
from webui.texts.base import Texts

TICK_SECONDS = 0.2
SHOWN = 5
"""Names of documents that are not there."""


class EvaluationTab:
    """The components of the tab and what they do."""

    def __init__(self, assistant: Assistant, texts: Texts) -> None:
        self._library, self._texts = assistant.library, texts
        self._files = self._library.question_files
        self._drafting = DraftingPanel(assistant, texts)

    def place(self) -> None:
        """Place the tab."""
        texts = self._texts
        modes = [(label, value) for value, label in texts.search_modes.items()]
        with gr.Row(elem_classes="knobs"):
            self.modes = gr.CheckboxGroup(
                modes, value=["hybrid"], label=texts.search_by, elem_id="evaluate-modes", min_width=260
            )
            plain: dict[str, Any] = {"size": "md", "scale": 0}
            self.start = gr.Button(
                texts.evaluate_none, variant="primary", interactive=False, elem_id="evaluate-start", min_width=210, **plain
            )
            self.upload = gr.UploadButton(
                texts.from_file, file_types=[".csv", ".jsonl"], elem_id="evaluate-upload", min_width=170, **plain
            )
        self.told = gr.Markdown("", elem_id="evaluate-told", elem_classes="quiet", latex_delimiters=[])
        self._drafting.place()
        with gr.Row(elem_classes="runs"):
            run: dict[str, Any] = {"filterable": False, "visible": False, "min_width": 300}
            self.one = gr.Dropdown([], label=texts.run_one, elem_id="run-one", **run)
            self.other = gr.Dropdown([], label=texts.run_other, elem_id="run-other", **run)
        self.figures = gr.Markdown("", elem_id="figures", latex_delimiters=[])
        self.rows = gr.Markdown("", elem_id="questions", latex_delimiters=[])

    def wire(self, base: gr.Dropdown, door: Door, tab: gr.Tab) -> None:
        """Connect the tab to the choice of a base and to the links of the page."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        questions, runs = [self.start, self.rows], [self.one, self.other, self.figures]
        many: dict[str, Any] = {**quiet, "concurrency_limit": None}
        gr.on([tab.select, base.change], self._all, base, [*questions, *runs, self.told], **many)
        self.upload.upload(self._take, [self.upload, base], [self.told, *questions], **many)
        # One evaluation at a time: it takes a core for as long as it lasts.
        self.start.click(self._run, [base, self.modes], [self.told, self.start, *runs], concurrency_limit=1, **quiet)
        gr.on([self.one.input, self.other.input], self._compare, [base, self.one, self.other], self.figures, **many)
        door.go.click(self._act, [door.act, base], questions, **many)
        self._drafting.wire(base, tab, questions, self._questions)

    # -- what they do ---------------------------------------------------------------------------------------------

    def _all(self, base: str) -> tuple[Any, ...]:
        return (*self._questions(base), *self._runs(base), "")

    def _questions(self, base: str) -> tuple[Any, str]:
        try:
            rows = self._files.questions(self._token(base))
        except KnowledgeError as error:
            return self._button(0), note(sentence(error), "note warning")
        return self._button(len(rows)), evaluation.questions(rows, self._texts)

    def _button(self, count: int) -> Any:
        text = self._texts.evaluate_many.format(f"{count:,}") if count else self._texts.evaluate_none
        return gr.update(value=text, interactive=count > 0)

    def _runs(self, base: str) -> tuple[Any, Any, str]:
        try:
            runs = self._files.runs(self._token(base))
        except KnowledgeError:
            runs = []
        choices = [(evaluation.name(run, self._texts), run.id) for run in runs]
        one, other = (runs[0] if runs else None), (runs[1] if len(runs) > 1 else None)
        shown = evaluation.comparison(one, other, self._texts) if one else ""
        return (
            gr.update(choices=choices, value=one.id if one else None, visible=bool(runs)),
            gr.update(choices=choices, value=other.id if other else None, visible=len(runs) > 1),
            shown,
        )

    def _compare(self, base: str, one: str | None, other: str | None) -> str:
        try:
            runs = {run.id: run for run in self._files.runs(self._token(base))}
        except KnowledgeError as error:
            return note(sentence(error), "note warning")
        first = runs.get(one or "")
        return evaluation.comparison(first, runs.get(other or ""), self._texts) if first else ""

    def _take(self, file: str, base: str) -> tuple[Any, ...]:
        path = Path(file)
        try:
            rows = rows_of(path.read_bytes(), path.name)
            added = self._files.add(self._token(base), rows)
            told = self._added(added, len(rows)) + self._unknown(base, rows)
        except (KnowledgeError, BadQuestion) as error:
            return (note(f"{path.name}: {error}", "note warning"), *self._questions(base))
        finally:
            path.unlink(missing_ok=True)
        return (told, *self._questions(base))

    def _added(self, added: int, count: int) -> str:
        known = self._texts.questions_known if added < count else ""
        return note(self._texts.questions_added.format(f"{added:,}", f"{count:,}") + known, "quiet")

    def _unknown(self, base: str, rows: Sequence[Row]) -> str:
        """Return which documents should be found that nothing can find, as they are not there."""
        known = {document.name for document in self._library.documents(base)}
        missing = dict.fromkeys(name for row in rows for name in sorted(question_of(row).files) if name not in known)
        names = ", ".join([*list(missing)[:SHOWN], *(["…"] if len(missing) > SHOWN else [])])
        return note(self._texts.files_unknown.format(names), "note warning") if missing else ""

    async def _run(self, base: str, modes: Sequence[Mode]) -> AsyncGenerator[tuple[Any, ...], None]:
        """Ask all questions and tell how far it is; what it gave is kept even when nobody looks any more."""
        keep = (gr.skip(), gr.skip(), gr.skip())
        done = [0]
        try:
            questions = self._files.questions(self._token(base))
            work = asyncio.create_task(asyncio.to_thread(self._evaluate, base, questions, list(modes) or ["hybrid"], done))
            while not work.done():
                yield (
                    self._texts.evaluating.format(done[0], len(questions) * max(1, len(modes))),
                    gr.update(interactive=False),
                    *keep,
                )
                await asyncio.wait({work}, timeout=TICK_SECONDS)
            await work
        except KnowledgeError as error:
            yield (note(sentence(error), "note warning"), gr.update(interactive=True), *keep)
            return
        yield ("", gr.update(interactive=True), *self._runs(base))

    def _evaluate(self, base: str, questions: Sequence[Question], modes: Sequence[Mode], done: list[int]) -> list[RunOf]:
        def ask(question: Question, mode: Mode) -> list[Passage]:
            done[0] += 1
            return self._library.search(base, question.text, DEEPEST, history=question.earlier, mode=mode)

        found = evaluate(questions, ask, modes)
        info = next(info for info in self._library.bases() if info.name == base)
        return self._files.keep(self._token(base), found, info, self._library.embedder_name)

    def _act(self, act: str, base: str) -> tuple[Any, Any]:
        """Remove a question: `forget/NUMBER/nonce`; show one that another tab has kept."""
        verb, number = parsed(act)
        if verb == "forget" and number is not None:
            try:
                self._files.remove(self._token(base), number)
            except KnowledgeError as error:
                gr.Warning(sentence(error))
            return self._questions(base)
        return gr.skip(), gr.skip()

    def _token(self, base: str) -> str:
        return self._library.card(base).id
