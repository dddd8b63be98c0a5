"""Where a model lies: folders, paths that are missing, hub ids cached, reachable, unreachable."""

import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

from generation import hub
from generation.base import ModelUnusable
from tests.generation.conftest import Reports

COMMIT = "0123456789012345678901234567890123456789"


@pytest.fixture
def cache(tiny_llama: Path, tmp_path: Path) -> Path:
    """A hub cache that holds `tiny/llama`."""
    repository = tmp_path / "cache" / "models--tiny--llama"
    shutil.copytree(tiny_llama, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    return tmp_path / "cache"


def model_info(monkeypatch: pytest.MonkeyPatch, result: Any) -> list[Any]:
    asked: list[Any] = []

    def play(_: Any, model_id: str, **options: Any) -> Any:
        asked.append((model_id, options["timeout"]))
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", play)
    return asked


def test_a_folder_is_itself(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hub.locate(str(tiny_llama)) == tiny_llama
    monkeypatch.chdir(tiny_llama.parent)
    assert hub.locate("tiny-llama") == Path("tiny-llama")


@pytest.mark.parametrize("path", ["./nope", "/no/such/folder", "~/no-such-folder", "a/b/c", "..", "has space", "a//b", ""])
def test_a_missing_path_is_told_and_not_looked_up(path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = model_info(monkeypatch, RuntimeError("asked"))
    folder = tmp_path / "file"
    folder.write_text("")
    with pytest.raises(ModelUnusable, match="--model-path"):
        hub.locate(path if path not in ("..", "") else str(folder))
    assert asked == []


def test_a_cached_snapshot_is_found_without_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = model_info(monkeypatch, RuntimeError("asked"))
    assert hub.locate("tiny/llama", cache) == cache / "models--tiny--llama" / "snapshots" / COMMIT
    assert asked == []


def test_half_a_snapshot_is_downloaded_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache / "models--tiny--llama" / "snapshots" / COMMIT / "model.safetensors").unlink()
    asked = model_info(monkeypatch, SimpleNamespace())
    assert hub.locate("tiny/llama", cache) is None
    assert asked == [("tiny/llama", hub.REACH_SECONDS)]


def test_offline_it_says_what_to_do_within_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A port that nobody listens on: the same as no network, also where the tests do have one.
    monkeypatch.setattr("huggingface_hub.hf_api.ENDPOINT", "http://127.0.0.1:9", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    begin = time.perf_counter()
    with pytest.raises(ModelUnusable, match=r"hf download tiny/llama --local-dir llama.*--model-path llama"):
        hub.locate("tiny/llama", tmp_path)
    assert time.perf_counter() - begin < 30


@pytest.mark.parametrize(("kind", "sentence"), [(GatedRepoError, "licence"), (RepositoryNotFoundError, "Check the spelling")])
def test_a_refusal_of_the_hub_is_told(kind: Any, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    response = httpx.Response(403, request=httpx.Request("GET", "https://huggingface.co"))
    model_info(monkeypatch, kind("no", response=response))
    with pytest.raises(ModelUnusable, match=sentence):
        hub.locate("tiny/llama", tmp_path)


def test_only_safe_files_are_downloaded(cache: Path, monkeypatch: pytest.MonkeyPatch, reports: Reports) -> None:
    names = [
        "config.json",
        "model.safetensors",
        "pytorch_model.bin",
        "modeling.py",
        "original/params.json",
        "README.md",
    ]
    names += ["tokenizer.model", "chat_template.jinja", "merges.txt", "consolidated.safetensors", "evil.pkl"]
    siblings = [SimpleNamespace(rfilename=name, size=25) for name in names]
    model_info(monkeypatch, SimpleNamespace(siblings=siblings, sha=COMMIT))
    got: list[str] = []

    def play(model_id: str, name: str, revision: str, cache_dir: Path) -> str:
        assert (model_id, revision, cache_dir) == ("tiny/llama", COMMIT, cache)
        got.append(name)
        return str(cache / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", play)
    assert hub.download("tiny/llama", cache, reports) == cache
    assert got == ["config.json", "model.safetensors", "tokenizer.model", "chat_template.jinja", "merges.txt"]
    assert reports[1] == ("downloading model.safetensors", 0.2)


def test_a_broken_download_is_told(cache: Path, monkeypatch: pytest.MonkeyPatch, reports: Reports) -> None:
    siblings = [SimpleNamespace(rfilename="config.json", size=None)]
    model_info(monkeypatch, SimpleNamespace(siblings=siblings, sha=COMMIT))

    def play(*_: Any, **__: Any) -> str:
        raise OSError("connection reset")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", play)
    with pytest.raises(ModelUnusable, match="cannot be reached"):
        hub.download("tiny/llama", cache, reports)


def test_a_repository_without_a_model(cache: Path, monkeypatch: pytest.MonkeyPatch, reports: Reports) -> None:
    model_info(monkeypatch, SimpleNamespace(siblings=[], sha=COMMIT))
    with pytest.raises(ModelUnusable, match=r"no config\.json"):
        hub.download("tiny/llama", cache, reports)
