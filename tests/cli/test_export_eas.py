"""`export-eas`: the JSON on one output, what is left to do on the other, and mistakes in one sentence."""

import json
import os

import pytest

from cli.__main__ import main
from configs.settings import ENVIRONMENT_PREFIX
from tests.cli.conftest import Program

SECRET = "sesame-4711"


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(ENVIRONMENT_PREFIX):
            monkeypatch.delenv(name)


def test_the_json_and_the_notes(program: Program) -> None:
    line = ["--name=chat", "--listen", "--model-path=/models/qwen", "--model-oss", "oss://b/q/", "--request-timeout", "30"]
    result = program("export-eas", *line, "--instance-type=ecs.gn6i", "--without-page", CHAT_LLM_WEBUI_API_KEY=SECRET)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {
        "name": "chat",
        "containers": [
            {
                "image": "chat-llm-webui:gpu",
                "port": 8000,
                "script": "python api/api_server.py --model-path=/models/qwen --listen=true",
            }
        ],
        "metadata": {"name": "chat", "instance": 1, "rpc": {"keepalive": 30000, "max_queue_size": 128}},
        "cloud": {"computing": {"instance_type": "ecs.gn6i"}},
        "storage": [
            {
                "oss": {"path": "oss://b/q/", "readOnly": True},
                "properties": {"resource_type": "model"},
                "mount_path": "/models/qwen",
            }
        ],
    }
    assert SECRET not in result.stdout + result.stderr
    (note,) = result.stderr.splitlines()
    assert "--api-key is secret and was left out" in note
    assert "CHAT_LLM_WEBUI_API_KEY" in note


def test_what_is_left_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export-eas", "--model-path=/models/qwen"]) == 0
    notes = capsys.readouterr().err
    assert "--listen is not set" in notes
    assert "--model-oss" in notes


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["--prot=1"], "did you mean --port?"),
        (["--name=Chat LLM"], "--name must be"),
        (["--name"], "--name"),
        (["--max-workers=0"], "--max-workers"),
        (["--config=/not/there.json"], "cannot be read"),
    ],
)
def test_a_wrong_line(capsys: pytest.CaptureFixture[str], line: list[str], words: str) -> None:
    assert main(["export-eas", *line]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert words in shown.err
    assert len(shown.err.splitlines()) == 1


def test_help_names_its_own_flags_and_the_servers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export-eas", "--help"]) == 0
    shown = capsys.readouterr().out
    assert [flag for flag in ("--model-oss", "--without-page", "--model-path", "--port") if flag not in shown] == []
