"""schemathesis against our own OpenAPI document: what it allows and what it forbids, on every address of a live server."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.server_process import PATIENCE, Server

CONFIG = """
[checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 409, 413, 415, 450]
"""


@pytest.mark.parametrize(
    "flags",
    [
        ("--checks=not_a_server_error,unsupported_method",),
        # Of queries only: they may hold what nobody knows, as everywhere.
        ("--checks=not_a_server_error,negative_data_rejection", "--exclude-method=GET"),
    ],
    ids=["every address lives", "what is wrong is refused"],
)
def test_the_document_is_true(echo_server: Server, tmp_path: Path, flags: tuple[str, ...]) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    program = [str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(config), "run"]
    limits = ["--max-examples=6", "--phases=coverage,fuzzing", "--seed=1", "--no-color"]
    line = [*program, f"{echo_server.url}/openapi.json", *flags, *limits]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=4 * PATIENCE, check=False)
    assert done.returncode == 0, done.stdout[-8000:]
    assert echo_server.get("/healthz")[0] == 200
