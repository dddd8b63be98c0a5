"""A remote engine that drafts what a test tells it to: the echo engine's server, asked for the words it shall say."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from tests.generation.openai_server import EchoServer

Words = Callable[[str], str]


class AskingServer(EchoServer):
    """Says `words` of the last message; `engine` counts what it does."""

    def __init__(self, words: Words, delay: float = 0.0) -> None:
        super().__init__(4096, delay)
        self._words = words

    async def _events(self, body: dict[str, Any]) -> AsyncIterator[str]:
        said = self._words(body["messages"][-1]["content"])
        # Echo begins with "You said: "; what counts begins on the next line.
        async for event in super()._events({**body, "messages": [{"role": "user", "content": f"\n{said}"}]}):
            yield event
