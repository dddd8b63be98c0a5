"""What a protocol is to the rest of the room: its paths, its routes, and how it says that something went wrong."""

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import Response

from api.errors import Fault
from api.rate_limits import Kind
from api.settings import ServerSettings
from assistant.assistant import Assistant


@dataclass(frozen=True, slots=True)
class Protocol:
    """One protocol of the server.

    `paths`: what its addresses begin with, by whole segments ("/v1" is the beginning of "/v1/models", not of "/v12").
    `uploads`: those of its addresses that take files, and so bodies up to `--max-upload`; the ends of them suffice.
    `searches`: the ends of those that only search. `generates`: those that ask the model, whatever the method; None: all that
    it is posted to, but for the two others. The three decide which limit a minute a call counts against.
    """

    name: str
    paths: tuple[str, ...]
    routes: Callable[[Assistant, ServerSettings], APIRouter]
    refuse: Callable[[Fault], Response]
    uploads: tuple[str, ...] = ()
    searches: tuple[str, ...] = ("/search",)
    generates: tuple[str, ...] | None = None

    def owns(self, path: str) -> bool:
        """Return whether `path`, without a gateway's prefix, is one of this protocol's."""
        return any(path == own or path.startswith(own.rstrip("/") + "/") for own in self.paths)

    def kind(self, method: str, path: str) -> Kind:
        """Return what a call costs; `path` is one of this protocol's."""
        posted = method not in ("GET", "HEAD", "OPTIONS", "DELETE")
        if posted and path.endswith(self.uploads):
            return "upload"
        if posted and path.endswith(self.searches):
            return "search"
        asks = posted if self.generates is None else path in self.generates
        return "generate" if asks else "other"
