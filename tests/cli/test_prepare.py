"""`prepare`: a model from a folder, from a hub and from its cache; and what is refused."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from cli.__main__ import main
from tests.cli.conftest import Program
from tests.cli.hub_server import COMMIT, hub_of

Change = Callable[[Path], Any]
MODEL = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


def sums(folder: Path) -> dict[str, str]:
    lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def test_a_folder_is_checked_in_place(tiny_llama: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(path.name for path in tiny_llama.iterdir())
    assert main(["prepare", str(tiny_llama), "--precision=fp32"]) == 0
    shown = capsys.readouterr()
    assert "256 tokens of context" in shown.out
    assert f"--model-path '{tiny_llama}'" in shown.out
    assert "checking weights" in shown.err
    assert sorted(path.name for path in tiny_llama.iterdir()) == before


def test_a_folder_is_copied_with_checksums(llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (llama / "README.md").write_text("not needed")
    to = tmp_path / "to" / "there"
    assert main(["prepare", str(llama), "--to", str(to)]) == 0
    assert {path.name for path in to.iterdir()} == MODEL | {"SHA256SUMS"}
    assert sums(to) == {name: hashlib.sha256((llama / name).read_bytes()).hexdigest() for name in MODEL}
    (to / "tokenizer_config.json").write_text("{}")
    assert main(["prepare", str(to)]) == 4
    assert "damaged or was changed" in capsys.readouterr().err
    assert main(["prepare", str(to), "--to", str(to)]) == 4, "the older checksums count"


def test_a_folder_gets_its_checksums_in_place(llama: Path) -> None:
    assert main(["prepare", str(llama), "--to", str(llama)]) == 0
    assert sums(llama).keys() == MODEL


def test_from_the_hub_to_a_folder_and_then_without_it(program: Program, llama: Path, tmp_path: Path) -> None:
    for name in ("pytorch_model.bin", "modeling.py", "README.md"):
        (llama / name).write_text("not to be taken")
    to, cache = tmp_path / "to", tmp_path / "cache"
    with hub_of(llama) as server:
        known = {"HF_ENDPOINT": server.url, "HF_HOME": str(cache), "HF_HUB_DISABLE_XET": "1"}
        result = program("prepare", "tiny/llama", "--to", str(to), "--precision=fp32", **known)
        asked = list(server.asked)
    assert result.returncode == 0, result.stderr
    assert "downloading model.safetensors" in result.stderr
    assert {path.name for path in to.iterdir()} == MODEL | {"SHA256SUMS"}
    assert not [path for path in asked if "bin" in path or "modeling" in path or "README" in path]
    offline = program("prepare", str(to), "--precision=fp32", HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE="1")
    assert offline.returncode == 0, offline.stderr


def test_from_the_hub_into_its_cache_and_from_there(program: Program, tiny_llama: Path, tmp_path: Path) -> None:
    cache, to = tmp_path / "cache", tmp_path / "to"
    with hub_of(tiny_llama) as server:
        known = {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1"}
        result = program("prepare", "tiny/llama", f"--hub-cache={cache}", **known)
    assert result.returncode == 0, result.stderr
    assert COMMIT in result.stdout
    # Its branch is looked up by the hub library through `refs`, which a download by commit does not write.
    (cache / "models--tiny--llama" / "refs").mkdir(exist_ok=True)
    (cache / "models--tiny--llama" / "refs" / "main").write_text(COMMIT)
    line = ("prepare", "tiny/llama", f"--hub-cache={cache}", "--to", str(to))
    result = program(*line, HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE="1")
    assert result.returncode == 0, result.stderr
    assert not any(path.is_symlink() for path in to.iterdir())


def test_a_download_that_is_not_what_the_hub_says(program: Program, tiny_llama: Path, tmp_path: Path) -> None:
    with hub_of(tiny_llama) as server:
        server.digests["model.safetensors"] = "0" * 64
        known = {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": "1"}
        result = program("prepare", "tiny/llama", "--to", str(tmp_path / "to"), **known)
    assert result.returncode == 4
    assert "model.safetensors is damaged or was changed" in result.stderr


def test_a_hub_that_is_not_there(program: Program, tmp_path: Path) -> None:
    result = program(
        "prepare", "tiny/llama", "--to", str(tmp_path / "to"), HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(tmp_path)
    )
    assert result.returncode == 4
    assert "hf download tiny/llama" in result.stderr
    assert "Traceback" not in result.stderr


def _not_numbers(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"].fill_(float("nan"))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _too_large(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"].fill_(3e38)
    tensors["lm_head.weight"].fill_(1e3)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (shutil.rmtree, "does not exist"),
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x"), "model.safetensors is"),
        (lambda folder: (folder / "evil.py").touch(), "Python code"),
        (lambda folder: (folder / "SHA256SUMS").write_text(f"{'0' * 64}  config.json\n"), "damaged"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "tokenizer"),
        (_not_numbers, "no numbers in model.norm.weight"),
        (_too_large, "computes values that are no numbers"),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_served(llama: Path, change: Change, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    change(llama)
    assert main(["prepare", str(llama), "--precision=fp32"]) == 4
    shown = capsys.readouterr()
    assert words in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "evil.py").touch(), "Python code"),
        (lambda folder: (folder / "SHA256SUMS").write_text(f"{'0' * 64}  config.json\n"), "damaged"),
    ],
)
def test_a_bad_folder_is_not_copied(
    llama: Path, tmp_path: Path, change: Change, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(llama)
    assert main(["prepare", str(llama), "--to", str(tmp_path / "to")]) == 4
    assert words in capsys.readouterr().err
    assert list((tmp_path / "to").iterdir()) == []


def test_a_disk_that_is_full(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    assert main(["prepare", str(tiny_llama), "--to", str(tmp_path / "to")]) == 4
    assert "0.0 GiB free" in capsys.readouterr().err


def test_a_place_that_cannot_be_written(tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["prepare", str(tiny_llama), "--to", str(tmp_path / "file" / "to")]) == 4
    assert "cannot be written" in capsys.readouterr().err


def test_a_family_for_a_model_without_a_template(llama: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = json.loads((llama / "tokenizer_config.json").read_text())
    (llama / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": "{{ nonsense("}))
    assert main(["prepare", str(llama)]) == 4
    assert "chat template cannot be used" in capsys.readouterr().err
    assert torch.is_inference_mode_enabled() is False
