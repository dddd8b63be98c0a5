"""Our own short clients of the native protocol and of EverAI, run as somebody would."""

import subprocess
import sys

import pytest

from tests.server_process import PATIENCE, ROOT, Server


def run(server: Server, name: str, *arguments: str, lines: str = "") -> str:
    line = [sys.executable, str(ROOT / "examples" / name), server.url, *arguments]
    done = subprocess.run(line, input=lines, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("native_stream.py", "You said: Hello <you>\n(7 tokens)\n"),
        ("native_v1.py", "Hello <you>\nYou said: Hello <you>\n"),
        ("everai_chat.py", "Hello <you>\nYou said: Hello <you>\n"),
    ],
)
def test_a_question(echo_server: Server, name: str, expected: str) -> None:
    assert run(echo_server, name, "Hello <you>") == expected


def test_a_conversation(echo_server: Server) -> None:
    assert run(echo_server, "native_websocket.py", lines="one\n\ntwo\n") == "You said: one\nYou said: two\n"
