"""Answers computed apart from each other, each in a thread of its own: what cannot share the model's forward pass.

Used for models whose rows cannot be mixed (recurrent ones, for instance) and for beam search. More requests than threads
wait in order.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from generation.answer import Answer
from generation.base import Sampling
from generation.tally import Tally


class TokenSource(Protocol):
    """Computes one answer."""

    def tokens(self, prompt: Sequence[int], sampling: Sampling, limit: int, stopped: Callable[[], bool]) -> Iterator[int]:
        """Yield at most `limit` ids after `prompt`; returns early at an end token (not yielded) or when `stopped`."""
        ...


class SoloEngine:
    """Runs `most` answers at a time."""

    def __init__(self, source: TokenSource, most: int, tally: Tally) -> None:
        self._source, self._tally = source, tally
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="generation")
        self._futures: dict[Answer, Future[None]] = {}

    def add(self, answer: Answer) -> None:
        """Compute `answer` as soon as there is a thread for it."""
        future = self._threads.submit(self._work, answer)
        self._futures[answer] = future
        future.add_done_callback(lambda _: self._done(answer))

    def withdraw(self, answer: Answer) -> None:
        """Stop `answer` before its next token; its `released` tells when it has let go."""
        answer.stop.set()
        if future := self._futures.get(answer):
            future.cancel()  # does nothing once it runs

    def close(self) -> None:
        """End every answer, and return when the threads have."""
        for answer in list(self._futures):
            answer.stop.set()
        self._threads.shutdown()

    def _done(self, answer: Answer) -> None:
        self._futures.pop(answer, None)
        answer.let_go()

    def _work(self, answer: Answer) -> None:
        """Generate one answer; runs in a thread, and never lets an error out of it."""
        ids = answer.prompt.token_ids
        self._tally.add(active=1, prompt=len(ids))
        try:
            for token in self._source.tokens(ids, answer.sampling, answer.limit, answer.stop.is_set):
                answer.push(token)
                if not answer.wanted:
                    break
            answer.end()
        except Exception as error:  # the model is a foreign program: it can fail in any way
            answer.fail(error)
        finally:
            self._tally.add(active=-1)
