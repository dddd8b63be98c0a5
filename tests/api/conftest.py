"""Fixtures: the application of any settings, each in a data folder of its own."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from api.settings import ServerSettings
from tests.api.live import Live, live
from tests.server_process import API, Server, serving

# vLLM has an environment of its own: `make test-vllm`.
collect_ignore = [] if find_spec("vllm") else ["test_vllm_server.py"]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Return a function that starts the application with these settings; all are ended with the test."""
    async with AsyncExitStack() as stack:

        async def start(page: Any = None, loaded: bool = True, **values: Any) -> Live:
            values = {"backend": "echo", "data_dir": tmp_path / "data", "min_free_disk": 0, "chunk_overlap": 0} | values
            return await stack.enter_async_context(live(ServerSettings.model_validate(values), page, loaded))

        yield start


@pytest.fixture
async def server(make: Callable[..., Any]) -> Live:
    made: Live = await make()
    return made


@pytest.fixture(scope="package")
def echo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server process with the echo engine for all tests of clients; whoever stores documents takes a base of its own.

    It ends with this package: tests elsewhere look whether any child process was left behind.
    """
    with serving(tmp_path_factory.mktemp("echo"), API, "--backend=echo") as server:
        yield server


@pytest.fixture(scope="package")
def starter_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same with the built-in model."""
    with serving(tmp_path_factory.mktemp("starter")) as server:
        yield server
