"""The page: its two tabs, the header, the drawer. Layout only; what a part does stands in the part's file."""

import json
from pathlib import Path
from typing import Any, cast

import gradio as gr

from api.administrators import Administrators
from api.settings import ServerSettings
from assistant.assistant import Assistant
from assistant.switch import ModelSwitch
from knowledge.catalog import DEFAULT
from webui import actions, chat_api, chat_tab
from webui.admission import Admission
from webui.conversation import Conversation
from webui.drawer import Drawer
from webui.langchain_tab import LangChainTab
from webui.markup import flat
from webui.model_panel import ModelPanel
from webui.texts.base import Texts

HERE = Path(__file__).parent
STATUS_SECONDS = 1.5


def build(assistant: Assistant, switch: ModelSwitch, settings: ServerSettings, texts: Texts, secret: str) -> gr.Blocks:
    """Return the page in one language; `secret` seals what the browser keeps, so it must outlive the process."""
    bases = [info.name for info in assistant.library.bases()]
    with gr.Blocks(title="chat-llm-webui", fill_width=True, analytics_enabled=False, delete_cache=(600, 3600)) as page:
        drawer = Drawer(texts, settings, secret)
        admission = Admission(Administrators(settings), texts)
        panel = ModelPanel(switch, admission, texts)
        drawer.place(panel)
        gr.Markdown("# chat-llm-webui", elem_id="brand")
        with gr.Row(elem_id="aside"):
            status = gr.Markdown(_status(assistant, switch, texts), elem_id="status", latex_delimiters=[])
            language = f'<a href="{texts.other_path}" class="pill" lang="{texts.other_code}">{flat(texts.other)}</a>'
            gr.Markdown(language, elem_id="language")
        clock = gr.Timer(STATUS_SECONDS, active=True)
        # What the browser keeps must stand outside the tabs: a part of a tab that is not open is not there yet.
        chat, beside = (Conversation(assistant, texts, key, secret) for key in ("chat", "langchain"))
        kept = gr.BrowserState(DEFAULT, storage_key="chat-llm-webui-base", secret=secret)
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab(texts.chat, id="chat", render_children=True):
                chat_tab.place(chat, drawer, bases, texts)
            with gr.Tab("LangChain", id="langchain", render_children=True) as shown:
                tab = LangChainTab(assistant, settings, admission, texts, kept)
                tab.place(beside, drawer, bases)
        tab.wire(page, shown, [chat.base])
        drawer.wire(page)
        chat.wire_samples(page, drawer)
        for conversation in (chat, beside):
            conversation.wire_load(page)

        def tick() -> tuple[Any, ...]:
            state = assistant.engine.state.phase
            going = state == "loading" or switch.state is not None or not assistant.library.ready
            return _status(assistant, switch, texts), gr.update(active=going)

        chat_api.place(assistant)
        panel.wire(page, clock)
        clock.tick(tick, None, [status, clock], show_progress="hidden", api_visibility="private", concurrency_limit=None)
    return cast(gr.Blocks, page)  # entering Blocks returns what a decorator hides the type of


def head(texts: Texts, root_path: str) -> str:
    """Return what goes into the page's head: the scripts, with their words; `root_path`: what our own routes begin with."""
    words = {
        "root": root_path,
        "source": {
            "opening": texts.source_opening,
            "page": texts.source_page,
            "previous": texts.source_previous,
            "next": texts.source_next,
            "earlier": texts.source_earlier,
            "later": texts.source_later,
            "lost": texts.source_lost,
            "lostPage": texts.source_lost_page,
            "gone": texts.source_gone,
            "failed": texts.source_failed,
            "original": texts.source_original,
            "line": texts.line,
            "close": texts.close,
        },
        "doors": dict(actions.TABS),
        "confirm": {"delete": texts.confirm_delete, "drop": texts.confirm_delete_base},
        "ask": texts.ask_heading,
        "keys": texts.keys,
        "shortcuts": texts.shortcuts,
        "lang": texts.code,
    }
    script = "\n".join((HERE / name).read_text(encoding="utf-8") for name in ("stream.js", "source.js", "page.js"))
    data = json.dumps(words).replace("<", "\\u003c")
    drawn = {
        "settings": texts.settings,
        "close": texts.close,
        "all-documents": texts.draft_all,
        "passages": texts.passages,
    }  # by page.css
    lines = "; ".join(f"--{name}: {json.dumps(text, ensure_ascii=False)}" for name, text in drawn.items())
    style = f"<style>:root {{ {lines} }}</style>"
    return f'<meta name="color-scheme" content="light dark">{style}<script>const WORDS = {data};\n{script}</script>'


def _status(assistant: Assistant, switch: ModelSwitch, texts: Texts) -> str:
    state, library = switch.state or assistant.engine.state, assistant.library
    part = "" if state.part is None else f" {100 * state.part:.0f} %"
    if state.phase == "loading":
        return _pill("busy", texts.model_loading.format(state.name, state.detail) + part)
    if state.phase == "failed":
        return _pill("bad", texts.model_failed.format(state.detail))
    if not library.ready:
        return _pill("busy", texts.embedder_loading.format(library.state))
    if state.phase == "none":
        return _pill("none", texts.no_model)
    return _pill("good", f"{state.name} · {assistant.engine.backend_name}")


def _pill(kind: str, text: str) -> str:
    return f'<span class="pill {kind}" title="{flat(text)}"><i></i><span>{flat(text)}</span></span>'
