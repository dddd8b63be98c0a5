"""Every example in `docs/api/` is run, page by page, against a server of its own, and prints what the page says.

A block of bash or Python is run as it stands but for the port; a block `output` behind it is what it must print, to the
letter (`...` stands for any text). All blocks of a page share one folder, so that a page can make the file it uploads.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server_process import API, ENVIRONMENT, PATIENCE, ROOT, Server, serving

PAGES = sorted((ROOT / "docs" / "api").glob("*.md"))
BLOCK = re.compile(r"^```(bash|python|output)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORT = "127.0.0.1:8000"


def blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def run(kind: str, code: str, folder: Path, server: Server) -> str:
    """Return what a block prints; a failing one fails the test with its words."""
    code = code.replace(PORT, f"127.0.0.1:{server.port}")
    line = ["bash", "-euo", "pipefail", "-c", code] if kind == "bash" else [sys.executable, "-W", "ignore", "-c", code]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        line,
        cwd=folder,
        env=ENVIRONMENT | {"PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"{code}\n{done.stdout.decode()}\n{done.stderr.decode()}"
    return done.stdout.decode()


def same(printed: str, shown: str) -> bool:
    """Whether `printed` is `shown`; spaces at the ends of lines do not count, and `\0` is not visible on a page."""
    lines = [line.rstrip() for line in printed.replace("\0", "").strip().splitlines()]
    pattern = "\n".join(line.rstrip() for line in shown.strip().splitlines())
    return re.fullmatch(re.escape(pattern).replace(re.escape("..."), ".*?"), "\n".join(lines), re.DOTALL) is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page(page: Path, tmp_path: Path) -> None:
    found = blocks(page)
    assert found, "a page without an example"
    with serving(tmp_path, API, "--backend=echo") as server:
        printed = ""
        for kind, code in found:
            if kind == "output":
                assert same(printed, code), f"the page says:\n{code}\nprinted was:\n{printed}"
            else:
                printed = run(kind, code, tmp_path, server)
