"""The whole server with `--backend=vllm`: a question over HTTP, a reader that leaves, Ctrl+C, and an engine that dies.

Collected only where vLLM is installed: `make test-vllm`.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.live import Live, listening
from tests.assistant.conftest import until
from tests.generation.conftest import EAGER
from tests.server_process import API, Server
from tests.test_launch import descendants, running
from tests.tiny_llama import make_tiny_llama

FLAGS = ("--backend=vllm", "--precision=fp32", *(f"--engine-arg={pair}" for pair in EAGER))
PATIENCE = 600.0
"""Seconds, so that a broken test ends: three processes import vLLM one after the other, on a machine that may be busy."""
LONG = {"prompt": "Hello", "max_new_tokens": 2000, "temperature": 0.5, "seed": 1}


@pytest.fixture(scope="session")
def long_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("models") / "tiny-llama", context=4096, heads=2)


@pytest.fixture
def process(long_llama: Path, tmp_path: Path) -> Iterator[Server]:
    """The server as a process, on its way to be ready."""
    started = Server(tmp_path, API, *FLAGS, f"--model-path={long_llama}")
    started.patience = PATIENCE
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait(PATIENCE)


async def test_a_question_over_http_and_a_reader_that_leaves(make: Callable[..., Any], long_llama: Path) -> None:
    server: Live = await make(loaded=False, backend="vllm", model_path=str(long_llama), precision="fp32", engine_arg=EAGER)
    await until(lambda: server.engine.state.phase in ("ready", "failed"), seconds=PATIENCE)
    generator = server.engine.generator
    async with listening(server.app) as port, httpx.AsyncClient(base_url=f"http://localhost:{port}", timeout=120) as client:
        answer = await client.post("/", json={"prompt": "hello", "max_new_tokens": 5, "temperature": 0})
        assert answer.status_code == 200
        assert 0 < answer.json()["usage"]["completion_tokens"] <= 5
        assert (await client.get("/readyz")).json()["model"]["state"] == "ready"
        before = generator.measures().generated_tokens_total
        leaving = asyncio.create_task(client.post("/", json=LONG))
        await until(lambda: generator.measures().generated_tokens_total > before + 5)
        assert generator.measures().active == 1
        leaving.cancel()
        await until(lambda: generator.measures().active == 0)
        await until(lambda: generator._engine.get_num_unfinished_requests() == 0)  # type: ignore[attr-defined]
        assert generator.measures().generated_tokens_total < before + 2000
        assert (await client.post("/", json={"prompt": "hello", "max_new_tokens": 5})).status_code == 200


def test_an_engine_that_dies_twice_ends_the_server(process: Server) -> None:
    process.wait()
    kill_engine(process)
    process.until(lambda: process.get("/readyz")[0] == 503)
    assert json.loads(process.get("/readyz")[1])["model"]["state"] == "loading"
    assert process.get("/healthz")[0] == 200
    process.wait()
    assert process.get("/", b'{"prompt": "hello", "max_new_tokens": 5}')[0] == 200
    kill_engine(process)
    assert process.process.wait(PATIENCE) == 6
    assert "api_server.py: The vLLM engine has died" in process.log.read_text()


def test_ctrl_c_ends_the_server_and_not_the_engine_first(process: Server) -> None:
    process.wait()
    started = descendants(process.process.pid)
    for pid in started | {process.process.pid}:  # a terminal sends it to all
        os.kill(pid, signal.SIGINT)
    assert process.process.wait(PATIENCE) == 0
    log = process.log.read_text()
    assert "died" not in log
    assert "Exception ignored" not in log
    assert_gone(started)


def test_a_signal_while_vllm_starts_leaves_no_process(process: Server) -> None:
    process.until(lambda: bool(engine_processes(process)))
    started = descendants(process.process.pid)
    assert process.stop() == 0
    assert_gone(started)


def test_a_killed_server_leaves_no_engine(process: Server) -> None:
    process.wait()
    started = descendants(process.process.pid)
    process.process.kill()
    process.process.wait(PATIENCE)
    assert_gone(started)


def assert_gone(processes: set[int]) -> None:
    """Wait until they have ended: those below the server end a moment after it."""
    end = time.monotonic() + PATIENCE
    while any(map(running, processes)):
        assert time.monotonic() < end, "a process outlived its server"
        time.sleep(0.05)


def engine_processes(server: Server) -> list[int]:
    """Return vLLM's engine core, the process that the server starts (and that starts the workers)."""
    return [pid for pid in descendants(server.process.pid) if "EngineCore" in command(pid)]


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""  # it has ended meanwhile


def kill_engine(server: Server) -> None:
    for pid in engine_processes(server):
        os.kill(pid, signal.SIGKILL)
