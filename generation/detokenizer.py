"""Token ids to text as they come: whole characters only, constant work a token.

The prefix-offset technique (as in vLLM and TGI): a window of the last tokens is decoded with and without the newest
ones, so that spaces come out as they do when everything is decoded at once. Knows no stop strings.
"""

from generation.tokens import Tokens

MAX_HELD = 16
"""Tokens held for one character; a random model can emit bytes that never become one."""


class Detokenizer:
    """Text of one answer. Push each generated id once."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._ids: list[int] = []
        self._read = 0

    def push(self, token_id: int) -> str:
        """Return the text that became final; "" while a character is incomplete. Control tokens have no text."""
        if token_id in self._tokens.special_ids:
            return ""
        self._ids.append(token_id)
        text, shown = self._window()
        if text.endswith("\ufffd") and len(self._ids) - self._read < MAX_HELD:
            return ""
        return self._advance(text, shown)

    def flush(self) -> str:
        """Return the rest of the text, an incomplete character as U+FFFD."""
        text, shown = self._window()
        return self._advance(text, shown)

    def _window(self) -> tuple[str, str]:
        """Return the text of the window, and of its tokens that were shown already."""
        return self._tokens.decode(self._ids), self._tokens.decode(self._ids[: self._read])

    def _advance(self, text: str, shown: str) -> str:
        del self._ids[: self._read]
        self._read = len(self._ids)
        return text[len(shown) :]
