"""`doctor`: what it finds of packages, machine, model, data, port and keys, and with which fix."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM

from api.settings import ServerSettings
from cli import machine, packages, server
from cli.__main__ import main
from cli.finding import Finding
from configs.settings import ENVIRONMENT_PREFIX
from generation.base import ModelUnusable
from generation.machine import Accelerators, Gpu, _limit, accelerators, memory, weight_bytes
from knowledge.lock import FolderLock
from tests.cli.conftest import ROOT, Program
from tests.generation.openai_server import MODEL, EchoServer, serving

GIB = 2**30
CPU = Accelerators(None, "cpu", "bfloat16", ())


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(ENVIRONMENT_PREFIX):
            monkeypatch.delenv(name)


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    yield free


def named(found: Iterator[Finding], name: str) -> Finding:
    return next(finding for finding in found if finding.name == name)


def settings(tmp_path: Path, **values: Any) -> ServerSettings:
    return ServerSettings.model_validate({"data_dir": tmp_path / "data", "min_free_disk": 0, **values})


def test_all_is_well(program: Program, tiny_llama: Path, tmp_path: Path, port: int) -> None:
    line = [f"--model-path={tiny_llama}", f"--data-dir={tmp_path}", f"--port={port}", "--min-free-disk=0"]
    result = program("doctor", *line)
    assert result.returncode == 0, result.stdout
    rows = {row.split()[1]: row.split()[0] for row in result.stdout.splitlines() if not row.startswith(" ")}
    assert rows.keys() >= {"python", "GPU", "memory", "disk", "model", "data", "port"}
    assert "wrong" not in rows.values()
    as_json = json.loads(program("doctor", "--json", *line).stdout)
    assert as_json["ok"] is True
    assert {finding["name"] for finding in as_json["findings"]} >= {"python", "model", "port"}


def test_what_is_wrong_has_its_fix_and_an_exit_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", f"--model-path={tmp_path}", f"--data-dir={tmp_path}", "--json"]) == 1
    whole = json.loads(capsys.readouterr().out)
    assert whole["ok"] is False
    assert [found["name"] for found in whole["findings"] if found["level"] == "wrong"] == ["model"]
    assert all(found["fix"] for found in whole["findings"] if found["level"] != "ok")


def test_a_wrong_setting_is_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--prot=1"]) == 2
    assert "did you mean --port?" in capsys.readouterr().out
    assert main(["doctor", "--json", "--backend=openai"]) == 2
    assert "--api-base" in json.loads(capsys.readouterr().out)["findings"][0]["detail"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with nothing but what names the packages."""
    shutil.copy(ROOT / "constraints.txt", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_package_that_is_missing_old_or_untested(checkout: Path) -> None:
    here = version("pydantic")
    (checkout / "constraints.txt").write_text(f"pydantic=={here}\nuvicorn==0.54.99\n")
    assert not [found for found in packages.findings(checkout) if found.name == "package pydantic"]
    untested = named(packages.findings(checkout), "package uvicorn")
    assert (untested.level, untested.detail) == ("warning", f"{version('uvicorn')}, tested with 0.54.99")
    _edit(checkout / "pyproject.toml", "pydantic>=2.14,<3", "pydantic>=2.0,<2.1")
    _edit(checkout / "pyproject.toml", "pyyaml>=6,<7", "no-such-package>=1")
    assert named(packages.findings(checkout), "package pydantic").level == "wrong"
    absent = named(packages.findings(checkout), "package no-such-package")
    assert (absent.level, absent.detail) == ("wrong", "not installed, needed >=1")
    assert absent.fix.startswith(sys.executable)


def test_packages_that_are_all_there(checkout: Path) -> None:
    _edit(checkout / "pyproject.toml", 'requires-python = ">=3.11"', 'requires-python = ">=4"')
    text = (checkout / "pyproject.toml").read_text()
    begin, _, rest = text.partition("dependencies = [")
    (checkout / "pyproject.toml").write_text(f'{begin}dependencies = ["pytest"{rest[rest.index("]") :]}')
    (checkout / "constraints.txt").write_text("")
    found = list(packages.findings(checkout))
    assert [(finding.name, finding.level) for finding in found] == [("python", "wrong"), ("packages", "ok")]


@pytest.mark.parametrize(
    ("seen", "driver", "level", "words"),
    [
        (CPU, False, "ok", "none; a model computes on the cpu in bfloat16"),
        (CPU, True, "warning", "torch is a build for CPUs"),
        (Accelerators("13.0", "cpu", "float32", ()), True, "warning", "torch wants CUDA 13.0"),
        (Accelerators("13.0", "cuda", "bfloat16", (Gpu("H100", 70 * GIB, 80 * GIB),)), True, "ok", "H100 (70.0 of 80.0"),
    ],
)
def test_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seen: Accelerators, driver: bool, level: str, words: str) -> None:
    monkeypatch.setattr(machine, "accelerators", lambda: seen)
    monkeypatch.setattr(machine, "nvidia_driver", lambda: driver)
    found = named(machine.findings(settings(tmp_path)), "GPU")
    assert (found.level, words in found.detail) == (level, True)
    assert bool(found.fix) == (level != "ok")


def test_a_torch_that_does_not_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so.13 is not there')")
    monkeypatch.setattr("generation.machine._LOOK", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import torch")
    found = named(machine.findings(settings(tmp_path)), "GPU")
    assert (found.level, "libcudart.so.13 is not there" in found.detail) == ("wrong", True)
    with pytest.raises(ModelUnusable, match="libcudart"):
        accelerators()


def test_this_machine() -> None:
    seen = accelerators()
    assert seen.device in ("cpu", "cuda", "mps")
    assert seen.precision in ("bfloat16", "float16", "float32")
    found = memory()
    assert found is None or 0 < found[0] <= found[1]


@pytest.mark.parametrize(
    ("part", "level", "words"), [(2, "ok", "the weights take"), (1.1, "warning", "tight"), (0.9, "wrong", "are free")]
)
def test_memory_for_the_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_llama: Path, part: float, level: str, words: str
) -> None:
    free = int(weight_bytes(tiny_llama, "bfloat16") * part)
    monkeypatch.setattr(machine, "memory", lambda: (free, 2 * free))
    for seen in (CPU, Accelerators("13.0", "cuda", "bfloat16", (Gpu("small", free, free),))):
        monkeypatch.setattr(machine, "accelerators", lambda seen=seen: seen)
        found = named(machine.findings(settings(tmp_path, model_path=str(tiny_llama))), "memory")
        assert (found.level, words in found.detail, "GPU memory" in found.detail) == (level, True, bool(seen.gpus))


def test_the_weights_of_a_folder(tiny_llama: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_llama)
    assert weight_bytes(tiny_llama, "fp32") == 4 * sum(weight.numel() for weight in model.parameters())
    assert weight_bytes(tiny_llama, "fp32") == 2 * weight_bytes(tiny_llama, "bf16") == 8 * weight_bytes(tiny_llama, "int4")


def test_memory_without_a_model_or_a_system_that_tells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "accelerators", lambda: CPU)
    monkeypatch.setattr(machine, "memory", lambda: (3 * GIB, 4 * GIB))
    assert named(machine.findings(settings(tmp_path, model_path="none")), "memory").detail == "3.0 of 4.0 GiB free"
    monkeypatch.setattr(machine, "memory", lambda: None)
    assert named(machine.findings(settings(tmp_path)), "memory").level == "warning"


@pytest.mark.parametrize(("most", "limit"), [("max\n", None), ("1000\n", (700, 1000)), ("200\n", (0, 200))])
def test_the_limit_of_a_container(tmp_path: Path, most: str, limit: tuple[int, int] | None) -> None:
    assert _limit(tmp_path) is None
    (tmp_path / "memory.max").write_text(most)
    (tmp_path / "memory.current").write_text("500\n")
    (tmp_path / "memory.stat").write_text("anon 100\ninactive_file 200\n")
    assert _limit(tmp_path) == limit


def test_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "accelerators", lambda: CPU)
    full = named(machine.findings(settings(tmp_path, min_free_disk=10**9)), "disk")
    assert (full.level, "uploads stop below" in full.detail) == ("wrong", True)
    assert named(machine.findings(settings(tmp_path)), "disk").level == "ok"


@pytest.mark.parametrize(
    ("values", "level", "words"),
    [
        ({"model_path": "none"}, "warning", "only Retrieval answers"),
        ({"backend": "echo"}, "ok", "by the engine echo"),
        ({"model_path": "/not/there"}, "wrong", "cannot be served"),
    ],
)
def test_model(tmp_path: Path, values: dict[str, Any], level: str, words: str) -> None:
    found = named(server.findings(settings(tmp_path, **values)), "model")
    assert (found.level, words in found.detail, bool(found.fix)) == (level, True, level != "ok")


def test_a_model_by_its_hub_id(tmp_path: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generation.hub.locate", lambda *_: None)
    found = named(server.findings(settings(tmp_path, model_path="tiny/llama")), "model")
    assert (found.level, found.fix) == ("warning", "chat-llm-webui prepare tiny/llama, beforehand")
    monkeypatch.setattr("generation.hub.locate", lambda *_: tiny_llama)
    assert named(server.findings(settings(tmp_path, model_path="tiny/llama")), "model").level == "ok"


def test_a_reranker(tmp_path: Path) -> None:
    assert "reranker" not in [found.name for found in server.findings(settings(tmp_path))]
    found = named(server.findings(settings(tmp_path, reranker_path=str(tmp_path / "nowhere"))), "reranker")
    assert (found.level, "no such folder" in found.detail, bool(found.fix)) == ("wrong", True, True)


def test_a_remote_engine_is_asked(tmp_path: Path) -> None:
    with serving(EchoServer(256)) as echo:
        there = settings(tmp_path, backend="openai", api_base=echo.url, model_path=MODEL)
        assert named(server.findings(there), "model").detail == f"{MODEL}, by the engine openai"
    gone = named(server.findings(there), "model")
    assert (gone.level, "cannot be reached" in gone.fix) == ("wrong", True)


def test_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "can be made" in named(server.findings(settings(tmp_path)), "data folder").detail
    data = tmp_path / "data"
    data.mkdir()
    assert "can be written" in named(server.findings(settings(tmp_path)), "data folder").detail
    lock = FolderLock(data / server.LOCK)
    lock.acquire()
    busy = named(server.findings(settings(tmp_path)), "data folder")
    assert (busy.level, f"process {os.getpid()}" in busy.detail) == ("warning", True)
    lock.release()
    assert "no server has it" in named(server.findings(settings(tmp_path)), "data folder").detail
    (tmp_path / "file").touch()
    odd = named(server.findings(settings(tmp_path, data_dir=tmp_path / "file" / "data")), "data folder")
    assert (odd.level, "cannot be written" in odd.detail) == ("wrong", True)


def test_the_port(tmp_path: Path, port: int) -> None:
    assert named(server.findings(settings(tmp_path, port=port)), "port").level == "ok"
    with socket.create_server(("127.0.0.1", port)) as taken:
        taken.settimeout(0)
        found = named(server.findings(settings(tmp_path, port=port)), "port")
    assert (found.level, "--port" in found.fix) == ("wrong", True)


def test_a_port_that_a_server_of_this_program_has(tmp_path: Path, port: int) -> None:
    line = [
        sys.executable,
        str(ROOT / "api" / "api_server.py"),
        "--backend=echo",
        f"--port={port}",
        f"--data-dir={tmp_path / 'd'}",
    ]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        assert "http" in process.stdout.readline()
        found = named(server.findings(settings(tmp_path, port=port)), "port")
        assert (found.level, "answers there already" in found.detail) == ("warning", True)
    finally:
        process.terminate()
        process.communicate()


def test_keys(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("secret")
    file.chmod(0o644)
    values = {"listen": True, "remote_key_file": file, "backend": "echo"}
    found = [finding for finding in server.findings(settings(tmp_path, **values)) if finding.name == "keys"]
    assert [finding.fix for finding in found] == ["--api-key-file FILE", f"chmod 600 {file}"]
    file.chmod(0o600)
    calm = server.findings(settings(tmp_path, **values, api_key=("key",)))
    assert [finding for finding in calm if finding.name == "keys"] == []


def test_the_knobs_of_an_autoscaler_are_shown(tmp_path: Path) -> None:
    found = named(server.findings(settings(tmp_path, backend="echo", min_workers=2, max_idle_time=30)), "scaling")
    assert (found.level, found.detail.startswith("2 to 5 servers, 1 more at a time")) == ("ok", True)
    assert "after 30 s" in found.detail
