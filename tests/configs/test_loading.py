"""How a setting gets its value: precedence, variables, and one sentence for each mistake, with no secret in it."""

from pathlib import Path
from typing import Any

import pytest

from configs.loading import load
from tests.configs.toy import SECRET, Toy, refusal, toy


def test_each_origin_wins_over_the_one_before(file: Path) -> None:
    assert toy().port == 8000
    file.write_text("port: 1001\n")
    assert toy(f"--config={file}").port == 1001
    assert toy(f"--config={file}", PORT="1002").port == 1002
    assert toy(f"--config={file}", "--port=1003", PORT="1002").port == 1003


def test_a_file_named_by_the_environment_is_read(file: Path) -> None:
    file.write_text("port: 1001\n")
    assert toy(CONFIG=str(file)).port == 1001


def test_a_flag_names_another_file_than_the_environment(file: Path, tmp_path: Path) -> None:
    file.write_text("port: 1001\n")
    other = tmp_path / "other.yaml"
    other.write_text("port: 1004\n")
    assert toy(f"--config={other}", CONFIG=str(file)).port == 1004


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("PORT", "9000", "port", 9000),
        ("LISTEN", "true", "listen", True),
        ("LISTEN", "0", "listen", False),
        ("SERVED_NAME", "a,b", "served_name", ("a", "b")),
        ("SERVED_NAME", "a, b", "served_name", ("a", "b")),
    ],
)
def test_variables(variable: str, text: str, name: str, value: object) -> None:
    assert getattr(toy(**{variable: text}), name) == value


def test_variables_of_others_are_none_of_ours() -> None:
    assert load(Toy, [], {"PORT": "x", "CHAT_LLM": "x"}, "toy.py") == Toy()


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["--prot=1"], {}, ["'--prot'", "toy.py", "did you mean --port?"]),
        (["--servedname", "x"], {}, ["'--servedname'", "--served-name?"]),
        (["--port=1", "--zzzzzzz"], {}, ["'--zzzzzzz'", "--help"]),
        (["-p", "1"], {}, ["'-p'"]),
        (["stray"], {}, ["flags only"]),
        ([], {"PROT": "1"}, ["CHAT_LLM_WEBUI_PROT", "did you mean CHAT_LLM_WEBUI_PORT?"]),
        (["--port"], {}, ["--port", "expected one argument"]),
        (["--port=99999"], {}, ["--port:", "65535", "'99999'"]),
        (["--port=-1"], {}, ["--port:", "greater than or equal to 1", "'-1'"]),
        (["--port=1.5"], {}, ["--port:", "integer", "'1.5'"]),
        (["--port="], {}, ["--port:", "integer"]),
        (["--heat=nan"], {}, ["--heat:"]),
        (["--listen=maybe"], {}, ["--listen:", "boolean", "'maybe'"]),
        (["--precision=fp12"], {}, ["--precision:", "'fp32' or 'bf16'", "'fp12'"]),
        ([], {"PORT": "0"}, ["CHAT_LLM_WEBUI_PORT:", "'0'"]),
        (["--folder=~nobody-of-this-name/x"], {}, ["--folder:", "there is no home folder ~nobody-of-this-name"]),
        (["--config=~nobody-of-this-name/x.yaml"], {}, ["--config ~nobody-of-this-name/x.yaml", "there is no home folder"]),
        (["--config=/not/there.yaml"], {}, ["--config /not/there.yaml", "No such file"]),
        ([], {"CONFIG": "/not/there.yaml"}, ["CHAT_LLM_WEBUI_CONFIG /not/there.yaml"]),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(arguments: list[str], environment: dict[str, str], words: list[str]) -> None:
    sentence = refusal(*arguments, **environment)
    assert [word for word in words if word not in sentence] == [], sentence


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        ([f"--pin={SECRET}"], {}),
        (["--pin", SECRET], {}),
        (["--api-key", "half", SECRET], {}),
        ([f"--api-kye={SECRET}"], {}),
        ([f"—api-key={SECRET}"], {}),
        (["—", "api-key", "=", SECRET], {}),
        (["—", "api-key", SECRET], {}),
        ([f"--api-key=—{SECRET}"], {}),
        ([], {"PIN": SECRET}),
        ([], {"API_KYE": SECRET}),
    ],
)
def test_a_secret_is_never_shown(arguments: list[str], environment: dict[str, str]) -> None:
    assert SECRET not in refusal(*arguments, **environment)


def test_settings_do_not_change() -> None:
    settings: Any = toy()
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1
