"""What a remote engine's refusals mean, in words for the person who asked. Knows no request.

The words of the remote are passed on, cut and without our key; those of a refused key are not, because they may quote it.
"""

import json
import re
import ssl
import time
from collections.abc import Iterator
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx

from generation.base import EngineFailed, GenerationError, ModelNotReady, PromptTooLong
from generation.openai_words import redacted, words

_N = r"\D{0,3}?(\d{1,9})"
_LIMITS = (
    rf"context (?:length|window|size)[^.\d]{{0,40}}{_N}",
    rf"maximum model length of{_N}",
    r"(\d{1,9}) maximum context length",
    r"tokens > (\d{1,9}) maximum",
    r"must be <= (\d{1,9})",
    r'"n_ctx": ?(\d{1,9})',
    r"this model reads (\d{1,9}) in all",  # this server itself
)
_PROMPTS = (
    r"(\d{1,9}) in the messages",
    r"resulted in (\d{1,9}) tokens",
    r"(\d{1,9}) (?:prompt|input) tokens",
    r"(\d{1,9}) tokens from the input",
    r"prompt \(length (\d{1,9})\)",
    r"input \((\d{1,9}) tokens\)",
    r"too long: (\d{1,9}) tokens",
    r"Given: (\d{1,9}) `inputs`",
    r'"n_prompt_tokens": ?(\d{1,9})',
    r"needs (\d{1,9}) tokens and",
)


class Refused(Exception):
    """The remote engine did not begin an answer. `wait`: seconds after which to ask again, None: it is no use."""

    def __init__(self, error: GenerationError, wait: float | None = None, said: str = "") -> None:
        self.error, self.wait, self.said = error, wait, said
        super().__init__(str(error))


def from_transport(error: httpx.HTTPError | httpx.InvalidURL) -> Refused:
    """Return what it means that no answer came over the wire."""
    if _of_tls(error):
        return Refused(EngineFailed(f"The remote engine's address speaks no TLS that can be trusted ({_kind(error)})."))
    if isinstance(error, httpx.TimeoutException):
        return Refused(ModelNotReady("The remote engine does not answer in time. Try again in a moment."), 0.0)
    if isinstance(error, httpx.ConnectError):
        return Refused(ModelNotReady("The remote engine cannot be reached. Try again in a moment."), 0.0)
    if isinstance(error, (httpx.NetworkError, httpx.RemoteProtocolError)):
        # A connection that was kept open and that the remote has closed meanwhile looks like this too.
        return Refused(EngineFailed("The connection to the remote engine was lost before it answered."), 0.0)
    return Refused(EngineFailed(f"The remote engine cannot be asked ({_kind(error)})."))


def from_answer(status: int, headers: httpx.Headers, body: str, key: str | None) -> Refused:
    """Return what an answer without an answer means: its status, and the words in its body."""
    said = _words(body, key)
    because = f": {said}." if said else "."
    if status in (401, 403):
        return Refused(EngineFailed(f"The remote engine refuses the key ({status}). It is read from --remote-key-file."))
    if 300 <= status < 400:
        return Refused(EngineFailed(f"The remote engine sends us elsewhere ({status}{_where(headers)}); --api-base must not."))
    if status in (429, 502, 503, 504):
        text = "has too much to do" if status == 429 else "is not ready"
        return Refused(ModelNotReady(f"The remote engine {text} ({status}). Try again later{because}"), _wait(status, headers))
    if status in (400, 413, 422) and (lengths := _lengths(body)):
        return Refused(PromptTooLong(*lengths), said=body)
    return Refused(EngineFailed(f"The remote engine refuses the question ({status}){because}"), said=body)


def _words(body: str, key: str | None) -> str:
    try:
        said = words(json.loads(body))
    except (ValueError, RecursionError):
        # A page of a proxy says nothing to the person who asked.
        said = "" if "<" in body else body
    return redacted(said, key)


def _wait(status: int, headers: httpx.Headers) -> float | None:
    """Return the seconds of Retry-After; without it 0 (our own pace), or None for 429: the quota may be used up."""
    said = headers.get("retry-after", "").strip()
    if not said:
        return None if status == 429 else 0.0
    if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", said):
        return float(said)
    try:
        date = parsedate_to_datetime(said)
    except ValueError:
        return None
    return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time())


def _lengths(body: str) -> tuple[int, int] | None:
    """Return the tokens of the prompt and of the context; None where they cannot be read."""
    prompt, limit = _first(_PROMPTS, body), _first(_LIMITS, body)
    return None if prompt is None or limit is None else (prompt, limit)


def _first(patterns: tuple[str, ...], body: str) -> int | None:
    hits = (re.search(pattern, body, re.IGNORECASE) for pattern in patterns)
    return next((int(hit[1]) for hit in hits if hit), None)


def _where(headers: httpx.Headers) -> str:
    """Return the place that a redirect names, without what may be a secret in it."""
    try:
        url = httpx.URL(headers.get("location", ""))
    except httpx.InvalidURL:
        return ""
    return f" to {url.scheme}://{url.host}{url.path}" if url.host else ""


def _of_tls(error: BaseException) -> bool:
    return any(isinstance(cause, ssl.SSLError) for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _kind(error: BaseException) -> str:
    return type(error).__name__
