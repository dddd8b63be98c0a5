"""Fixtures of the terminal: the program as a process, and a tiny model."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from configs.settings import ENVIRONMENT_PREFIX
from tests.tiny_llama import make_tiny_llama

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 300.0
"""Seconds; only so that a broken test ends."""

Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("models") / "tiny-llama", context=256)


@pytest.fixture
def llama(tiny_llama: Path, tmp_path: Path) -> Path:
    """A model folder that a test may break."""
    return Path(shutil.copytree(tiny_llama, tmp_path / "model"))


@pytest.fixture
def program() -> Program:
    """Return a function that runs `python -m cli` to its end."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}

    def run(*line: str, options: tuple[str, ...] = (), **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *options, "-m", "cli", *line],
            cwd=ROOT, env={**plain, **environment}, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip

    return run
