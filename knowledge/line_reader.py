"""Lines out of a pipe, without waiting for longer than is wanted. What they say, it does not know."""

import os
import select
import time

PART = 1 << 16


class LineReader:
    """The reading end of a pipe (a file descriptor), until `close`; `size` is how many bytes came, `ended` whether all did."""

    def __init__(self, pipe: int) -> None:
        self.size = 0
        self.ended = False
        self._pipe = pipe
        self._poll = select.poll()  # `select` knows no descriptor above 1,023
        self._poll.register(pipe, select.POLLIN)
        self._rest = bytearray()
        self._waiting: list[bytes] = []

    def read(self, seconds: float | None) -> list[bytes]:
        """Read once what is there, or comes within `seconds` (None: whenever), and return the lines that it makes whole."""
        if not self._poll.poll(None if seconds is None else seconds * 1000):
            return []
        data = os.read(self._pipe, PART)
        self.ended = not data
        self.size += len(data)
        self._rest += data
        if b"\n" not in data:
            return []
        *lines, tail = bytes(self._rest).split(b"\n")
        self._rest = bytearray(tail)
        return lines

    def next(self, seconds: float | None) -> bytes | None:
        """Return the next line, empty when there will be none; None if it has not come after `seconds`."""
        until = None if seconds is None else time.monotonic() + seconds
        while not self._waiting and not self.ended:
            left = None if until is None else max(0.0, until - time.monotonic())
            self._waiting = self.read(left)
            if left == 0 and not self._waiting and not self.ended:
                return None
        return self._waiting.pop(0) if self._waiting else b""

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self._pipe)
