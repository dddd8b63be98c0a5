"""The file of settings: what YAML may say, and one sentence for each mistake in it."""

from pathlib import Path

import pytest

from tests.configs.toy import SECRET, refusal, toy


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


@pytest.mark.parametrize(
    "line", [f"pin: {SECRET}", f"api_key: '{SECRET}", f"api_key: {{{SECRET}: 1}}", f"api_key: [[{SECRET}]]"]
)
def test_a_secret_in_the_file_is_never_shown(file: Path, line: str) -> None:
    file.write_text(line)
    assert SECRET not in refusal(f"--config={file}")
