"""The drawer of parameters: how the next answer is generated and how many passages it gets. Kept in the browser."""

from typing import Any

import gradio as gr

from assistant.settings import AssistantSettings
from webui.model_panel import ModelPanel
from webui.texts.base import Texts


class Drawer:
    """The parameters, in the order that `Conversation` reads them."""

    def __init__(self, texts: Texts, settings: AssistantSettings, secret: str) -> None:
        self._texts = texts
        self._defaults: list[Any] = [0.7, 30, 0.8, settings.max_new_tokens, 1.0, "", settings.top_k, True, True]
        self._kept = gr.BrowserState(self._defaults, storage_key="chat-llm-webui-parameters", secret=secret)

    def place(self, panel: ModelPanel) -> None:
        """Place the drawer at the right edge of the page, with `panel` at its end."""
        texts, (temperature, top_k, top_p, longest, penalty, system, depth, strict, follow) = self._texts, self._defaults
        with gr.Sidebar(label=texts.settings, position="right", open=False, width=340, elem_id="drawer"):
            gr.Markdown(f"## {texts.settings}")
            self.parameters: list[Any] = [
                gr.Slider(0, 2, temperature, step=0.05, label=texts.temperature),
                gr.Slider(0, 200, top_k, step=1, label=texts.top_k),
                gr.Slider(0.05, 1, top_p, step=0.05, label=texts.top_p),
                gr.Slider(16, max(4096, longest), longest, step=16, label=texts.max_new_tokens),
                gr.Slider(0.5, 2, penalty, step=0.05, label=texts.repetition_penalty),
                gr.Textbox(
                    system,
                    lines=3,
                    max_lines=8,
                    label=texts.system_prompt,
                    info=texts.system_prompt_hint,
                    max_length=8000,
                ),
                gr.Slider(1, 20, depth, step=1, label=texts.retrieval_depth, info=texts.retrieval_depth_hint),
                gr.Checkbox(strict, label=texts.strict, info=texts.strict_hint),
                gr.Checkbox(follow, label=texts.follow, info=texts.follow_hint),
            ]
            gr.Markdown(texts.settings_note, elem_classes="quiet")
            panel.place()

    def wire(self, page: gr.Blocks) -> None:
        """Keep what is changed, and show what was kept when the page opens."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
        for parameter in self.parameters:
            self._changed(parameter)(lambda *values: list(values), self.parameters, self._kept, **quiet)
        page.load(self._restore, self._kept, self.parameters, **quiet)

    @staticmethod
    def _changed(parameter: Any) -> Any:
        """Return the event that comes once a value has been chosen, and not at each step to it."""
        if isinstance(parameter, gr.Checkbox):
            return parameter.input
        return parameter.release if isinstance(parameter, gr.Slider) else parameter.blur

    def _restore(self, kept: list[Any]) -> list[Any]:
        return kept if isinstance(kept, list) and len(kept) == len(self._defaults) else self._defaults
