"""One question to a remote engine and its streamed answer: attempts, deadlines, and the end of the connection.

Attempts are repeated only while nothing of an answer has come. Closing the stream closes its connection, and that makes
the remote stop. Knows no token, and of the answer only what `generation.openai_wire` reads from it.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import httpx

from generation.base import EngineFailed, GenerationError, Message, PromptTooLong, Sampling
from generation.openai_connection import Connection, listed, refusal
from generation.openai_errors import Refused, from_answer, from_transport
from generation.openai_wire import Delta, Dialect, read
from generation.openai_words import redacted, words
from generation.server_sent_events import BrokenEvents, events
from generation.settings import GenerationSettings

LOG = logging.getLogger(__name__)
FIRST_PAUSE = 0.5
"""Seconds before the second attempt, where the remote does not say how many; each further pause is twice as long."""
LONGEST_REFUSAL = 64 * 1024
LAST_BYTES_SECONDS = 0.1


class Closing(Exception):
    """This side is shutting down."""


class RemoteStream:
    """Asks one remote engine, any number of questions at a time."""

    def __init__(self, connection: Connection, dialect: Dialect, settings: GenerationSettings) -> None:
        self._connection, self._dialect, self._model = connection, dialect, settings.model_path or ""
        self._first_seconds = settings.remote_first_token_seconds
        self._next_seconds = settings.remote_next_token_seconds
        self._retries = settings.remote_retries
        self._client = httpx.AsyncClient(**connection.options(None))
        self._waiting: set[asyncio.Timeout] = set()
        self.closed = False

    async def deltas(self, messages: Sequence[Message], sampling: Sampling, limit: int | None) -> AsyncGenerator[Delta, None]:
        """Yield what the remote says, to its end; raises `GenerationError`, and `Closing` after `close`."""
        until = asyncio.get_running_loop().time() + self._first_seconds
        late = f"The remote engine gave no first token within {self._first_seconds:g} s."
        async with self._within(until, late):
            response = await self._open(messages, sampling, limit, until)
        try:
            async with aclosing(events(response.aiter_bytes())) as found, aclosing(self._read(found, until, late)) as deltas:
                async for delta in deltas:
                    yield delta
        finally:
            await response.aclose()

    async def close(self) -> None:
        """End all streams with `Closing`, and give up all connections."""
        self.closed = True
        for limit in self._waiting:
            limit.reschedule(asyncio.get_running_loop().time())
        await self._client.aclose()

    async def _read(self, found: AsyncGenerator[str, None], until: float, late: str) -> AsyncGenerator[Delta, None]:
        whole = False
        try:
            while (data := await self._next(found, until, late)) not in (None, "[DONE]"):
                delta = read(str(data))
                whole = whole or delta.finish_reason is not None
                if delta.moved or whole:
                    until = asyncio.get_running_loop().time() + self._next_seconds
                    late = f"The remote engine went silent for {self._next_seconds:g} s in the middle of its answer."
                yield delta
        except EngineFailed:
            if not whole:  # else nothing is missing but the usage
                raise
        else:
            await _drain(found)

    async def _next(self, found: AsyncGenerator[str, None], until: float, late: str) -> str | None:
        try:
            async with self._within(until, late):
                data = await anext(found, None)
        except BrokenEvents as error:
            raise EngineFailed(f"The remote engine {error} in the middle of its answer.") from error
        except httpx.HTTPError as error:
            raise EngineFailed("The connection to the remote engine was lost in the middle of its answer.") from error
        if data is None:
            return None
        return data.replace(self._connection.key, "***").strip() if self._connection.key else data.strip()

    @asynccontextmanager
    async def _within(self, until: float, late: str) -> AsyncIterator[None]:
        """Raise `EngineFailed` with the words `late` when the time of the loop is `until`, `Closing` after `close`."""
        if self.closed:
            raise Closing
        try:
            async with asyncio.timeout_at(until) as limit:
                self._waiting.add(limit)
                try:
                    yield
                finally:
                    self._waiting.discard(limit)
        except TimeoutError as error:
            raise (Closing() if self.closed else EngineFailed(late)) from error

    async def _open(self, messages: Sequence[Message], sampling: Sampling, limit: int | None, until: float) -> httpx.Response:
        """Return the answer's stream, after as many attempts as there may be and is time for."""
        failures = 0
        while True:
            body = self._dialect.body(messages, sampling, limit)
            try:
                return await self._ask(body)
            except Refused as refused:
                room = _room(refused.error)
                if room and (limit is None or room < limit):
                    limit = room  # the prompt has more tokens than it was thought to have
                    continue
                if lacking := self._dialect.learn(refused.said, body):
                    LOG.warning("The remote engine refuses %s; it is asked without from now on.", lacking)
                    continue
                pause = None if refused.wait is None else refused.wait or FIRST_PAUSE * 2**failures
                if failures == self._retries or pause is None or asyncio.get_running_loop().time() + pause >= until:
                    LOG.warning("%s: %s", self._connection.base, refused)
                    raise refused.error from refused
                failures += 1
                await asyncio.sleep(pause)

    async def _ask(self, body: Mapping[str, Any]) -> httpx.Response:
        """Return the response whose body is the stream; raises `Refused`."""
        content = json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        url = f"{self._connection.base}/chat/completions"
        try:
            response = await self._client.send(
                self._client.build_request("POST", url, content=content, headers=headers), stream=True
            )
            if response.status_code == 200 and _kind(response) == "text/event-stream":
                return response
            try:
                raise await self._refusal(response)
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise from_transport(error) from error

    async def _refusal(self, response: httpx.Response) -> Refused:
        said = await _beginning(response)
        if response.status_code == 404 and (models := await self._models()) and self._model not in models:
            return Refused(EngineFailed(refusal(self._model, models)))
        if response.status_code != 200:
            return from_answer(response.status_code, response.headers, said, self._connection.key)
        with suppress(ValueError, RecursionError):
            if why := redacted(words(json.loads(said)), self._connection.key):
                return Refused(EngineFailed(f"The remote engine refuses the question: {why}."))
        kind = redacted(_kind(response), self._connection.key) or "something"
        return Refused(EngineFailed(f"The remote engine answers with {kind} instead of a stream. Is its address right?"))

    async def _models(self) -> Mapping[str, int | None]:
        """Return the models that the remote has now; none where it cannot be asked."""
        try:
            return listed((await self._client.get(f"{self._connection.base}/models")).json())
        except (httpx.HTTPError, ValueError, RecursionError):
            return {}


async def _drain(found: AsyncGenerator[str, None]) -> None:
    """Read the last bytes behind the answer, so that the connection can serve the next question."""
    with suppress(TimeoutError, BrokenEvents, httpx.HTTPError):
        async with asyncio.timeout(LAST_BYTES_SECONDS):
            async for _ in found:
                """What comes behind the end is nobody's."""


async def _beginning(response: httpx.Response) -> str:
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > LONGEST_REFUSAL:
            break
    return body.decode("utf-8", "replace")


def _kind(response: httpx.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _room(error: GenerationError) -> int | None:
    """Return how long the answer may be, if the remote has refused only its length."""
    if isinstance(error, PromptTooLong) and error.prompt_tokens < error.context_length:
        return error.context_length - error.prompt_tokens
    return None
