"""The button with which an administrator copies all that is kept into the data folder, and where the copy is then."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import gradio as gr

from api.errors import sentence
from knowledge.base import KnowledgeError
from knowledge.library import Library
from webui.admission import Admission
from webui.markup import note
from webui.texts.base import Texts

MIB = 2**20


class BackupPanel:
    """The components of the panel and what they do."""

    def __init__(self, library: Library, admission: Admission, texts: Texts) -> None:
        self._library, self._admission, self._texts = library, admission, texts

    def place(self) -> None:
        """Place the panel; it is not seen before the page knows who looks."""
        with gr.Row(visible=False, elem_id="backup") as self.panel:
            self.button = gr.Button(self._texts.backup, size="md", scale=0, min_width=260, elem_id="backup-make")
            self.report = gr.Markdown("", elem_id="backup-report", latex_delimiters=[])

    def wire(self, page: gr.Blocks) -> None:
        """Connect the panel."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        page.load(self._show, None, self.panel, concurrency_limit=None, **quiet)
        self.button.click(self._make, None, [self.button, self.report], concurrency_limit=1, **quiet)

    def _show(self, request: gr.Request) -> Any:
        return gr.update(visible=self._admission.admits(request))

    async def _make(self, request: gr.Request) -> AsyncGenerator[tuple[Any, str], None]:
        self._admission.check(request)
        yield gr.update(interactive=False), note(self._texts.backing_up, "quiet")
        try:
            made = await asyncio.to_thread(self._library.backup)
        except KnowledgeError as error:
            said = note(sentence(error), "bad")
        else:
            size = f"{made.size / MIB:,.1f} MiB"
            said = note(self._texts.backed_up.format(made.path, f"{made.documents:,}", size), "quiet")
        yield gr.update(interactive=True), said
