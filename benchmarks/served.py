"""The product's engine behind its whole server: an OpenAI completion over HTTP, streamed, in the process that measures.

The client is this process too, and as bare as can be, so that the CPU time is nearly all the server's. The tokenizer of
`random_llama` has a token for each letter, so a prompt of so many ids is sent as so many letters.
"""

import asyncio
import json
import random
import string
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn

from api.app import build
from api.settings import ServerSettings
from generation.engine import Engine
from knowledge.library import Library

PORT = 18620


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Callable[[Sequence[int], int], Awaitable[int]]]:
    """Serve the model; gives the function that asks it."""
    with tempfile.TemporaryDirectory() as data:
        chosen = {"model_path": str(folder), "precision": "bf16", "kv_memory": 1.0, "prompt_lookup": 0}
        limits = {"port": PORT, "data_dir": Path(data), "served_model_name": ("m",), "max_runs_each": 256}
        settings = ServerSettings.model_validate({**chosen, **limits})
        engine, library = Engine(settings), Library(settings)
        engine.check()
        library.open()
        server = uvicorn.Server(uvicorn.Config(build(settings, engine, library), port=PORT, log_level="warning", http="h11"))
        serving = asyncio.create_task(server.serve())
        while engine.state.phase == "loading":
            await asyncio.sleep(0.05)
        yield ask
        server.should_exit = True
        await serving


async def ask(ids: Sequence[int], new: int) -> int:
    """Ask for `new` tokens after a prompt of as many tokens as `ids`; returns how many came."""
    text = "".join(random.Random(str(ids)).choices(string.ascii_letters, k=len(ids)))  # a prompt, no secret
    fields = {"model": "m", "prompt": text, "max_tokens": new, "temperature": 0, "stream": True}
    body = json.dumps(fields | {"stream_options": {"include_usage": True}}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answer = await reader.read()
    writer.close()
    if not answer.startswith(b"HTTP/1.1 200"):
        raise SystemExit(answer.decode(errors="replace"))
    return int(answer.rpartition(b'"completion_tokens":')[2].lstrip().split(b",")[0].split(b"}")[0])
