"""How many calls a minute one client may make, by what they cost. Knows no path and no header.

The generic cell rate algorithm (ITU-T I.371): a token bucket that keeps one number for each client, the time at which its
bucket will be full again. Time is monotonic, so that a clock that is set back or forward lets nobody in or out (threats F-32).
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Literal, TypeVar

Kind = Literal["generate", "upload", "search", "other", "page"]
"""What a call costs: a question to the model, files, a search, next to nothing, or it comes from our own page."""

MINUTE = 60.0
CLIENTS = 20_000
"""Clients remembered; with more, those that have been silent longest are new again."""


class RateLimits:
    """Counts calls by kind and client; `rates`: calls a minute, and 0 for any number."""

    def __init__(self, rates: Mapping[Kind, int], clock: Callable[[], float] = time.monotonic) -> None:
        self._buckets = {kind: Bucket(rate, clock) for kind, rate in rates.items() if rate}

    def spend(self, kind: Kind, client: str) -> float:
        """Count one call; returns 0, or the seconds until it may be made, and then it does not count."""
        bucket = self._buckets.get(kind)
        return 0.0 if bucket is None else bucket.spend(client)


class Bucket:
    """As many calls at once as a minute has, then as they come in again."""

    def __init__(self, rate: int, clock: Callable[[], float] = time.monotonic, most: int = CLIENTS) -> None:
        self._each, self._clock, self._most = MINUTE / rate, clock, most
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def wait(self, client: str) -> float:
        """Return the seconds until `client` may call (0: now)."""
        # Half a call of slack, or the sums of floating point would take one call away.
        ahead = self._full_at.get(client, 0.0) - self._clock() + self._each - MINUTE
        return ahead if ahead > self._each / 2 else 0.0

    def spend(self, client: str) -> float:
        """Count one call; returns 0, or the seconds until it may be made, and then it does not count."""
        wait = self.wait(client)
        if not wait:
            now = self._clock()
            _keep(self._full_at, client, max(self._full_at.get(client, now), now) + self._each, self._most)
        return wait


class WrongKeys:
    """Who has tried too many keys, and for how long nothing is heard from there; `rate`: wrong keys a minute, 0 for any."""

    def __init__(self, rate: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._bucket = clock, Bucket(rate, clock) if rate else None
        self._shut: OrderedDict[str, float] = OrderedDict()
        self._cookies: OrderedDict[str, int] = OrderedDict()

    def shut(self, address: str) -> float:
        """Return for how many seconds `address` is not listened to (0: it is)."""
        return max(self._shut.get(address, -math.inf) - self._clock(), 0.0)

    def count(self, address: str, cookie: str = "") -> None:
        """Note a wrong key. The same cookie again is no new try: an open page goes on sending one whose key was taken out."""
        if self._bucket is None or (cookie and self._cookies.get(address) == hash(cookie)):
            return
        if cookie:
            _keep(self._cookies, address, hash(cookie))
        self._bucket.spend(address)
        if self._bucket.wait(address):
            _keep(self._shut, address, self._clock() + MINUTE)


V = TypeVar("V")


def _keep(table: OrderedDict[str, V], key: str, value: V, most: int = CLIENTS) -> None:
    """Put `value` into a table that forgets what was put in longest ago."""
    table[key] = value
    table.move_to_end(key)
    if len(table) > most:
        table.popitem(last=False)
