"""How a setting gets its value: precedence, both flag forms, and one sentence for each mistake."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import Field

from configs.settings import ENVIRONMENT_PREFIX, LONG_DASHES, Settings, SettingsError, load, parser


class Toy(Settings):
    """A room with one setting of each kind."""

    title: ClassVar[str] = "toy"

    port: int = Field(8000, ge=1, le=65535, description="a number, 100% of the time")
    heat: float = Field(0.5, ge=0, le=2, description="a fraction")
    listen: bool = Field(False, description="a switch")
    backend: str = Field("echo", description="a word")
    precision: Literal["fp32", "bf16"] | None = Field(None, description="a choice")
    folder: Path = Field(Path("data"), description="a path")
    served_name: tuple[str, ...] = Field((), description="a list")
    api_key: tuple[str, ...] = Field((), description="a secret", json_schema_extra={"secret": True})
    pin: int | None = Field(None, description="a secret number", json_schema_extra={"secret": True})


def toy(*arguments: str, **environment: str) -> Toy:
    return load(Toy, arguments, {ENVIRONMENT_PREFIX + name: value for name, value in environment.items()}, "toy.py")


def refusal(*arguments: str, **environment: str) -> str:
    with pytest.raises(SettingsError) as caught:
        toy(*arguments, **environment)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith((".", "?"))
    return sentence


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


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
    ("text", "name", "value"),
    [
        ("", "port", 8000),
        ("# nothing\n", "port", 8000),
        ("port: null\n", "port", 8000),
        ("port: '9000'\n", "port", 9000),
        ("listen: yes\n", "listen", True),
        ("served_name: a\n", "served_name", ("a",)),
        ("served_name: [a, b]\n", "served_name", ("a", "b")),
        ("served-name:\n- a\n", "served_name", ("a",)),
        ("\ufeffport: 9000\n", "port", 9000),
    ],
)
def test_yaml(file: Path, text: str, name: str, value: object) -> None:
    file.write_text(text, encoding="utf-8")
    assert getattr(toy(f"--config={file}"), name) == value


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
        (["--config=/not/there.yaml"], {}, ["--config /not/there.yaml", "No such file"]),
        ([], {"CONFIG": "/not/there.yaml"}, ["CHAT_LLM_WEBUI_CONFIG /not/there.yaml"]),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(arguments: list[str], environment: dict[str, str], words: list[str]) -> None:
    sentence = refusal(*arguments, **environment)
    assert [word for word in words if word not in sentence] == [], sentence


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prot: 1\n", ["settings.yaml", "'prot'", "did you mean port?"]),
        ("port: 70000\n", ["settings.yaml: port:", "65535", "'70000'"]),
        ("port: [1]\n", ["settings.yaml: port:"]),
        ("port: {a: 1}\n", ["settings.yaml: port:"]),
        ("config: other.yaml\n", ["'config'"]),
        ("1: x\n", ["1 is no setting"]),
        ("- a\n- b\n", ["key: value", "list"]),
        ("just words\n", ["key: value", "str"]),
        ("port: 'open\n", ["not YAML", "line 2"]),
        ("\tport: 1\n", ["not YAML", "line 1, column 1"]),
        ("port: 2020-13-45\n", ["not YAML"]),
        ("a: " + "[" * 20_000, ["not YAML"]),
        ("port: !!python/object/apply:os.system ['true']\n", ["not YAML"]),
        ("port: \x00\n", ["not YAML"]),
    ],
)
def test_a_mistake_in_the_file_names_the_file(file: Path, text: str, words: list[str]) -> None:
    file.write_text(text)
    sentence = refusal(f"--config={file}")
    assert [word for word in words if word not in sentence] == [], sentence
    assert len(sentence) < 500


def test_a_file_that_is_not_text(file: Path) -> None:
    file.write_bytes(b"port: \xff\xfe\n")
    assert "not UTF-8" in refusal(f"--config={file}")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "Is a directory" in refusal(f"--config={tmp_path}")


SECRET = "sesame-4711"


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


@pytest.mark.parametrize(
    "line", [f"pin: {SECRET}", f"api_key: '{SECRET}", f"api_key: {{{SECRET}: 1}}", f"api_key: [[{SECRET}]]"]
)
def test_a_secret_in_the_file_is_never_shown(file: Path, line: str) -> None:
    file.write_text(line)
    assert SECRET not in refusal(f"--config={file}")


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


def test_settings_do_not_change() -> None:
    settings: Any = toy()
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1
