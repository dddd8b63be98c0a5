"""A run as the typed events of OpenAI's responses, in their order. Knows no HTTP.

Source: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from itertools import count
from typing import Any

from api.answering import deltas
from api.openai_events import HOLE, NUMBER_HOLE, Template, event
from api.openai_responses_answer import ResponseAnswer

NUMBER = "sequence_number"


class ResponseEvents:
    """The events of one answer, numbered from 0."""

    def __init__(self, answer: ResponseAnswer) -> None:
        self._answer = answer
        self._numbers = count()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the events; an error of the run becomes the last of them."""
        answer = self._answer
        begun = answer.state("in_progress", [])
        yield self._event("response.created", response=begun)
        yield self._event("response.in_progress", response=begun)
        for searching in self._search():
            yield searching
        for opening in self._opening():
            yield opening
        try:
            async with aclosing(deltas(answer.run)) as texts:
                async for text in texts:
                    yield self._delta(text)
        except Exception as error:  # whatever made the run fail: its registry has logged what is not ours
            yield self._event("response.failed", response=answer.failed(error))
            return
        for ending in self._ending():
            yield ending

    def _search(self) -> Iterator[bytes]:
        answer = self._answer
        if answer.searched:
            place = {"output_index": 0, "item_id": answer.search_id}
            yield self._event("response.output_item.added", output_index=0, item=answer.search("in_progress"))
            for step in ("in_progress", "searching", "completed"):
                yield self._event(f"response.file_search_call.{step}", **place)
            yield self._event("response.output_item.done", output_index=0, item=answer.search())

    @property
    def _place(self) -> dict[str, Any]:
        return {"item_id": self._answer.message_id, "output_index": int(self._answer.searched), "content_index": 0}

    def _opening(self) -> Iterator[bytes]:
        item = {"type": "message", "id": self._answer.message_id, "role": "assistant", "content": [], "status": "in_progress"}
        yield self._event("response.output_item.added", output_index=int(self._answer.searched), item=item)
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        yield self._event("response.content_part.added", **self._place, part=part)
        kind = "response.output_text.delta"
        self._text = Template({"type": kind, **self._place, "logprobs": [], "delta": HOLE, NUMBER: NUMBER_HOLE}, kind)

    def _delta(self, text: str) -> bytes:
        return self._text(text, next(self._numbers))

    def _ending(self) -> Iterator[bytes]:
        answer, place = self._answer, self._place
        part, item, whole = answer.part(), answer.message(), answer.whole()
        for number, citation in enumerate(part["annotations"]):
            kind = "response.output_text.annotation.added"
            yield self._event(kind, **place, annotation_index=number, annotation=citation)
        yield self._event("response.output_text.done", **place, text=part["text"], logprobs=[])
        yield self._event("response.content_part.done", **place, part=part)
        yield self._event("response.output_item.done", output_index=place["output_index"], item=item)
        yield self._event(f"response.{whole['status']}", response=whole)

    def _event(self, kind: str, **fields: Any) -> bytes:
        return event({"type": kind, NUMBER: next(self._numbers)} | fields, kind)
