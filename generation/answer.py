"""One request between the thread that computes it and the event loop that reads it: ids in, pieces of text out.

Made on the loop. `push`, `end`, `fail` and `let_go` are called by whichever thread computes; `next` on the loop. Knows no
model and no batch.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterable
from typing import Any

import torch

from generation.base import EngineFailed, FinishReason, GenerationError, Piece, Prompt, Sampling, Usage
from generation.detokenizer import Detokenizer
from generation.stop_strings import StopStrings
from generation.tally import Tally
from generation.tokens import Tokens


class Answer:
    """`limit`: most tokens it may have; `stop`: raised when nobody wants it any more; `released`: nothing computes it."""

    def __init__(
        self, prompt: Prompt, sampling: Sampling, limit: int, tokens: Tokens, stops: Iterable[str], tally: Tally
    ) -> None:
        self.prompt, self.sampling, self.limit = prompt, sampling, limit
        self.made = self.cached = 0
        self.stop = threading.Event()
        self.released = asyncio.Event()
        self._text, self._stops = Detokenizer(tokens), StopStrings((*sampling.stop, *stops))
        self._tally = tally
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[Piece | GenerationError] = asyncio.Queue()

    async def next(self) -> Piece:
        """Return the next piece, or raise what went wrong."""
        piece = await self._pieces.get()
        if isinstance(piece, GenerationError):
            raise piece
        return piece

    @property
    def wanted(self) -> bool:
        """Whether another token is wanted: nobody stopped it, no stop string, not at its limit."""
        return not (self.stop.is_set() or self._stops.found or self.made >= self.limit)

    def push(self, token: int) -> None:
        """Take the next token; look at `wanted` afterwards."""
        self.made += 1
        self._tally.add(generated=1)
        if shown := self._stops.push(self._text.push(token)):
            self._tell(self._pieces.put_nowait, Piece(shown))

    def end(self) -> None:
        """Send what is left of the text, the reason and the usage."""
        rest = "" if self._stops.found else self._stops.push(self._text.flush())
        usage = Usage(len(self.prompt.token_ids), self.made, self.cached)
        self._tell(self._pieces.put_nowait, Piece(rest + self._stops.flush(), self._reason(), usage))

    def fail(self, error: Exception) -> None:
        """End with the sentence that `error` means for this one request."""
        self._tell(self._pieces.put_nowait, _failure(error))

    def let_go(self) -> None:
        """Say that nothing computes this any more."""
        self._tell(self.released.set)

    def _reason(self) -> FinishReason:
        if self._stops.found:
            return "stop"
        if self.made == self.limit:
            return "length"
        return "cancelled" if self.stop.is_set() else "stop"

    def _tell(self, what: Any, *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody reads any more
            self._loop.call_soon_threadsafe(what, *arguments)


def is_memory(error: Exception) -> bool:
    """Return whether `error` says that there was too little memory."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)


def _failure(error: Exception) -> GenerationError:
    """Return what a foreign error means for this one request; the model stays loaded and others go on."""
    memory = is_memory(error)
    if memory and torch.cuda.is_available():
        torch.cuda.empty_cache()
    failed = EngineFailed(
        "The machine has too little free memory for this answer. Ask again later, or ask something shorter."
        if memory
        else f"The model failed while it answered ({type(error).__name__})."
    )
    failed.__cause__ = error
    return failed
