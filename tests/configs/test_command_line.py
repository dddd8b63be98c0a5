"""Flags in both forms, the dashes of articles, and the help."""

from pathlib import Path

import pytest

from configs.command_line import LONG_DASHES, parser
from configs.settings import ENVIRONMENT_PREFIX
from tests.configs.toy import Toy, refusal, toy


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--port=9000"], "port", 9000),
        (["--port", "9000"], "port", 9000),
        (["--port=1", "--port=2"], "port", 2),
        (["--heat=0.25"], "heat", 0.25),
        (["--listen"], "listen", True),
        (["--listen=true"], "listen", True),
        (["--listen=false"], "listen", False),
        (["--listen", "false"], "listen", False),
        (["--listen", "--port=1"], "listen", True),
        (["--backend=a=b"], "backend", "a=b"),
        (["--backend", "two words"], "backend", "two words"),
        (["--backend=x—y"], "backend", "x—y"),
        (["--precision=bf16"], "precision", "bf16"),
        (["--folder=/x/y"], "folder", Path("/x/y")),
        (["--served-name=a"], "served_name", ("a",)),
        (["--served-name=a", "--served-name", "b,c"], "served_name", ("a", "b,c")),
    ],
)
def test_flags(arguments: list[str], name: str, value: object) -> None:
    assert getattr(toy(*arguments), name) == value


@pytest.mark.parametrize("dash", LONG_DASHES)
@pytest.mark.parametrize(
    "arguments",
    [
        ["{dash}backend=vllm"],
        ["{dash}{dash}backend=vllm"],
        ["{dash}-backend=vllm"],
        ["{dash} backend=vllm"],
        ["{dash}", "backend=vllm"],
        ["{dash}", "backend", "=", "vllm"],
        ["{dash} backend = vllm"],
        ["--port=1", "{dash}", "backend=vllm", "{dash}", "listen"],
        ["{dash}backend=vllm", "--listen"],
    ],
)
def test_long_dashes_of_articles(dash: str, arguments: list[str]) -> None:
    sentence = refusal(*(argument.format(dash=dash) for argument in arguments))
    assert "long dash" in sentence
    assert "type '--backend=vllm'" in sentence


def test_a_long_dash_before_a_value() -> None:
    assert "type '--backend=vllm'" in refusal("--backend=—vllm")


def test_help_mentions_every_field_and_its_default() -> None:
    text = parser(Toy, "toy.py").format_help()
    for name in Toy.model_fields:
        assert f"--{name.replace('_', '-')}" in text
    for word in ("fp32, bf16", "default: 8000", "repeatable", "100% of the time", "toy:", f"{ENVIRONMENT_PREFIX}PORT"):
        assert word in text


def test_help_ends_the_program_well(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        toy("--help")
    assert ended.value.code == 0
    assert "--port NUMBER" in capsys.readouterr().out
