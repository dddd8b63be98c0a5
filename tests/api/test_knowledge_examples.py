"""The examples for knowledge and MCP, as a reader runs them."""

import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server_process import ENVIRONMENT, PATIENCE, ROOT, Server


def run(name: str, *arguments: str, status: int = 0) -> str:
    line = [sys.executable, "-W", "ignore", str(ROOT / "examples" / name), *arguments]
    done = subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout if not status else done.stderr


def test_documents_are_added_searched_and_asked(echo_server: Server, tmp_path: Path) -> None:
    document = tmp_path / "tigers.md"
    document.write_text("# Tigers\n\nA tiger is the largest living cat.", encoding="utf-8")
    base = f"example {secrets.token_hex(4)}"
    said = run("knowledge.py", echo_server.url, base, "largest cat", str(document))
    assert "tigers.md: completed" in said and "tigers.md: A tiger is the largest living cat." in said
    said = run("knowledge.py", echo_server.url, base, "largest cat")
    assert said.count("tigers.md") == 1
    said = run("mcp_client.py", echo_server.url, "largest cat", base)
    assert said.startswith("tools: kb_list, kb_search, kb_ask\n") and "tigers.md: A tiger is the largest living cat." in said
    assert "no knowledge base" in run("mcp_client.py", echo_server.url, "largest cat", "plants", status=1)


@pytest.mark.parametrize("name", ["knowledge.py", "mcp_client.py"])
def test_without_arguments_they_say_how_they_are_used(name: str) -> None:
    assert "Usage: python" in run(name, status=1)
