"""What a protocol is to the rest of the room: its paths, its routes, and how it says that something went wrong."""

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import Response

from api.errors import Fault
from api.settings import ServerSettings
from assistant.assistant import Assistant


@dataclass(frozen=True, slots=True)
class Protocol:
    """One protocol of the server.

    `paths`: what its addresses begin with, by whole segments ("/v1" is the beginning of "/v1/models", not of "/v12").
    `uploads`: those of its addresses that take files, and so bodies up to `--max-upload`.
    """

    name: str
    paths: tuple[str, ...]
    routes: Callable[[Assistant, ServerSettings], APIRouter]
    refuse: Callable[[Fault], Response]
    uploads: tuple[str, ...] = ()

    def owns(self, path: str) -> bool:
        """Return whether `path`, without a gateway's prefix, is one of this protocol's."""
        return any(path == own or path.startswith(own.rstrip("/") + "/") for own in self.paths)
