"""The settings of the whole server: the generated file, the help, keys, and what is refused at the start."""

import getpass
import socket
from pathlib import Path

import pytest
import yaml

from api.settings import ROOT, ServerSettings, read
from configs.command_line import parser
from configs.settings import ENVIRONMENT_PREFIX, SettingsError
from configs.settings_file import write_default
from generation.settings import BACKENDS

DEFAULT = ROOT / "configs" / "default.yaml"


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ServerSettings.model_fields:
        monkeypatch.delenv(ENVIRONMENT_PREFIX + name.upper(), raising=False)


def refusal(*arguments: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read(arguments, "api_server.py")
    return str(caught.value)


def test_default_yaml_is_not_stale() -> None:
    assert DEFAULT.read_text(encoding="utf-8") == write_default(ServerSettings), "run `make default-config`"


def test_default_yaml_knows_no_machine() -> None:
    text = DEFAULT.read_text(encoding="utf-8")
    assert str(ROOT) not in text
    assert str(Path.home()) + "/" not in text
    assert socket.gethostname() not in text.split()
    assert getpass.getuser() not in text.split()


def test_default_yaml_uncommented_is_the_default(tmp_path: Path) -> None:
    lines = DEFAULT.read_text(encoding="utf-8").splitlines()
    names = tuple(f"# {name}: " for name in ServerSettings.model_fields)
    copy = tmp_path / "copy.yaml"
    copy.write_text("\n".join(line.removeprefix("# ") for line in lines if line.startswith(names)))
    assert set(yaml.safe_load(copy.read_text())) == set(ServerSettings.model_fields) - {"config"}
    settings = read([f"--config={copy}"], "api_server.py")
    assert settings.model_copy(update={"config": None}) == read([], "api_server.py")


def test_help_mentions_every_field() -> None:
    text = " ".join(parser(ServerSettings, "api_server.py").format_help().split())
    assert [name for name in ServerSettings.model_fields if f"--{name.replace('_', '-')} " not in text] == []
    assert [name for name, field in ServerSettings.model_fields.items() if not field.description] == []
    assert "better in --api-key-file" in text


def test_the_data_folder_is_absolute() -> None:
    assert read([], "api_server.py").data_dir == ROOT / "data"
    assert read(["--data-dir=/x"], "api_server.py").data_dir == Path("/x")


@pytest.mark.parametrize(("flag", "address"), [([], "127.0.0.1"), (["--listen"], "0.0.0.0"), (["--listen=false"], "127.0.0.1")])
def test_address(flag: list[str], address: str) -> None:
    assert read(flag, "api_server.py").address == address


def test_keys_come_from_flag_environment_and_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "keys"
    file.write_text("\ufeffone\n\n  # a comment\n two \none\n", encoding="utf-8")
    assert read([f"--api-key-file={file}"], "api_server.py").api_key == ("one", "two")
    monkeypatch.setenv(ENVIRONMENT_PREFIX + "API_KEY", "three, four")
    assert read([f"--api-key-file={file}"], "api_server.py").api_key == ("three", "four", "one", "two")
    assert read([f"--api-key-file={file}", "--api-key=five"], "api_server.py").api_key == ("five", "one", "two")


def test_administrators_keys_let_in_too(tmp_path: Path) -> None:
    file = tmp_path / "admins"
    file.write_text("boss\n", encoding="utf-8")
    settings = read([f"--admin-key-file={file}", "--admin-key=chief", "--api-key=user"], "api_server.py")
    assert (settings.api_key, settings.admin_key, settings.keys) == (("user",), ("chief", "boss"), ("user", "chief", "boss"))
    assert refusal("--admin-key-file=/not/there").startswith("--admin-key-file /not/there cannot be read")


@pytest.mark.parametrize("key", ["", " ", "two words", "schlüssel", "a\tb", "钥匙"])
def test_a_key_that_no_header_can_carry(key: str) -> None:
    sentence = refusal(f"--api-key={key}")
    assert "--api-key" in sentence
    assert not key.strip() or key not in sentence


@pytest.mark.parametrize(("content", "words"), [(b"", "holds no key"), (b"# only\n", "holds no key"), (b"\xff\xfe", "UTF-8")])
def test_a_key_file_without_keys(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "keys"
    file.write_bytes(content)
    assert words in refusal(f"--api-key-file={file}", "--api-key=given")


def test_a_key_file_that_is_not_there() -> None:
    assert refusal("--api-key-file=/not/there") == "--api-key-file /not/there cannot be read: No such file or directory."


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--backend=vlm", ", ".join(BACKENDS)),
        ("--model-type=lama", "llama2"),
        ("--precision=fp64", "'bf16'"),
        ("--root-path=api", "/api/predict/NAME"),
        ("--root-path=/a?b", "/api/predict/NAME"),
        ("--chunk-overlap=150", "--chunk-overlap 150"),
        ("--allowed-host=http://name", "host name alone"),
        ("--allowed-host=name:8000", "host name alone"),
        ("--allowed-host=", "host name alone"),
        ("--allowed-origin=name", "https://name:port"),
        ("--allowed-origin=null", "https://name:port"),
        ("--allowed-origin=*", "https://name:port"),
        ("--allowed-origin=https://name/page", "https://name:port"),
        ("--port=0", "--port"),
    ],
)
def test_impossible_values(flag: str, words: str) -> None:
    sentence = refusal(flag)
    assert words in sentence
    assert flag.split("=")[0] in sentence


def test_hosts_and_origins_are_kept_in_one_form() -> None:
    settings = read(["--allowed-host=Chat.Example.", "--allowed-host=fe80::1", "--allowed-origin=HTTPS://App.Example/"], "x")
    assert settings.allowed_host == ("chat.example", "fe80::1")
    assert settings.allowed_origin == ("https://app.example",)
    assert read(["--root-path=/api/x/"], "x").root_path == "/api/x"
