"""The keys that clients may come with: compared in constant time, as a header or as the page's cookie."""

import hashlib
import hmac
from http.cookies import CookieError, SimpleCookie

COOKIE = "chat_llm_webui"


class Keys:
    """The configured keys; without any, everybody is let in."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._digests = [hashlib.sha256(key.encode()).digest() for key in keys]

    @property
    def has_keys(self) -> bool:
        """Whether a key is asked for at all."""
        return bool(self._digests)

    def admit(self, authorization: list[str], cookies: str) -> bool:
        """Return whether a request with these headers may pass: `Authorization: KEY`, `Bearer KEY`, or the cookie."""
        if not self._digests:
            return True
        if len(authorization) == 1:
            return self.knows(bearer(authorization[0]))
        return not authorization and self._knows_session(_cookie(cookies))

    def knows(self, key: str) -> bool:
        """Return whether `key` is one of the keys."""
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
        # Every key is compared, so that the time does not tell which one came near.
        return sum(hmac.compare_digest(digest, known) for known in self._digests) > 0

    def session(self, key: str) -> str:
        """Return the cookie of somebody who gave `key`: derived from it, so that it ends when the key is taken out."""
        return _session(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest())

    def _knows_session(self, value: str) -> bool:
        given = value.encode()
        return sum(hmac.compare_digest(given, _session(known).encode()) for known in self._digests) > 0


def bearer(authorization: str) -> str:
    """Return the key in a header `Authorization: KEY` or `Authorization: Bearer KEY`."""
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else authorization.strip()


def _session(digest: bytes) -> str:
    return hmac.digest(digest, b"chat-llm-webui session 1", "sha256").hex()


def _cookie(header: str) -> str:
    try:
        cookies = SimpleCookie(header)
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""
