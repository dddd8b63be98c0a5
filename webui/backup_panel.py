"""The button with which an administrator copies all that is kept into the data folder, and where the copy is then."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import gradio as gr

from api.errors import sentence
from knowledge.backups import BackupState
from knowledge.base import KnowledgeError
from knowledge.library import Library
from webui.admission import Admission
from webui.markup import note
from webui.texts.base import Texts

MIB = 2**20
LOOK_SECONDS = 0.5
"""Between two looks at a backup that is being made."""


class BackupPanel:
    """The components of the panel and what they do."""

    def __init__(self, library: Library, admission: Admission, texts: Texts) -> None:
        self._backups, self._admission, self._texts = library.backups, admission, texts

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
            one = await asyncio.to_thread(self._backups.begin)
            while one.status == "in_progress":
                await asyncio.sleep(LOOK_SECONDS)
                one = await asyncio.to_thread(self._backups.get, one.name)
            said = self._ended(one)
        except KnowledgeError as error:
            said = note(sentence(error), "bad")
        yield gr.update(interactive=True), said

    def _ended(self, one: BackupState) -> str:
        if one.error:
            return note(one.error, "bad")
        where, size = self._backups.place(one.name), f"{one.size / MIB:,.1f} MiB"
        return note(self._texts.backed_up.format(where, f"{one.documents or 0:,}", size), "quiet")
