"""Counts calls where they come in: what a path costs, whose call it is, and the refusal of one too many. Knows no key.

Off where everybody is on this machine and nobody needs a key. Threats section 5, S-41.
"""

import logging
import math

from api.errors import Fault
from api.gateway import subscriber
from api.login import LOGIN_PATH
from api.protocols import of
from api.rate_limits import Kind, RateLimits, WrongKeys
from api.settings import ApiSettings

LOG = logging.getLogger(__name__)

PAGE_PATH = "/gradio_api/"
FREE = ("/healthz", "/readyz")
"""Asked by gateways, as often as they like."""
PIECES = ("/assets/", "/static/")
"""Parts of these paths: files that a page consists of, a hundred for each visit, and kept by browsers."""
WORDS: dict[Kind, str] = {
    "generate": "questions", "upload": "uploads", "search": "searches", "other": "calls", "page": "calls of pages",
}  # fmt: skip


class Turnstile:
    """Lets through as many calls a minute as the settings say."""

    def __init__(self, settings: ApiSettings) -> None:
        self._rates = rates(settings)
        self._limits, self._wrong = RateLimits(self._rates), WrongKeys(settings.rate_wrong_keys if settings.counts_calls else 0)

    def shut(self, address: str) -> Fault | None:
        """Return the refusal of an address that has tried too many keys."""
        wait = self._wrong.shut(subscriber(address))
        return _fault("Too many wrong keys came from this address", wait) if wait else None

    def wrong_key(self, address: str, cookie: str = "") -> None:
        """Note a wrong key; `cookie`: where it stood, if not in the header Authorization."""
        LOG.info("A wrong key came from %r.", address)
        self._wrong.count(subscriber(address), cookie)

    def pass_through(self, method: str, path: str, who: str) -> Fault | None:
        """Count a call of `who`, an address or a key; returns the refusal if it is one too many."""
        if path in FREE or (method in ("GET", "HEAD") and any(part in path for part in PIECES)):
            return None
        return self.spend(_kind(method, path), who)

    def spend(self, kind: Kind, who: str) -> Fault | None:
        """Count one call of a kind; returns the refusal if it is one too many."""
        wait = self._limits.spend(kind, who)
        if not wait:
            return None
        LOG.info("Refused: more than %d %s a minute.", self._rates[kind], WORDS[kind])
        return _fault(f"More than {self._rates[kind]} {WORDS[kind]} a minute", wait)


def rates(settings: ApiSettings) -> dict[Kind, int]:
    """Return the calls a minute that are let through, by kind; 0 for any number."""
    on = settings.counts_calls
    return {
        "generate": settings.rate_generate * on,
        "upload": settings.rate_upload * on,
        "search": settings.rate_search * on,
        "other": settings.rate_other * on,
        "page": settings.rate_page * on,
    }


def _kind(method: str, path: str) -> Kind:
    if path == LOGIN_PATH:
        return "other"
    if PAGE_PATH in path:
        return "upload" if path.endswith("/upload") else "page"
    return of(path).kind(method, path)


def _fault(reason: str, wait: float) -> Fault:
    seconds = math.ceil(wait)
    return Fault(429, "rate_limited", f"{reason}; try again in {seconds} s.", retry_after=seconds)
