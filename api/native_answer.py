"""What an answer of version 2 holds: whole, chunk by chunk, or an error. Knows no connection.

Source: wire format of the old service, `docs/api/native.md`.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from api import support_fields
from api.answering import deltas, text_of
from api.errors import Fault, fault
from api.native_request import Pairs
from assistant.citations import find
from assistant.prompt import where
from assistant.run import Run
from knowledge.base import Passage


class Turn:
    """One turn of a conversation on its way: the `history` before it, the question, and what there is of the answer."""

    def __init__(self, history: Pairs, question: str, run: Run) -> None:
        self._history, self._question, self._run = history, question, run
        # A conversation can be long, and every chunk holds all of it: written once.
        self._before = "".join(_text(pair) + ", " for pair in history)
        self._asked = _text(question)

    def so_far(self, text: str) -> str:
        """Return a chunk as JSON: the answer so far, and the history with it."""
        answer = _text(text)
        return f'{{"response": {answer}, "history": [{self._before}[{self._asked}, {answer}]]}}'

    def whole(self) -> dict[str, Any]:
        """Return the answer of a run that has ended, with usage, sources and what was left out."""
        run, text = self._run, text_of(self._run)
        body: dict[str, Any] = {"response": text, "history": [*self._history, [self._question, text]]}
        if run.usage is not None:
            read, written = run.usage.prompt_tokens, run.usage.completion_tokens
            body["usage"] = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
        body["finish_reason"] = run.finish_reason
        if run.mode != "chat":
            used = find(text, len(run.sources)).used
            body["sources"] = [_source(number, passage, number in used) for number, passage in enumerate(run.sources, 1)]
        body |= support_fields.fields(run)
        if run.fitted is not None and (run.fitted.left_out_turns or run.fitted.left_out_passages):
            body["left_out"] = {"turns": run.fitted.left_out_turns, "passages": len(run.fitted.left_out_passages)}
        return body

    async def chunks(self) -> AsyncGenerator[str, None]:
        """Yield JSON objects as the answer grows, the whole one last; raises the run's error.

        Each holds all of the answer so far, so a reader that was busy gets one for all it has missed.
        """
        text = ""
        async with aclosing(deltas(self._run)) as parts:
            async for part in parts:
                text += part
                yield self.so_far(text)
        yield _text(self.whole())


async def zero_ended(turn: Turn) -> AsyncGenerator[bytes, None]:
    r"""Yield each chunk with the byte `\0` behind it; an error that comes now is the last chunk."""
    try:
        async with aclosing(turn.chunks()) as chunks:
            async for chunk in chunks:
                yield chunk.encode() + b"\0"
    except Exception as error:  # of any engine; the run has logged what is not ours
        yield _text(error_body(fault(error))).encode() + b"\0"


def error_body(fault: Fault) -> dict[str, Any]:
    """Return `{"error": {"code", "message", "param"}}`."""
    return {"error": {"code": fault.code, "message": fault.message} | ({"param": fault.param} if fault.param else {})}


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _source(number: int, passage: Passage, cited: bool) -> dict[str, Any]:
    place = passage.locator
    return {
        "number": number,
        "cited": cited,
        "file": passage.source.name,
        "where": where(place),
        "page": place.page,
        "headings": list(place.headings),
        "lines": None if place.first_line is None else [place.first_line, place.last_line],
        "score": round(passage.score, 4),
        "text": passage.text,
    }
