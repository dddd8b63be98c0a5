"""The program itself: help, unknown commands, and nothing heavy before it is needed."""

import re
import sys
from pathlib import Path

import pytest

from cli import __main__
from cli.__main__ import COMMANDS, main
from tests.cli.conftest import ROOT, Program

HEAVY = {"gradio", "torch", "fastapi", "transformers", "sentence_transformers", "faiss", "uvicorn", "numpy", "vllm", "httpx"}


@pytest.mark.parametrize(
    "line",
    [("--help",), ("-h",), ("help",), ("prepare", "--help"), ("doctor", "--help"), ("knowledge", "--help"), ("prepare",)],
)
def test_help_and_a_wrong_line_need_nothing_heavy(program: Program, line: tuple[str, ...]) -> None:
    result = program(*line, options=("-X", "importtime"))
    assert result.returncode == (2 if line == ("prepare",) else 0)
    names = {found.strip().split(".")[0] for found in re.findall(r"^import time:.*\|(.*)$", result.stderr, re.MULTILINE)}
    assert names & HEAVY == set()
    if line != ("prepare",):
        assert "usage: chat-llm-webui" in result.stdout


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert [name for name in COMMANDS if f"  {name} " not in shown] == []
    assert main([]) == 2


@pytest.mark.parametrize(
    ("word", "hint"), [("prepar", "did you mean prepare?"), ("Doctor", "did you mean doctor?"), ("x", "prepare, doctor")]
)
def test_an_unknown_command(capsys: pytest.CaptureFixture[str], word: str, hint: str) -> None:
    assert main([word]) == 2
    assert hint in capsys.readouterr().err


def test_a_command_without_its_package(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__main__.COMMANDS, "prepare", ("no_such_package.module", ""))
    assert main(["prepare"]) == 2
    shown = capsys.readouterr().err
    assert "no_such_package is not installed" in shown
    assert f"{sys.executable} -m pip install" in shown


def test_ctrl_c_is_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.prepare.run", stop)
    assert main(["prepare"]) == 130


def test_the_script_is_this_program() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'chat-llm-webui = "cli.__main__:main"' in project
    assert Path(__main__.__file__ or "") == ROOT / "cli" / "__main__.py"
