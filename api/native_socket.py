"""The native protocol over a WebSocket: a conversation on one connection, in version 2 or 1.

Version 2: text frames that joined are the answer (`?format=json`: cumulative objects), then `<EOS>`; history and system
prompt stay with the connection. Version 1: one frame, no `<EOS>`, and an answer even for a client that has sent Close.
Source: the old service's articles and clients, `docs/api/native.md`.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api import json_body, native_v1_answer, native_v1_request
from api.answering import answered, deltas, text_of
from api.errors import INTERNAL, BadRequest, Fault, TooManyConnections, TooManyConnectionsOfOne, fault, row
from api.native_answer import Turn, error_body
from api.native_fields import sound
from api.native_memory import Memory, Standing
from api.native_request import NativeBody, fields, validate
from api.native_v1_request import V1Body, is_v1
from api.principal import principal
from api.settings import ServerSettings
from api.websocket_inbox import Inbox
from api.websocket_seats import Seats
from assistant.assistant import Assistant, Question
from assistant.run import Run

LOG = logging.getLogger(__name__)
EOS = "<EOS>"
STANDING = {"system_prompt", "history"}
"""Fields that a message may bring without a question."""
CLOSE_IDLE, CLOSE_FLOOD = 1000, 1008


class NativeSocket:
    """The ASGI application of the WebSocket; holds the count of its connections."""

    def __init__(self, assistant: Assistant, settings: ServerSettings, refuse: Callable[[Fault], Response]) -> None:
        self._assistant, self._settings, self._refuse = assistant, settings, refuse
        self._seats = Seats(settings.max_websockets, settings.max_websockets_each)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        connection = HTTPConnection(scope)
        who = principal(connection, bool(self._settings.keys))
        as_json = connection.query_params.get("format") == "json"
        await receive()  # "websocket.connect"
        try:
            with self._seats.seat(who):
                await send({"type": "websocket.accept"})
                await Conversation(self._assistant, self._settings, who, as_json, receive, send).hold()
        except (TooManyConnections, TooManyConnectionsOfOne) as error:
            await self._refuse(fault(error))(scope, receive, send)


class Conversation:
    """One connection: its version, once its first message has told, and what version 2 remembers."""

    def __init__(
        self, assistant: Assistant, settings: ServerSettings, who: str, as_json: bool, receive: Receive, send: Send
    ) -> None:
        self._assistant, self._settings, self._who = assistant, settings, who
        self._as_json, self._send = as_json, send
        self._version: int | None = None
        self._memory = Memory()
        # A client of version 2 that closes has left; one of version 1 waits for its answer.
        self._inbox: Inbox[NativeBody | V1Body] = Inbox(
            receive, settings.websocket_queue, self._parse, lambda: self._version != 2
        )

    async def hold(self) -> None:
        """Answer until the client has gone or has nothing more to ask; what is in work or waits then is given up."""
        reading, answering = asyncio.create_task(self._inbox.read()), asyncio.create_task(self._answer_all())
        try:
            await asyncio.wait({reading, answering}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done() and reading.result():
                await self._close(CLOSE_FLOOD, "too many messages")
        finally:
            reading.cancel()
            answering.cancel()
            await asyncio.wait({reading, answering})
        error = None if answering.cancelled() else answering.exception()
        if error is not None and not isinstance(error, ClientDisconnect | OSError):
            raise error

    def _parse(self, text: str) -> NativeBody | V1Body:
        if not text.strip():
            raise BadRequest("The message is empty: send the question, or JSON with a field prompt.", "prompt")
        values, _ = fields(text)
        first = values is not None and is_v1(values)
        self._version = self._version or (1 if first else 2)
        if first != (self._version == 1):
            raise BadRequest(f"This connection speaks version {self._version}, as its first message did.")
        if values is None:
            return NativeBody(prompt=sound(text))
        if first:
            return native_v1_request.validate(values)
        if "prompt" not in values and STANDING & values.keys():
            return json_body.validate(Standing, values)
        return validate(values)

    async def _answer_all(self) -> None:
        while True:
            try:
                message = await self._inbox.next(self._settings.websocket_idle)
            except TimeoutError:
                return await self._close(CLOSE_IDLE, "idle")
            if message is None:
                return None
            await self._answer_one(message)

    async def _answer_one(self, message: NativeBody | V1Body | Exception) -> None:
        """Answer a message, with an answer or an error."""
        try:
            if isinstance(message, Exception):
                raise message
            await (self._answer_v1(message) if isinstance(message, V1Body) else self._answer_v2(message))
        except ClientDisconnect:
            raise
        except Exception as error:  # of the message, or of any engine
            if row(error) is INTERNAL:
                LOG.exception("a message was not answered")
            await self._say(json.dumps(error_body(fault(error)), ensure_ascii=False))
        if self._version != 1:
            await self._say(EOS)

    async def _answer_v1(self, body: V1Body) -> None:
        run = await self._ask(body.question)
        async with answered(run, self._settings.request_timeout):
            await run.wait()
        await self._say(native_v1_answer.html(body.input_ids, text_of(run)))

    async def _answer_v2(self, message: NativeBody) -> None:
        body = self._memory.recall(message)
        if isinstance(body, Standing):
            return
        run = await self._ask(body.question)
        async with answered(run, self._settings.request_timeout), aclosing(self._frames(body, run)) as frames:
            async for frame in frames:
                await self._say(frame)
        self._memory.keep(body, text_of(run))

    def _frames(self, body: NativeBody, run: Run) -> AsyncGenerator[str, None]:
        turn = Turn(body.history, body.prompt, run)
        if "use_stream_chat" in body.model_fields_set and not body.stream:
            return _one(run, lambda: json.dumps(turn.whole(), ensure_ascii=False) if self._as_json else text_of(run))
        return turn.chunks() if self._as_json else _plain(run)

    async def _ask(self, question: Question) -> Run:
        return await self._assistant.ask(replace(question, principal=self._who))

    async def _say(self, text: str) -> None:
        try:
            await self._send({"type": "websocket.send", "text": text})
        except OSError as error:  # how ASGI says that nobody reads any more
            raise ClientDisconnect from error

    async def _close(self, code: int, reason: str) -> None:
        await self._send({"type": "websocket.close", "code": code, "reason": reason})


async def _one(run: Run, text: Callable[[], str]) -> AsyncGenerator[str, None]:
    """Yield one frame when the answer is whole."""
    await run.wait()
    yield text()


async def _plain(run: Run) -> AsyncGenerator[str, None]:
    """Yield the new text as it comes; what would read as the end of the answer comes in two frames."""
    async with aclosing(deltas(run)) as parts:
        async for part in parts:
            if part == EOS:
                yield part[:1]
                part = part[1:]
            yield part
