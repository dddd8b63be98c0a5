"""A conversation on the page: the talk, its input, its sources. Both tabs have one; where the parts stand is the tab's.

Generation never lives in a handler: a handler only follows a run of the server, so an answer goes on when the page is
reloaded, and Stop cancels the run, which stops the engine.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from api.errors import sentence
from api.json_body import LONGEST_TEXT
from assistant.assistant import Assistant, Mode, Question
from assistant.errors import UnknownRun
from assistant.run import Run
from generation.base import Message, ModelNotReady, Sampling
from knowledge.base import EmptyBase, KnowledgeError
from webui import refusals, sources, talk
from webui.drawer import Drawer
from webui.followers import Followers
from webui.talk import Turn
from webui.texts.base import Texts

SAMPLE = Path(__file__).parent / "samples" / "about-chat-llm-webui.md"
SAMPLE_BASE = "default"
UPDATE_SECONDS = 0.05
"""At most 20 updates a second: each costs about 0.6 ms of CPU in Gradio, whatever the model's speed."""
MATH: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "\\[", "right": "\\]", "display": True},
    {"left": "\\(", "right": "\\)", "display": False},
    {"left": "$", "right": "$", "display": False},
]
View = tuple[Any, ...]
"""Values for `Conversation._outputs`, in its order."""


class Conversation:
    """The components of one conversation and what they do; `key` tells the two of a page apart."""

    def __init__(self, assistant: Assistant, texts: Texts, key: str, secret: str) -> None:
        self._assistant, self._texts, self._key = assistant, texts, key
        self._followers = Followers()
        self.kept = gr.BrowserState([], storage_key=f"chat-llm-webui-{key}", secret=secret)

    # -- parts, placed by the tab ---------------------------------------------------------------------------------

    def place_talk(self, placeholder: str) -> None:
        """Place the talk."""
        self.chatbot = gr.Chatbot(
            elem_id=f"{self._key}-talk",
            elem_classes="talk",
            show_label=False,
            container=False,
            height=None,
            layout="bubble",
            buttons=["copy"],
            placeholder=placeholder,
            latex_delimiters=MATH,
            allow_tags=False,
            sanitize_html=True,
            feedback_options=None,
            autoscroll=True,
        )

    def place_input(self, bases: list[str], choose_base: bool, hint: str) -> None:
        """Place the input with its scope in it."""
        # Without a model, passages are what there is to have.
        mode: Mode = "retrieval" if self._assistant.engine.state.phase == "none" else "knowledge"
        modes = [(label.split("：")[0].split(":")[0], value) for value, label in self._texts.modes.items()]
        with gr.Group(elem_classes="ask"):
            self.text = gr.Textbox(
                elem_id=f"{self._key}-input", show_label=False, label=hint, container=False, lines=1, max_lines=8,
                placeholder=hint, max_length=LONGEST_TEXT,
            )  # fmt: skip
            with gr.Row(elem_classes="scope"):
                self.mode = gr.Dropdown(
                    modes, value=mode, label=self._texts.mode, show_label=False, container=False, min_width=150,
                    elem_id=f"{self._key}-mode", elem_classes="chip", filterable=False, scale=0,
                )  # fmt: skip
                self.base = gr.Dropdown(
                    bases, value="default", label=self._texts.knowledge_base, show_label=False, container=False,
                    min_width=150, elem_id=f"{self._key}-base", elem_classes="chip", visible=choose_base, scale=0,
                    filterable=False,
                )  # fmt: skip
                gr.Markdown("", elem_classes="space")
                self.send = gr.Button(self._texts.send, variant="primary", elem_id=f"{self._key}-send", scale=0, min_width=88)
                # Which of the two is seen follows from the talk itself, by page.css: an update of its own could be lost.
                self.stop = gr.Button(self._texts.stop, variant="stop", elem_id=f"{self._key}-stop", scale=0, min_width=88)
        self.meter = gr.Markdown("", elem_classes="under", latex_delimiters=[])

    def place_sources(self) -> None:
        """Place the sources of an answer and what the model saw."""
        self.cards = gr.Markdown(sources.cards(None, self._key, self._texts), elem_classes="cards", latex_delimiters=[])
        with gr.Accordion(self._texts.saw, open=False, elem_classes="saw", elem_id=f"{self._key}-saw"):
            self.prompt = gr.Markdown(sources.saw(None, None, self._texts), latex_delimiters=[])

    # -- what they do ---------------------------------------------------------------------------------------------

    def wire(self, drawer: Drawer, new: gr.Button) -> None:
        """Connect the parts; `drawer` holds the parameters, `new` begins a new talk."""
        asking: dict[str, Any] = {
            "fn": self._send,
            "inputs": [self.text, self.kept, self.mode, self.base, *drawer.parameters],
            "outputs": self._outputs,
            "concurrency_limit": None,
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        asked = gr.on([self.send.click, self.text.submit], **asking)
        again = self.chatbot.retry(self._retry, [self.kept, self.mode, self.base, *drawer.parameters], self._outputs,
                           concurrency_limit=None, show_progress="hidden", api_visibility="private")  # fmt: skip
        self.stop.click(self._stop, self.kept, None, concurrency_limit=None, show_progress="hidden", api_visibility="private")
        self._new, self._following = new, [asked, again]
        self.chatbot.select(
            self._select,
            self.kept,
            [self.cards, self.prompt, self.meter],
            show_progress="hidden",
            api_visibility="private",
        )

    @property
    def _outputs(self) -> list[Any]:
        return [self.text, self.kept, self.chatbot, self.cards, self.prompt, self.meter]

    def wire_load(self, page: gr.Blocks) -> None:
        """Show the kept talk when the page opens, and go on following an answer that is still growing."""
        resumed = page.load(
            self._resume,
            self.kept,
            self._outputs,
            concurrency_limit=None,
            show_progress="hidden",
            api_visibility="private",
        )
        # `_clear` waits for those who follow an answer; who still waits for one to begin (a sample being read) is ended here.
        self._new.click(self._clear, self.kept, self._outputs, show_progress="hidden", api_visibility="private",
                        cancels=[*self._following, resumed])  # fmt: skip

    def wire_samples(self, page: gr.Blocks, drawer: Drawer) -> None:
        """Offer questions on the bundled document to whoever has none yet; a click adds it and asks."""
        page.load(self._samples, None, self.chatbot, show_progress="hidden", api_visibility="private")
        asked = self.chatbot.example_select(
            self._ask_sample, [self.kept, *drawer.parameters], self._outputs,
            concurrency_limit=None, show_progress="hidden", api_visibility="private",
        )  # fmt: skip
        self._following.append(asked)

    def _samples(self) -> Any:
        own = [document for document in self._assistant.library.documents(SAMPLE_BASE) if document.name != SAMPLE.name]
        answers = self._assistant.engine.state.phase != "none"
        return gr.update(examples=[{"text": text} for text in self._texts.samples] if answers and not own else [])

    async def _ask_sample(
        self, request: gr.Request, event: gr.SelectData, kept: list[Turn], *parameters: Any
    ) -> AsyncGenerator[View, None]:
        text = str(event.value["text"])
        yield self._view([*kept, talk.refused(text, "knowledge", self._texts.reading_sample)], None)
        try:
            await self._add_sample()
        except KnowledgeError as error:
            yield self._view([*kept, talk.refused(text, "knowledge", sentence(error))], None)
            return
        async for view in self._ask(_who(request), text, kept, "knowledge", SAMPLE_BASE, parameters):
            yield view

    async def _add_sample(self) -> None:
        """Return when the bundled document is in its base and the engine is no longer loading."""
        library = self._assistant.library
        job = await asyncio.to_thread(library.add, SAMPLE_BASE, SAMPLE.name, SAMPLE.read_bytes())
        while not library.job(job.id).done or self._assistant.engine.state.phase == "loading":  # noqa: ASYNC110
            await asyncio.sleep(UPDATE_SECONDS)

    async def _send(
        self, request: gr.Request, text: str, kept: list[Turn], mode: Mode, base: str, *parameters: Any
    ) -> AsyncGenerator[View, None]:
        if not text.strip() or talk.going(kept):
            yield tuple(gr.skip() for _ in self._outputs)
            return
        async for view in self._ask(_who(request), text.strip(), kept, mode, base, parameters):
            yield view

    async def _retry(
        self, request: gr.Request, kept: list[Turn], mode: Mode, base: str, *parameters: Any
    ) -> AsyncGenerator[View, None]:
        if not kept or talk.going(kept):
            yield tuple(gr.skip() for _ in self._outputs)
            return
        async for view in self._ask(_who(request), kept[-1]["question"], kept[:-1], mode, base, parameters):
            yield view

    async def _ask(
        self, who: str, text: str, kept: list[Turn], mode: Mode, base: str, parameters: tuple[Any, ...]
    ) -> AsyncGenerator[View, None]:
        kept = kept[-talk.LONGEST_TALK + 1 :]
        question = replace(_question(text, kept, mode, base, parameters), principal=who)
        try:
            run = await self._assistant.ask(question)
        except Exception as error:
            turn = talk.refused(text, mode, self._refusal(error, base))
            yield self._view([*kept, turn], None)
            return
        async for view in self._follow([*kept, talk.asked(text, run)], run):
            yield view

    async def _follow(self, kept: list[Turn], run: Run) -> AsyncGenerator[View, None]:
        """Yield the whole view, then the talk as it waits and grows, then the whole view again at the end.

        Yields nothing more once the talk is given up, which would bring it back.
        """
        with self._followers.follow(run.id):
            yield self._view(kept, run)
            shown = (kept[-1]["answer"], kept[-1]["facts"])
            while not run.done:
                await asyncio.sleep(UPDATE_SECONDS)
                turn = talk.updated(kept[-1], run, "", self._texts, self._assistant.runs.place(run))
                if (turn["answer"], turn["facts"]) != shown and not self._followers.let_go(run.id):
                    shown = (turn["answer"], turn["facts"])
                    kept = [*kept[:-1], turn]
                    yield (gr.skip(), gr.skip(), self._messages(kept), *(gr.skip() for _ in range(3)))
            if not self._followers.let_go(run.id):
                error = refusals.said(run.error, self._texts) if run.error is not None else ""
                yield self._view([*kept[:-1], talk.updated(kept[-1], run, error, self._texts)], run, keep_text=True)

    async def _resume(self, kept: list[Turn]) -> AsyncGenerator[View, None]:
        kept = kept or []
        if not talk.going(kept):
            yield self._view(kept, self._run(kept[-1]) if kept else None)
            return
        run = self._run(kept[-1])
        if run is None:
            turn: Turn = {**kept[-1], "state": "interrupted"}
            yield self._view([*kept[:-1], turn], None)
            return
        async for view in self._follow(kept, run):
            yield view

    def _stop(self, kept: list[Turn]) -> None:
        run = self._run(kept[-1]) if kept else None
        if run is not None:
            run.cancel()

    async def _clear(self, kept: list[Turn]) -> View:
        self._stop(kept)
        if kept:
            await self._followers.end(kept[-1]["run"])
        return self._view([], None)

    def _select(self, kept: list[Turn], event: gr.SelectData) -> View:
        index = event.index[0] if isinstance(event.index, (list, tuple)) else event.index
        turn = kept[index // 2] if kept and index // 2 < len(kept) else None
        return self._beside(turn, self._run(turn) if turn else None)

    # -- views ----------------------------------------------------------------------------------------------------

    def _view(self, kept: list[Turn], run: Run | None, keep_text: bool = False) -> View:
        return (
            gr.skip() if keep_text else "",
            kept,
            self._messages(kept),
            *self._beside(kept[-1] if kept else None, run),
        )

    def _beside(self, turn: Turn | None, run: Run | None) -> View:
        fitted = run.fitted if run is not None else None
        return (
            sources.cards(turn, self._key, self._texts),
            sources.saw(turn, run, self._texts),
            sources.meter(fitted.counts if fitted else None, self._texts),
        )

    def _messages(self, kept: list[Turn]) -> list[dict[str, Any]]:
        return talk.messages(kept, self._key, self._texts)

    def _run(self, turn: Turn) -> Run | None:
        try:
            return self._assistant.runs.get(turn["run"])
        except UnknownRun:
            return None

    def _refusal(self, error: Exception, base: str) -> str:
        if isinstance(error, EmptyBase):
            return self._texts.empty_base.format(base)
        if isinstance(error, ModelNotReady) and self._assistant.engine.state.phase == "none":
            return self._texts.no_model
        return refusals.said(error, self._texts)


def _who(request: gr.Request) -> str:
    return f"session:{request.session_hash}"


def _question(text: str, kept: list[Turn], mode: Mode, base: str, parameters: tuple[Any, ...]) -> Question:
    temperature, top_k, top_p, max_new_tokens, repetition_penalty, system, depth, strict, follow = parameters
    turns = [Message("system", system)] if system and system.strip() else []
    sampling = Sampling(
        max_tokens=int(max_new_tokens),
        temperature=float(temperature),
        top_p=float(top_p),
        top_k=int(top_k),
        repetition_penalty=float(repetition_penalty),
        seed=secrets.randbelow(2**31),
    )
    messages = (*turns, *talk.history(kept), Message("user", text))
    return Question(messages, mode, base, int(depth), sampling, strict=bool(strict), follow=bool(follow))
