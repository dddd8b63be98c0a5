"""Who may change the server itself, such as its model: whoever has an administrator's key.

Without any keys there is nobody to tell from another, so everybody may, but only where everybody is on this machine: the
server listens on loopback and no gateway stands in front of it.
"""

from api.keys import Keys
from api.settings import ApiSettings


class Administrators:
    """Tells administrators by the headers of their requests."""

    def __init__(self, settings: ApiSettings) -> None:
        self._keys = Keys(settings.admin_key)
        behind = settings.listen or settings.allowed_host or settings.allowed_origin or settings.root_path
        self._everybody = not settings.keys and not behind

    def admit(self, authorization: list[str], cookies: str) -> bool:
        """Return whether a request with these headers is an administrator's."""
        return self._everybody or (self._keys.has_keys and self._keys.admit(authorization, cookies))
