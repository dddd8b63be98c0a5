"""How many WebSocket connections there may be, in all and of one principal. Knows no protocol.

Source: threats, section 5.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from api.errors import TooManyConnections, TooManyConnectionsOfOne


class Seats:
    """At most `most` connections, at most `most_each` of them of one principal. Lives on one event loop."""

    def __init__(self, most: int, most_each: int) -> None:
        self._most, self._most_each = most, most_each
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """Connections that are open."""
        return self._taken.total()

    @contextmanager
    def seat(self, principal: str) -> Iterator[None]:
        """Hold a connection of `principal`; raises `TooManyConnections` or `TooManyConnectionsOfOne`."""
        if self._taken[principal] >= self._most_each:
            raise TooManyConnectionsOfOne(f"You have {self._most_each} WebSocket connections open, which is all you may have.")
        if self.taken >= self._most:
            raise TooManyConnections(f"{self._most} WebSocket connections are open, which is all this server takes.")
        self._taken[principal] += 1
        try:
            yield
        finally:
            self._taken[principal] -= 1
            self._taken = +self._taken  # forget who has none
