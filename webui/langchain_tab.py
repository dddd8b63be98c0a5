"""The tab LangChain: a knowledge base, what is in it and how it is searched, and the conversation with it beside them.

The table follows the library's own job table, so it is true after a reload and in a second browser.
"""

import asyncio
from pathlib import Path
from typing import Any

import gradio as gr

from api.errors import sentence
from api.settings import ServerSettings
from assistant.assistant import Assistant
from knowledge.base import BaseInfo, KnowledgeError
from knowledge.catalog import DEFAULT
from knowledge.loaders import LOADERS, formats
from knowledge.rebuild import Rebuild
from webui import actions, documents, rebuilding
from webui.actions import link, parsed
from webui.admission import Admission
from webui.backup_panel import BackupPanel
from webui.conversation import Conversation
from webui.documents import Refused
from webui.drawer import Drawer
from webui.evaluation_tab import EvaluationTab
from webui.markup import flat, note
from webui.passages_tab import PassagesTab
from webui.retrieval_tab import RetrievalTab
from webui.texts.base import Texts

TICK_SECONDS = 0.7
SEVERAL = 12
"""Documents beyond which one is better looked for by its name."""


class LangChainTab:
    """The components of the tab and what they do."""

    def __init__(
        self, assistant: Assistant, settings: ServerSettings, admission: Admission, texts: Texts, kept: gr.BrowserState
    ) -> None:
        """`kept`: the name of the base that was chosen last."""
        library = assistant.library
        self._kept = kept
        self._library, self._settings, self._texts = library, settings, texts
        self._doors = actions.doors()
        self._passages = PassagesTab(library, texts)
        self._retrieval = RetrievalTab(library, settings, texts)
        self._evaluation = EvaluationTab(assistant, texts)
        self._backup = BackupPanel(library, admission, texts)

    def place(self, conversation: Conversation, drawer: Drawer, bases: list[str]) -> None:
        """Place and connect the tab."""
        texts = self._texts
        with gr.Row(elem_classes="desk"):
            with gr.Column(scale=5, elem_classes="bench"):
                self._place_bases(bases)
                self._place_tabs()
                for door in self._doors.values():
                    door.place()
            with gr.Column(scale=3, min_width=340, elem_classes="side beside"):
                with gr.Row(elem_classes="title"):
                    gr.Markdown(f"## {texts.ask_heading}")
                    new = gr.Button(texts.new_chat, size="sm", scale=0, min_width=110, elem_id="langchain-new")
                conversation.place_talk(note(texts.ask_welcome, "quiet"))
                conversation.place_sources()
                conversation.place_input(bases, False, texts.ask_base)
        conversation.wire(drawer, new)
        self._conversation = conversation

    def _place_bases(self, bases: list[str]) -> None:
        texts = self._texts
        plain: dict[str, Any] = {"show_label": False, "container": False, "scale": 0}
        with gr.Row(elem_classes="bases"):
            self.base = gr.Dropdown(
                bases,
                value=DEFAULT,
                label=texts.knowledge_base,
                min_width=200,
                elem_id="base",
                filterable=False,
                **plain,
            )
            self.new = gr.Button(texts.new_base, size="md", scale=0, min_width=80, elem_id="base-new")
            self.name = gr.Textbox(
                placeholder=texts.new_base_name,
                label=texts.new_base_name,
                visible=False,
                max_length=64,
                min_width=290,
                elem_id="base-name",
                **plain,
            )
            self.create = gr.Button(
                texts.create, variant="primary", size="md", scale=0, min_width=80, visible=False, elem_id="base-create"
            )
            self.leave = gr.Button(
                texts.cancel.capitalize(), size="md", scale=0, min_width=80, visible=False, elem_id="base-leave"
            )
            self.facts = gr.Markdown("", elem_classes="facts-chip", latex_delimiters=[])
        self.rebuild = gr.Markdown("", visible=False, elem_id="rebuild", latex_delimiters=[])

    def _place_tabs(self) -> None:
        texts = self._texts
        with gr.Tabs(elem_classes="within") as self.tabs:
            with gr.Tab(texts.documents, id="documents") as self._documents_tab:
                self._place_drop()
                self.refused = gr.State([])
                self.find = gr.Textbox(
                    "", placeholder=texts.find_document, label=texts.find_document, show_label=False, container=False,
                    max_lines=1, max_length=255, visible=False, elem_id="documents-find",
                )  # fmt: skip
                self.rows = gr.Markdown("", elem_id="documents", latex_delimiters=[])
                self.timer = gr.Timer(TICK_SECONDS, active=True)
                self._backup.place()
            with gr.Tab(texts.passages, id="passages", render_children=True) as self._passages_tab:
                self._passages.place()
            with gr.Tab(texts.try_retrieval, id="try", render_children=True):
                self._retrieval.place()
            with gr.Tab(texts.evaluate, id="evaluate", render_children=True) as self._evaluation_tab:
                self._evaluation.place()

    def _place_drop(self) -> None:
        texts = self._texts
        label = texts.drop.format(", ".join(formats()), self._settings.max_file_size)
        self.files = gr.File(file_count="multiple", file_types=list(LOADERS), label=label, elem_id="drop", height=148)
        self.vectorize = gr.Button(texts.vectorize_none, variant="primary", interactive=False, elem_id="vectorize")

    def wire(self, page: gr.Blocks, shown: gr.Tab, others: list[gr.Dropdown]) -> None:
        """Connect the tab `shown`; `others` are the choices of a knowledge base elsewhere on the page."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
        table = [self.rows, self.facts, self.rebuild, self.timer, self.find]
        scope = [self.base, self.refused, self.find]
        naming = [self.name, self.create, self.leave]
        choices = [self.base, self._conversation.base, *others]
        self._elsewhere = len(others)
        self.files.change(self._count, self.files, self.vectorize, **quiet)
        self.vectorize.click(self._add, [self.files, self.base, self.find], [self.files, self.refused, *table], **quiet)
        self.timer.tick(self._table, scope, table, **quiet)
        self.find.change(self._table, scope, table, trigger_mode="always_last", **quiet)
        self.base.change(self._choose, self.base, [self._conversation.base, self.refused, self._kept, *table], **quiet)
        self.base.focus(self._bases, choices, choices, **quiet)
        self.new.click(lambda: [gr.update(visible=True)] * 3, None, naming, **quiet)
        self.leave.click(lambda: [gr.update(value="", visible=False), *[gr.update(visible=False)] * 2], None, naming, **quiet)
        gr.on([self.create.click, self.name.submit], self._create, self.name, [*naming, *choices], **quiet)
        door = self._doors[actions.DOCUMENTS]
        door.go.click(self._act, [door.act, self.refused, self.find, *choices], [self.refused, *table, *choices], **quiet)
        self._backup.wire(page)
        self._passages.wire(self.base, self._doors["passages"], self._passages_tab, self.tabs)
        self._retrieval.wire(self.base, self._doors["try"])
        self._evaluation.wire(self.base, self._doors["evaluate"], self._evaluation_tab)
        page.load(self._open, [self._kept, *choices], choices, **quiet).then(self._table, scope, table, **quiet)
        # Documents may have come by another way since (the sample document from the chat, files over the API), and passages
        # may have been switched off in the tab beside.
        gr.on([shown.select, self._documents_tab.select], self._table, scope, table, **quiet)

    # -- what they do ---------------------------------------------------------------------------------------------

    def _count(self, files: list[str] | None) -> Any:
        count = len(files or [])
        words = {0: self._texts.vectorize_none, 1: self._texts.vectorize_one}
        return gr.update(value=words.get(count, self._texts.vectorize.format(count)), interactive=count > 0)

    async def _add(self, files: list[str] | None, base: str, find: str) -> tuple[Any, ...]:
        self._check(base)
        refused = []
        for file in files or []:
            path = Path(file)
            try:
                await asyncio.to_thread(self._take, base, path)
            except KnowledgeError as error:
                refused.append(Refused(path.name, error.code, sentence(error)))
        return (None, refused, *self._table(base, refused, find))

    def _take(self, base: str, path: Path) -> None:
        # Gradio has put the upload into its own folder; once the library has it, that copy is waste.
        try:
            self._library.add(base, path.name, path.read_bytes())
        finally:
            path.unlink(missing_ok=True)

    def _table(self, base: str, refused: list[Refused], find: str) -> tuple[Any, ...]:
        try:
            jobs, stored = self._library.jobs(base), self._library.documents(base)
            info = next(info for info in self._library.bases() if info.name == base)
        except (KnowledgeError, StopIteration):
            told = gr.update(value=note(self._texts.base_gone.format(base)), visible=True)
            return "", "", told, gr.update(active=False), gr.update(visible=False)
        again = self._rebuild_of(base)
        going = any(not job.done for job in jobs) or not self._library.ready or (again is not None and again.running)
        said = gr.update(visible=False) if again is None else gr.update(value=rebuilding.line(again, self._texts), visible=True)
        rows = documents.table(stored, jobs, refused, self._texts, find)
        many = bool(find) or len(stored) + len(jobs) > SEVERAL
        return rows, self._facts(info), said, gr.update(active=going), gr.update(visible=many)

    def _rebuild_of(self, base: str) -> Rebuild | None:
        """Return how far the vectors of a base are being made again, None where they need not be or nobody can say yet."""
        try:
            return next((one for one in self._library.rebuilds() if one.base == base), None)
        except KnowledgeError:
            return None

    def _facts(self, info: BaseInfo) -> str:
        facts = [self._texts.base_facts.format(f"{info.documents:,}", f"{info.chunks:,}")]
        facts += [f'<span class="model" title="{flat(info.embedder)}">{flat(info.embedder)}</span>'] if info.embedder else []
        return " · ".join([*facts, link("drop", 0, self._texts.delete_base)])

    def _choose(self, base: str) -> tuple[Any, ...]:
        *table, find = self._table(base, [], "")
        return (base, [], base, *table, {**find, "value": ""})

    def _create(self, name: str) -> tuple[Any, ...]:
        try:
            made = self._library.create(name)
        except KnowledgeError as error:
            raise gr.Error(sentence(error), title=self._texts.new_base, print_exception=False) from error
        names = self._names()
        chosen = gr.update(choices=names, value=made.name)
        rest = (gr.update(choices=names) for _ in range(self._elsewhere))
        closed = (gr.update(value="", visible=False), gr.update(visible=False), gr.update(visible=False))
        return (*closed, chosen, chosen, *rest)

    def _names(self) -> list[str]:
        return [info.name for info in self._library.bases()]

    def _check(self, base: str) -> None:
        """Refuse what is meant for a base that another page has deleted."""
        if base not in self._names():
            raise gr.Error(self._texts.base_gone.format(base), print_exception=False)

    def _open(self, kept: str, base: str, *others: str) -> tuple[Any, ...]:
        """Return the choices with the base that was chosen last in this browser, if it is still there."""
        return self._bases(kept if kept in self._names() else base, *others)

    def _bases(self, *chosen: str) -> tuple[Any, ...]:
        """Return the choices of a base; says so where another page has deleted the one of this tab, the first of `chosen`."""
        choices = self._choices(*chosen)
        if choices[0]["value"] != chosen[0]:
            gr.Warning(self._texts.base_gone.format(chosen[0]), title=self._texts.knowledge_base)
        return choices

    def _choices(self, *chosen: str) -> tuple[dict[str, Any], ...]:
        """Return all bases for each choice of one; what was `chosen` stays as long as it is there."""
        names = self._names()
        return tuple(gr.update(choices=names, value=one if one in names else DEFAULT) for one in chosen)

    def _act(self, act: str, refused: list[Refused], find: str, base: str, *others: str) -> tuple[Any, ...]:
        """Do what a link of the tab says: `VERB/ID/nonce`; what is already gone needs no word. `look`: only show what is."""
        verb, identity = parsed(act)
        if verb == "drop":
            return self._drop(base, *others)
        if verb == "dismiss":
            refused = []
        if identity is not None:
            try:
                self._do(verb, identity, base)
            except KnowledgeError as error:
                gr.Warning(sentence(error))
        choices = self._bases(base, *others)
        return (refused, *self._table(choices[0]["value"], refused, find), *choices)

    def _drop(self, base: str, *others: str) -> tuple[Any, ...]:
        try:
            self._library.delete(base)
        except KnowledgeError as error:
            gr.Warning(sentence(error))
        choices = self._choices(base, *others)
        return ([], *self._table(choices[0]["value"], [], ""), *choices)

    def _do(self, verb: str, identity: int, base: str) -> None:
        if verb == "delete":
            for document in self._library.documents(base):
                if document.id == identity:
                    self._library.remove(base, document.name)
        elif verb == "cancel":
            self._library.cancel(identity)
        elif verb == "retry":
            self._library.retry(identity)
        elif verb == "retryall":
            for job in self._library.jobs(base):
                if job.stage == "failed":
                    self._library.retry(job.id)
        elif verb == "dismiss":
            self._library.dismiss(base)
        elif verb == "rebuild":
            self._library.rebuild(base)
        elif verb == "keep-old":
            self._library.cancel_rebuild(base)
