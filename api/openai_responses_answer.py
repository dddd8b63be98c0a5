"""A run as OpenAI's `response` object: its items, its state, the citations in its text. Knows no request's body but by it.

Source: https://platform.openai.com/docs/api-reference/responses/object
"""

import time
from typing import Any

from api import openai_errors
from api.answering import text_of
from api.errors import fault
from api.openai_answer import extras
from api.openai_responses_request import ResponseBody
from assistant import citations
from assistant.run import Run
from generation.base import Sampling, Usage

USUAL = Sampling()


class ResponseAnswer:
    """The answer to `body` by `run`."""

    def __init__(self, body: ResponseBody, run: Run, question: str) -> None:
        self.body, self.run, self._question = body, run, question
        self.created = int(time.time())
        self.search_id, self.message_id = f"fs_{run.id}", f"msg_{run.id}"

    @property
    def searched(self) -> bool:
        """Whether the answer is from documents."""
        return self.run.mode == "knowledge"

    @property
    def complete(self) -> bool:
        """Whether the answer came to its end by itself."""
        return self.run.finish_reason == "stop"

    def search(self, status: str = "completed") -> dict[str, Any]:
        """Return the item of the search."""
        done = status == "completed"
        item = {"type": "file_search_call", "id": self.search_id, "status": status, "queries": [self._question] if done else []}
        return item | {"results": self._results() if done and self.body.with_results else None}

    def message(self) -> dict[str, Any]:
        """Return the item of the message, as it is when all is said."""
        item = {"type": "message", "id": self.message_id, "role": "assistant", "content": [self.part()]}
        return item | {"status": "completed" if self.complete else "incomplete"}

    def part(self) -> dict[str, Any]:
        """Return the whole text with its citations."""
        return {"type": "output_text", "text": text_of(self.run), "annotations": self.citations(), "logprobs": []}

    def citations(self) -> list[dict[str, Any]]:
        """Return for each number in brackets the document of its passage; `index`: the character where the brackets open."""
        found, sources = [], self.run.sources
        for match in citations.matches(text_of(self.run)) if self.searched else ():
            for number in citations.numbers(match, len(sources)):
                if 1 <= number <= len(sources):
                    source = sources[number - 1].source
                    place = {"index": match.end(1), "file_id": source.file, "filename": source.name}
                    found.append({"type": "file_citation"} | place)
        return found

    def whole(self) -> dict[str, Any]:
        """Return the response of a run that has ended."""
        items = [*([self.search()] if self.searched else []), self.message()]
        more = extras([self.run]) if self.searched else {}
        if self.complete:
            return self.state("completed", items) | more
        reason = {"incomplete_details": {"reason": "max_output_tokens"}}
        return self.state("incomplete", items) | reason | more

    def failed(self, error: Exception) -> dict[str, Any]:
        """Return the response of a run that failed after it had begun."""
        said = openai_errors.body(fault(error))["error"]
        return self.state("failed", []) | {"error": {"code": "server_error", "message": said["message"]}}

    def state(self, status: str, items: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the response with `items`, in the state `status`."""
        body = self.body
        return {
            "id": f"resp_{self.run.id}",
            "object": "response",
            "created_at": self.created,
            "status": status,
            "completed_at": int(time.time()) if status == "completed" else None,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "metadata": body.metadata or {},
            "model": body.model,
            "output": items,
            "parallel_tool_calls": False,
            "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None},
            "store": False,
            "temperature": USUAL.temperature if body.temperature is None else body.temperature,
            "text": {"format": {"type": "text"}},
            "tool_choice": body.tool_choice or "auto",
            "tools": [tool.model_dump(exclude_none=True) for tool in body.tools or ()],
            "top_logprobs": 0,
            "top_p": USUAL.top_p if body.top_p is None else body.top_p,
            "truncation": body.truncation or "disabled",
            "usage": _usage(self.run.usage) if status in ("completed", "incomplete") else None,
        }

    def _results(self) -> list[dict[str, Any]]:
        return [
            {
                "file_id": passage.source.file,
                "filename": passage.source.name,
                "score": round(passage.score, 4),
                "text": passage.text,
                "attributes": {},
            }
            for passage in self.run.sources
        ]


def _usage(used: Usage | None) -> dict[str, Any] | None:
    if used is None:
        return None
    return {
        "input_tokens": used.prompt_tokens,
        "input_tokens_details": {"cached_tokens": used.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": used.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": used.prompt_tokens + used.completion_tokens,
    }
