"""The one thread that owns the model, and the way into it. Knows what a batch does, not how.

Requests are added and withdrawn from the event loop; the thread takes them in between two steps.
"""

import threading
from collections import deque

from generation.answer import Answer
from generation.batch import Batch


class BatchEngine:
    """Runs a batch for as long as there is something to do; its thread starts with the first request."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._arrived: deque[Answer] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None

    @property
    def kv_used(self) -> int:
        """Tokens of keys and values in memory, of running answers and kept ones."""
        return self._batch.memory.used

    @property
    def kv_total(self) -> int:
        """The most there may be."""
        return self._batch.memory.total

    def add(self, answer: Answer) -> None:
        """Compute `answer` as soon as there is a place for it."""
        with self._changed:
            self._arrived.append(answer)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="generation", daemon=True)
                self._thread.start()
            self._changed.notify()

    def withdraw(self, answer: Answer) -> None:
        """Stop `answer` before its next token; its `released` tells when it has let go."""
        answer.stop.set()

    def close(self) -> None:
        """End every answer, and return when the thread has."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while self._take_in():
            self._batch.step()
        self._batch.clear()

    def _take_in(self) -> bool:
        """Give the batch what has arrived; waits while there is nothing to do. Returns False at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._arrived or self._batch.busy or self._closing)
            while self._arrived:
                self._batch.add(self._arrived.popleft())
            return not self._closing
