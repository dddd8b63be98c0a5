"""The tab Chat: the talk in the middle, its sources at the right. Layout only."""

import gradio as gr

from webui.conversation import Conversation
from webui.drawer import Drawer
from webui.markup import flat
from webui.texts.base import Texts


def place(conversation: Conversation, drawer: Drawer, bases: list[str], texts: Texts) -> None:
    """Place and connect the tab."""
    with gr.Row(elem_classes="desk"):
        with gr.Column(scale=5, elem_classes="middle"):
            conversation.place_talk(_welcome(texts))
            conversation.place_input(bases, True, texts.ask_base)
        with gr.Column(scale=2, min_width=300, elem_classes="side"):
            with gr.Row(elem_classes="title"):
                gr.Markdown(f"## {texts.sources}")
                new = gr.Button(texts.new_chat, size="sm", scale=0, min_width=110, elem_id="chat-new")
            conversation.place_sources()
    conversation.wire(drawer, new)


def _welcome(texts: Texts) -> str:
    steps = "".join(f"<li>{flat(step)}</li>" for step in texts.welcome_steps)
    return f'<div class="welcome"><h2>{flat(texts.welcome)}</h2><ol>{steps}</ol></div>'
