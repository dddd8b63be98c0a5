"""Between a run and the client that asked for it: read whole or as it comes, and stop the model when the client leaves.

Knows no protocol: a door gives the bytes. Source: ASGI 3.0 (`http.disconnect`), wire.md section 5.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from assistant.citations import Mender, mend
from assistant.errors import AnswerTimeout, RunError
from assistant.run import Run

LOG = logging.getLogger(__name__)


class Answering(Protocol):
    """What is waited for and stopped: a run, or several that are answered together."""

    id: str

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""

    async def begun(self) -> None:
        """Return when it no longer waits; raises its error if it failed by then."""

    async def wait(self) -> None:
        """Return when it has ended; raises its error if it failed."""

    def cancel(self, reason: RunError | None = None) -> None:
        """Stop the model; with a `reason` its readers are told why."""


def text_of(run: Run) -> str:
    """Return the answer so far, without citations that no passage stands for."""
    return mend(run.text, len(run.sources)) if run.mode == "knowledge" else run.text


async def whole(request: Request, run: Answering, seconds: float) -> None:
    """Return when `run` has ended, within `seconds` of its turn; raises its error. Cancels it when the client has gone."""
    async with _reader(request.receive, run):
        await run.begun()  # the wait for its turn has a limit of its own
        with _limit(run, seconds):
            await run.wait()


async def begun(request: Request, run: Answering) -> None:
    """Return when the turn of `run` has come; raises its error by then. Cancels it when the client has gone.

    What comes before a `StreamedAnswer`: a client can leave the line as well.
    """
    try:
        async with _watched(request.receive, run):
            await run.begun()
    except BaseException:
        run.cancel()
        raise


async def deltas(run: Run) -> AsyncGenerator[str, None]:
    """Yield the new text as it comes, together `text_of(run)`; what came while the reader was busy comes as one.

    Raises the run's error at its end if it failed.
    """
    mender = Mender(len(run.sources) if run.mode == "knowledge" else 0)
    async with aclosing(run.batches()) as batches:
        async for pieces in batches:
            text = mender.feed("".join(piece.text for piece in pieces))
            if text:
                yield text
    rest = mender.end()
    if rest:
        yield rest


@asynccontextmanager
async def answered(run: Run, seconds: float) -> AsyncIterator[None]:
    """Enter when the turn of `run` has come; it ends `seconds` after that, and when we leave. Raises its error by then.

    For connections that outlive an answer; whoever watches them cancels the task that is in here.
    """
    try:
        await run.begun()
        with _limit(run, seconds):
            yield
    finally:
        run.cancel()


class StreamedAnswer(Response):
    """A response whose `chunks` follow `run`, for at most `seconds`; ends the run when its client leaves.

    Make it after `await begun(request, run)`, so that a question whose turn never comes still gets a status. The chunks must
    tell an error of the run in words of their protocol: nothing else can be told once the response has begun. A client
    that reads slowly holds back `chunks`, not the run, whose text is bounded.
    """

    def __init__(
        self,
        run: Answering,
        chunks: AsyncGenerator[bytes, None],
        seconds: float,
        media_type: str,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(media_type=media_type, headers={"X-Accel-Buffering": "no"} | (headers or {}))
        del self.headers["content-length"]
        self._run, self._chunks, self._seconds = run, chunks, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        async with _reader(receive, self._run), aclosing(self._chunks) as chunks:
            with _limit(self._run, self._seconds):
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                async for chunk in chunks:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def _reader(receive: Receive, run: Answering) -> AsyncIterator[None]:
    """Stop the model when the client has gone, or when we leave for any other reason."""
    try:
        async with _watched(receive, run):
            yield
    finally:
        run.cancel()


@asynccontextmanager
async def _watched(receive: Receive, run: Answering) -> AsyncIterator[None]:
    """Stop the model when the client goes while we are in here."""

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if not run.done:
            LOG.info("499: the client of answer %s left before its end.", run.id)
        run.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    finally:
        watcher.cancel()


class _limit:  # reads as a sentence where it is used
    """Ends a run that takes longer than `seconds`; its readers are told why."""

    def __init__(self, run: Answering, seconds: float) -> None:
        self._run, self._seconds = run, seconds

    def __enter__(self) -> None:
        reason = AnswerTimeout(f"The answer took longer than {self._seconds:g} s (--request-timeout).")
        self._handle = asyncio.get_running_loop().call_later(self._seconds, self._run.cancel, reason)

    def __exit__(self, *_: object) -> None:
        self._handle.cancel()
