"""What a WebSocket of the native protocol remembers: the system prompt and the turns so far. Knows no connection."""

from api.json_body import LONGEST_TEXT, Text
from api.native_request import MOST_TURNS, NativeBody, Pairs


class Standing(NativeBody):
    """A message without a question: what it sets stays with the connection."""

    prompt: Text = ""


class Memory:
    """The conversation of one connection; the oldest turns leave it beyond `LONGEST_TEXT` characters."""

    def __init__(self) -> None:
        self._system_prompt = ""
        self._history: Pairs = []

    def recall(self, body: NativeBody) -> NativeBody:
        """Remember what `body` sets, and return it with everything that is remembered.

        A raw prompt has no conversation, and takes none from here.
        """
        if body.no_template:
            return body
        if "system_prompt" in body.model_fields_set:
            self._system_prompt = body.system_prompt
        if "history" in body.model_fields_set:
            self._history = body.history
        return body.model_copy(update={"system_prompt": self._system_prompt, "history": self._history})

    def keep(self, body: NativeBody, answer: str) -> None:
        """Remember the turn that `body` and its answer were."""
        if body.no_template:
            return
        turns = [*self._history, [body.prompt, answer]][-MOST_TURNS:]
        while sum(len(text) for turn in turns for text in turn) > LONGEST_TEXT:
            turns = turns[1:]
        self._history = turns
