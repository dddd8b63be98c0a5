"""How many tokens a text may have, guessed without its tokenizer: rather too many than too few.

The guess is that of a vocabulary of about 32,000 (Llama 2, Mistral), the smallest that chat models in use have: a token
for four letters of a word, for each digit, mark and line end, two for a Chinese, Japanese or Korean character, one for a
letter of any other script, four for what is beyond (emoji are often spelled in bytes). For English this is about a third
more than there are; with the model's own tokenizer (`--remote-tokenizer`) nothing is guessed. Knows no model.
"""

import re
from collections.abc import Sequence

from generation.base import Message

TURN, START = 8, 32
"""What a template writes around a turn, and before the first: a default system text, a date, the begin of the answer."""

_CJK = "\u3000-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_KINDS = (
    (re.compile(r"[A-Za-z]{1,4}"), 1),
    (re.compile(r"[0-9]|[!-/:-@\[-`{-~]|\r?\n|[^\S\n ]| {2,8}"), 1),
    (re.compile(f"[{_CJK}]"), 2),
    (re.compile("[\U00010000-\U0010ffff]"), 4),
    (re.compile(f"[^\\x00-\\x7f{_CJK}\U00010000-\U0010ffff]"), 1),
)


def tokens_in(text: str) -> int:
    """Return about how many tokens `text` has."""
    return sum(weight * sum(1 for _ in pattern.finditer(text)) for pattern, weight in _KINDS)


def tokens_of(messages: Sequence[Message]) -> int:
    """Return about how many tokens a template makes of `messages`."""
    return START + sum(TURN + tokens_in(message.content) for message in messages)
