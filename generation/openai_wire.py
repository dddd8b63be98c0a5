"""The protocol of OpenAI's chat completions: a request's body, and what a piece of the streamed answer says.

`Dialect` learns which parameters one remote engine refuses: hosted models know no `top_k` and some no `max_tokens`, and
strict templates no system turn. Knows no connection. Protocol: https://platform.openai.com/docs/api-reference/chat
(streaming), and the extra parameters of vLLM's server.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from generation.base import EngineFailed, FinishReason, Message, Sampling, Usage
from generation.chat_template import merged
from generation.control_markers import ControlMarkers
from generation.openai_words import redacted, words

MOST_STOPS = 4
"""The protocol takes no more stop strings; all of them are looked for here too."""
_MAY_LACK = (
    "top_k",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "stream_options",
    "temperature",
    "top_p",
    "max_tokens",
)
_REFUSAL = re.compile(
    r"unknown|unsupported|unrecogni[sz]ed|unexpected|not (?:supported|permitted|allowed)|does not support|extra", re.IGNORECASE
)
_TURNS = re.compile(r"must alternate|system role|only user and assistant|roles? .{0,40}not supported", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Delta:
    """What one event tells: new text, whether the model has moved on, and at the end the reason and the usage."""

    text: str = ""
    moved: bool = False
    finish_reason: FinishReason | None = None
    usage: Usage | None = None


class Dialect:
    """How one remote engine wants to be asked; `learn` from its refusals lasts for the life of the process."""

    def __init__(self, model: str, markers: ControlMarkers) -> None:
        self._model, self._markers = model, markers
        self._lacks: set[str] = set()
        self._merges = False

    def body(self, messages: Sequence[Message], sampling: Sampling, limit: int | None) -> dict[str, Any]:
        """Return the request's JSON: `limit` tokens at most, None for as many as the engine gives."""
        turns = merged(messages) if self._merges else messages
        wanted: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": turn.role, "content": self._markers.neutral(turn.content)} for turn in turns],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k or None,
            "repetition_penalty": None if sampling.repetition_penalty == 1.0 else sampling.repetition_penalty,
            "presence_penalty": sampling.presence_penalty or None,
            "frequency_penalty": sampling.frequency_penalty or None,
            "stop": list(sampling.stop[:MOST_STOPS]) or None,
            "seed": sampling.seed,
        }
        wanted["max_completion_tokens" if "max_tokens" in self._lacks else "max_tokens"] = limit
        return {name: value for name, value in wanted.items() if value is not None and name not in self._lacks}

    def learn(self, refusal: str, body: dict[str, Any]) -> str | None:
        """Return what the next body will do without, read from the words of a refused one; None: nothing to learn."""
        if not self._merges and _TURNS.search(refusal):
            self._merges = True
            return "system turns"
        named = [name for name in _MAY_LACK if name in body and re.search(rf"\b{name}\b", refusal)]
        if not named or not _REFUSAL.search(refusal):
            return None
        self._lacks.add(named[0])
        return named[0]


def read(data: str) -> Delta:
    """Return what an event says; raises `EngineFailed` for an error in it, and for what is not of the protocol."""
    try:
        event = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise EngineFailed("The remote engine sent a line that is not JSON in the middle of its answer.") from error
    if not isinstance(event, dict):
        raise EngineFailed("The remote engine sent something that is no piece of an answer.")
    if event.get("error"):
        raise EngineFailed(f"The remote engine broke off: {redacted(words(event)) or 'it does not say why'}.")
    choices = event.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    delta = choice.get("delta")
    delta = delta if isinstance(delta, dict) else {}
    text = delta.get("content")
    thought = delta.get("reasoning_content") or delta.get("reasoning")
    return Delta(
        text if isinstance(text, str) else "", bool(text or thought), _reason(choice.get("finish_reason")), _usage(event)
    )


def _reason(said: Any) -> FinishReason | None:
    if said is None:
        return None
    if said in ("content_filter", "abort", "error"):
        raise EngineFailed(f"The remote engine ended the answer before it was whole ({said}).")
    return "length" if said == "length" else "stop"


def _usage(event: dict[str, Any]) -> Usage | None:
    usage = event.get("usage")
    if not isinstance(usage, dict):
        return None
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    counts = [usage.get("prompt_tokens"), usage.get("completion_tokens", 0), cached or 0]
    numbers = [count for count in counts if isinstance(count, int) and count >= 0]
    return Usage(*numbers) if len(numbers) == len(counts) else None
