"""Messages to a prompt by the model's own chat template, or by a family's where it has none.

The text of a message never becomes a control token and never imitates the template's structure: registered tokens in
it are read as plain letters, markers that are mere text (`[INST]`) get a space inside. Templates are rendered by the
library's immutable Jinja sandbox. Knows no model and no engine; source of the danger: transformers issues 29279, 47386.
"""

import re
import secrets
from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError

from generation.base import EngineFailed, Message, ModelUnusable, Prompt
from generation.families import FAMILIES, Family
from generation.tokens import Tokens

_MARKER = re.compile(
    r"<\|[^|<>\s'\"]{1,40}\|>|<｜[^｜<>\s'\"]{1,40}｜>|\[/?[A-Za-z_]{2,40}\](?!\s*[=%}])|<</?[A-Z]{1,20}>>|</?[a-z][a-z_]{1,40}>"
)
_INDEX_BEFORE = re.compile(r"[\w\])]$")
END_OF_TURN = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>")
LLAMA3_VOCABULARY, YI_VOCABULARY, BAICHUAN2_VOCABULARY = 100_000, 64_000, 100_000
_BY_MODEL_TYPE = {
    "qwen3": "chatml",  # the first without a system turn of its own
    "qwen": "qwen",
    "mistral": "mistral",
    "mixtral": "mistral",
    "baichuan": "baichuan",
    "chatglm": "chatglm",
    "glm": "glm4",
    "falcon": "falcon",
}


def family_of(config: Any) -> str:
    """Return the name of the family that `config` (a model's config.json) shows; "plain" where it shows none."""
    kind = str(getattr(config, "model_type", ""))
    words = int(getattr(config, "vocab_size", 0) or 0)
    if kind == "llama":
        return "llama3" if words >= LLAMA3_VOCABULARY else "yi" if words >= YI_VOCABULARY else "llama2"
    if kind == "baichuan" and words < BAICHUAN2_VOCABULARY:
        return "baichuan1"
    return next((name for begin, name in _BY_MODEL_TYPE.items() if kind.startswith(begin)), "plain")


class ChatTemplate:
    """Renders conversations for one tokenizer. `model_type`: family to use if the tokenizer has no template."""

    def __init__(self, tokenizer: Any, config: Any, model_type: str | None = None) -> None:
        self._tokenizer = tokenizer
        self.tokens = Tokens(tokenizer)
        own = getattr(tokenizer, "chat_template", None)
        self.family: Family | None = None if own else FAMILIES[model_type or family_of(config)]
        self._template: str = self.family.template if self.family else tokenizer.get_chat_template()
        # A family's template names both tokens; a model's own template may ask whether they are defined.
        names = ("bos_token", "eos_token") if self.family else ()
        self._variables = {name: getattr(tokenizer, name, None) or "" for name in names}
        self._markers = self._structural_markers()

    @property
    def stop(self) -> tuple[str, ...]:
        """Strings that end an answer beside the model's end token."""
        if self.family:
            return self.family.stop
        # Some models' generation_config.json forgets the token that their own template ends a turn with.
        return tuple(text for text in END_OF_TURN if text in self._template and text in self.tokens.control_texts)

    def check(self) -> None:
        """Raise `ModelUnusable` if the template cannot render the simplest conversation."""
        try:
            self.render([Message("system", "Be kind."), Message("user", "Hello")])
        except EngineFailed as error:
            raise ModelUnusable(
                f"The model's chat template cannot be used: {error} Remove it from the model folder "
                "(chat_template.jinja, or the key in tokenizer_config.json) and name a family with --model-type."
            ) from error

    def render(self, messages: Sequence[Message]) -> Prompt:
        """Return the prompt; turns the template refuses are merged. Raises `EngineFailed` if it refuses them still."""
        neutral = [Message(message.role, self._neutral(message.content)) for message in messages]
        try:
            return self._render(messages, neutral)
        except TemplateError:
            return self._render_merged(messages, neutral)

    def raw(self, text: str) -> Prompt:
        """Return `text` as a prompt without a template, begun as this tokenizer begins texts."""
        return Prompt((), text, tuple(self.tokens.whole(text)))

    def _render_merged(self, messages: Sequence[Message], neutral: list[Message]) -> Prompt:
        try:
            return self._render(messages, merged(neutral))
        except TemplateError as error:
            raise EngineFailed(f"The chat template refuses this conversation: {error}.") from error

    def _render(self, original: Sequence[Message], messages: list[Message]) -> Prompt:
        whole = self._apply([message.content for message in messages], messages)
        pieces = self._pieces(messages, whole)
        joined = "".join(text for text, _ in pieces)
        ids = self.tokens.plain(joined)
        expected = [number for text, content in pieces if not content for number in self.tokens.plain(text)]
        # The usual case: nothing in the messages was read as control, so the ids are the library's own.
        if joined != whole or self.tokens.controls(ids) != self.tokens.controls(expected):
            ids = self._piecewise(pieces)
        return Prompt(tuple(original), joined, tuple(ids))

    def _piecewise(self, pieces: list[tuple[str, bool]]) -> list[int]:
        ids: list[int] = []
        for text, content in pieces:
            read = self.tokens.literal if content else self.tokens.plain
            if text:
                ids += read(text, not ids or ids[-1] in self.tokens.control_ids)
        return ids

    def _apply(self, contents: list[str], messages: list[Message]) -> str:
        turns = [{"role": message.role, "content": text} for message, text in zip(messages, contents, strict=True)]
        try:
            text = self._tokenizer.apply_chat_template(
                turns, chat_template=self._template, tokenize=False, add_generation_prompt=True, **self._variables
            )
        except TemplateError:
            raise
        except Exception as error:  # a template is a foreign program: it can fail in any way
            raise TemplateError(f"{type(error).__name__}: {error}") from error
        return str(text)

    def _pieces(self, messages: list[Message], whole: str) -> list[tuple[str, bool]]:
        """Return the rendered text in stretches (text, whether it came from a message).

        Rendered once more with placeholders that no message can contain; then each is replaced by what the template
        made of the message: its text, or its text without the white space around it.
        """
        nonce = secrets.token_hex(8)
        names = [f"\ue000{nonce}.{index}\ue001" for index in range(len(messages))]
        parts = re.split(f"(\ue000{nonce}\\.\\d+\ue001)", self._apply(names, messages))
        content = {name: message.content for name, message in zip(names, messages, strict=True)}
        if lost := [name for name in names if name not in parts and content[name].strip()]:
            raise TemplateError(f"it leaves out the {messages[names.index(lost[0])].role} message")
        pieces, position = [(parts[0], False)], len(parts[0])
        for name, after in zip(parts[1::2], parts[2::2], strict=True):
            text = _as_rendered(content[name], after, whole, position)
            position += len(text) + len(after)
            pieces += [(text, True), (after, False)]
        return pieces

    def _structural_markers(self) -> tuple[str, ...]:
        if self.family:
            found = set(self.family.markers)
        else:
            hits = _MARKER.finditer(self._template)
            found = {
                hit[0] for hit in hits if not (hit[0][0] == "[" and _INDEX_BEFORE.search(self._template[: hit.start()][-1:]))
            }
        return tuple(sorted(found - self.tokens.control_texts, key=len, reverse=True))

    def _neutral(self, content: str) -> str:
        """Return `content` with a space inside every structural marker: `[ INST]`, `User :`."""
        for marker in self._markers:
            cut = len(marker) - 1 if marker[0].isalnum() else 1
            content = content.replace(marker, f"{marker[:cut]} {marker[cut:]}")
        return content


def merged(messages: Sequence[Message]) -> list[Message]:
    """Return the same conversation for a strict template: no system turn, roles alternate, the user begins."""
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    turns = [message for message in messages if message.role != "system"]
    if system or not turns or turns[0].role != "user":
        first = turns.pop(0).content if turns and turns[0].role == "user" else ""
        turns.insert(0, Message("user", "\n\n".join(text for text in (system, first) if text)))
    joined: list[Message] = []
    for turn in turns:
        if joined and joined[-1].role == turn.role:
            turn = Message(turn.role, f"{joined.pop().content}\n\n{turn.content}")
        joined.append(turn)
    return joined


def _as_rendered(content: str, after: str, whole: str, position: int) -> str:
    """Return the form of `content` that stands in `whole` at `position`, before the template's text `after`."""
    for form in (content, content.strip(), content.rstrip(), content.lstrip()):
        if whole.startswith(form + after, position):
            return form
    return content
