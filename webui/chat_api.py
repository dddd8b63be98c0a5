"""The chat as an endpoint of the page, `/chat`, for programs that speak to Gradio pages (`gradio_client`). No component.

Everything else on the page is its own event, which nobody else is to call (threats S-55).
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import gradio as gr
from gradio.events import api

from api.answering import deltas
from api.errors import sentence
from api.json_body import LONGEST_TEXT
from assistant.assistant import Assistant, Mode, Question
from generation.base import Message, Sampling


def place(assistant: Assistant) -> None:
    """Add the endpoint to the page that is being made."""

    async def chat(request: gr.Request, message: str, knowledge_base: str = "") -> AsyncGenerator[str, None]:
        """Answer a message, from the documents of a knowledge base if one is named; the answer so far, again and again."""
        if not isinstance(message, str) or not message.strip() or len(message) > LONGEST_TEXT:
            raise _told(f"message: a text of 1 to {LONGEST_TEXT:,} characters.")
        if not isinstance(knowledge_base, str):
            raise _told("knowledge_base: its name, or nothing.")
        sampling = Sampling(max_tokens=assistant.settings.max_new_tokens)
        who = f"session:{request.session_hash}"
        mode: Mode = "knowledge" if knowledge_base else "chat"
        turns = (Message("user", message),)
        question = Question(turns, mode, knowledge_base or "default", sampling=sampling, principal=who)
        try:
            run = await assistant.ask(question)
        except Exception as error:
            raise _told(sentence(error)) from error
        text = ""
        try:
            async with aclosing(deltas(run)) as pieces:
                async for piece in pieces:
                    text += piece
                    yield text
        except Exception as error:
            raise _told(sentence(error)) from error
        finally:
            run.cancel()  # Gradio closes this when its client has gone

    api(chat, api_name="chat", concurrency_limit=None)


def _told(message: str) -> gr.Error:
    return gr.Error(message, print_exception=False)
