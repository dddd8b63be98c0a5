"""Fixtures of the generation room: one tiny checkpoint a session, and every backend ready to answer."""

import shutil
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from generation.settings import BACKENDS, GenerationSettings, backend
from tests.generation.openai_server import MODEL, EchoServer, serving
from tests.tiny_llama import make_tiny_llama

CONTEXT = 256
INSTALLED = [name for name in sorted(BACKENDS) if name != "vllm" or find_spec("vllm")]
"""vLLM has an environment of its own: `make test-vllm` runs there what is not collected elsewhere."""
collect_ignore = [] if "vllm" in INSTALLED else ["test_vllm_generator.py"]
if "vllm" in INSTALLED:
    with warnings.catch_warnings(action="ignore"):  # of torch and vLLM about each other, once, when they are imported
        import_module("generation.vllm_generator")
EAGER = ("enforce_eager=true", "kv_cache_memory_bytes=67108864")
"""For vLLM: no compilation, which takes longer than all tests, and 64 MiB for keys and values."""


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("models") / "tiny-llama", context=CONTEXT)


@pytest.fixture
def llama_copy(tiny_llama: Path, tmp_path: Path) -> Path:
    """A model folder that a test may break."""
    return Path(shutil.copytree(tiny_llama, tmp_path / "model"))


class Reports(list[tuple[str, float | None]]):
    """A `Report` that remembers."""

    def __call__(self, stage: str, part: float | None = None) -> None:
        self.append((stage, part))


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture(scope="session")
def echo_server() -> Iterator[EchoServer]:
    """The remote engine of the contract."""
    with serving(EchoServer(CONTEXT)) as echo:
        yield echo


def with_wide_heads(tiny_llama: Path) -> Path:
    """Return the folder of a tiny Llama beside `tiny_llama` that vLLM's CPU kernels can compute."""
    folder = tiny_llama.with_name("tiny-llama-2-heads")
    return folder if folder.exists() else make_tiny_llama(folder, context=CONTEXT, heads=2)


def settings_of(name: str, tiny_llama: Path, api_base: str = "", **more: Any) -> GenerationSettings:
    paths: dict[str, dict[str, Any]] = {
        "transformers": {"model_path": str(tiny_llama), "precision": "fp32"},
        "vllm": {"precision": "fp32", "engine_arg": EAGER},
        "echo": {"echo_context": CONTEXT},
        "openai": {"api_base": api_base, "model_path": MODEL},
    }
    if name == "vllm":
        more = {"model_path": str(with_wide_heads(tiny_llama)), **more}
    return GenerationSettings.model_validate({"backend": name, **paths.get(name, {}), **more})


@pytest.fixture
def started(tiny_llama: Path, echo_server: EchoServer, reports: Reports) -> Callable[..., Any]:
    """Return a context manager: `async with started(name) as generator`."""

    @asynccontextmanager
    async def start(name: str, **more: Any) -> AsyncIterator[Any]:
        engine = backend(settings_of(name, tiny_llama, echo_server.url, **more))
        engine.check()
        generator = engine.load(reports)
        try:
            yield generator
        finally:
            await generator.close()

    return start


@pytest.fixture(params=INSTALLED)
def backend_name(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param
