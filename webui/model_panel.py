"""The panel with which an administrator changes the model: its folder, what it takes of the memory, and the change.

Shown to administrators only, and every handler asks again who it is: whoever finds a handler can call it.
"""

from collections.abc import AsyncGenerator
from typing import Any

import gradio as gr

from api.errors import sentence
from assistant.switch import ModelSwitch
from generation.base import GenerationError
from generation.memory_estimate import Estimate
from webui.admission import Admission
from webui.markup import flat
from webui.texts.base import Texts

GIB, MIB = 2**30, 2**20
TICK_SECONDS = 0.7


class ModelPanel:
    """The components of the panel and what they do."""

    def __init__(self, switch: ModelSwitch, admission: Admission, texts: Texts) -> None:
        self._switch, self._admission, self._texts = switch, admission, texts

    def place(self) -> None:
        """Place the panel; it is not seen before the page knows who looks."""
        texts = self._texts
        with gr.Column(visible=False, elem_id="model") as self.panel:
            gr.Markdown(f"## {texts.model}")
            self.path = gr.Textbox(
                label=texts.model_path, info=texts.model_path_hint, max_lines=1, max_length=4096, elem_id="model-path"
            )
            self.look = gr.Button(texts.model_look, size="md", elem_id="model-look")
            self.report = gr.Markdown("", elem_id="model-report", latex_delimiters=[])
            self.change = gr.Button(texts.model_change, variant="primary", size="md", visible=False, elem_id="model-change")
        self.timer = gr.Timer(TICK_SECONDS, active=False)

    def wire(self, page: gr.Blocks, clock: gr.Timer) -> None:
        """Connect the panel; `clock` is what keeps the page's status true while a model is loaded."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
        page.load(self._show, None, [self.panel, self.timer], **quiet)
        self.path.change(lambda: ("", gr.update(visible=False)), None, [self.report, self.change], **quiet)
        gr.on([self.look.click, self.path.submit], self._look, self.path, [self.report, self.change], **quiet)
        outputs = [self.report, self.change, self.timer, clock]
        self.change.click(self._change, self.path, outputs, **quiet)
        self.timer.tick(self._tick, None, [self.report, self.timer], **quiet)

    # -- what they do ---------------------------------------------------------------------------------------------

    def _show(self, request: gr.Request) -> tuple[Any, ...]:
        return gr.update(visible=self._admission.admits(request)), gr.update(active=self._switch.state is not None)

    async def _look(self, request: gr.Request, path: str) -> AsyncGenerator[tuple[Any, ...], None]:
        self._admission.check(request)
        hidden = gr.update(visible=False)
        yield _line(self._texts.model_looking if path.strip() else ""), hidden
        if path.strip():
            try:
                found = await self._switch.estimate(path.strip())
            except GenerationError as error:
                yield _line(sentence(error), "bad"), hidden
            else:
                yield self._said(found), gr.update(visible=found.instead)

    async def _change(self, request: gr.Request, path: str) -> AsyncGenerator[tuple[Any, ...], None]:
        self._admission.check(request)
        hidden = gr.update(visible=False)
        yield _line(self._texts.model_looking), hidden, gr.skip(), gr.skip()
        try:
            await self._switch.start(path.strip())
        except GenerationError as error:
            yield _line(sentence(error), "bad"), hidden, gr.skip(), gr.skip()
        else:
            yield self._progress(), hidden, gr.update(active=True), gr.update(active=True)

    def _tick(self, request: gr.Request) -> tuple[Any, ...]:
        self._admission.check(request)
        return self._progress(), gr.update(active=self._switch.state is not None)

    def _progress(self) -> str:
        state = self._switch.state
        if state is not None:
            part = "" if state.part is None else f" {100 * state.part:.0f} %"
            return _line(self._texts.model_loading.format(state.name, state.detail) + part)
        if self._switch.failure:
            return _line(self._texts.model_kept.format(self._switch.failure), "bad")
        return _line(self._texts.model_changed)

    def _said(self, found: Estimate) -> str:
        texts = self._texts
        if found.free is None:
            return _line(texts.model_unknown)
        if not found.needed:
            return _line(texts.model_light)
        said = texts.model_beside if found.beside else texts.model_instead if found.instead else texts.model_no_room
        return _line(said.format(_size(found.needed), _size(found.free)), "quiet" if found.instead else "bad")


def _size(size: int) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB / 2 else f"{size / MIB:.0f} MiB"


def _line(text: str, kind: str = "quiet") -> str:
    return f'<div class="{kind}">{flat(text)}</div>'
