"""A small real server of OpenAI's chat completions over the echo engine: uvicorn on loopback, in a thread of its own."""

import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from generation.base import Message, Sampling, Usage
from generation.echo_backend import EchoGenerator
from generation.settings import GenerationSettings

MODEL = "org/echo"


class EchoServer:
    """Serves one echo engine; `requests` holds the bodies that came, `engine` counts what it does."""

    def __init__(self, context: int, delay: float = 0.0, key: str | None = None) -> None:
        settings = {"backend": "echo", "echo_context": context, "echo_delay": delay, "max_concurrent": 100}
        self.engine = EchoGenerator(GenerationSettings.model_validate(settings))
        self.key = key
        self.requests: list[dict[str, Any]] = []
        self.url = ""
        routes = [Route("/v1/models", self._models), Route("/v1/chat/completions", self._complete, methods=["POST"])]
        self.app = Starlette(routes=routes)

    def _refused(self, request: Request) -> Response | None:
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return JSONResponse({"error": {"message": f"Incorrect API key: {request.headers.get('authorization')}"}}, 401)
        return None

    async def _models(self, request: Request) -> Response:
        card = {"id": MODEL, "object": "model", "max_model_len": self.engine.context_length}
        return self._refused(request) or JSONResponse({"object": "list", "data": [card]})

    async def _complete(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append(body)
        return self._refused(request) or StreamingResponse(self._events(body), media_type="text/event-stream")

    async def _events(self, body: dict[str, Any]) -> AsyncIterator[str]:
        prompt = self.engine.render([Message(turn["role"], turn["content"]) for turn in body["messages"]])
        sampling = Sampling(max_tokens=body.get("max_tokens"), stop=tuple(body.get("stop", ())))
        yield _event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
        async with aclosing(self.engine.stream(prompt, sampling)) as pieces:
            async for piece in pieces:
                choice = {"index": 0, "delta": {"content": piece.text}, "finish_reason": piece.finish_reason}
                yield _event({"choices": [choice]})
                if piece.usage:
                    yield _event({"choices": [], "usage": _usage(piece.usage)})
        yield "data: [DONE]\n\n"


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps({'object': 'chat.completion.chunk', **value})}\n\n"


def _usage(usage: Usage) -> dict[str, int]:
    return {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}


@contextmanager
def serving(echo: EchoServer) -> Iterator[EchoServer]:
    """Serve `echo` on a free port until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(echo.app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    echo.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    try:
        yield echo
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
