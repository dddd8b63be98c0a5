"""Model folders that must not be loaded, each with the sentence that says so."""

import hashlib
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from generation import preflight
from generation.base import ModelUnusable
from tests.generation.conftest import Reports

WEIGHTS = "model.safetensors"


def header(data: bytes, **tensors: object) -> bytes:
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(begin: int, end: int, side: int | None = None) -> dict[str, object]:
    return {"dtype": "F32", "shape": [side if side is not None else (end - begin) // 4], "data_offsets": [begin, end]}


def index(folder: Path, shards: dict[str, str]) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))


def nested(key: str, depth: int) -> str:
    document: object = {key: "evil.Model"}
    for _ in range(depth):
        document = {"inner": [document]}
    return json.dumps(document)


Break = Callable[[Path], object]
BROKEN: dict[str, tuple[Break, str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "no config.json"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "no tokenizer"),
    "no weights": (lambda f: (f / WEIGHTS).unlink(), "no weights"),
    "empty weights": (lambda f: (f / WEIGHTS).write_bytes(b""), r"model.safetensors is empty"),
    "short weights": (lambda f: (f / WEIGHTS).write_bytes(b"abc"), "model.safetensors is truncated"),
    "truncated": (lambda f: os.truncate(f / WEIGHTS, (f / WEIGHTS).stat().st_size - 1), "truncated .1 of"),
    "truncated header": (lambda f: os.truncate(f / WEIGHTS, 100), "truncated inside its header"),
    "junk": (lambda f: (f / WEIGHTS).write_bytes(b"\xff" * 4096), "not a safetensors file"),
    "html": (lambda f: (f / WEIGHTS).write_bytes(b"<!DOCTYPE html><html>" * 9), "not a safetensors file"),
    "lfs pointer": (
        lambda f: (f / WEIGHTS).write_text("version https://git-lfs.github.com/spec/v1\n"),
        "not a safetens",
    ),
    "header no JSON": (lambda f: (f / WEIGHTS).write_bytes(struct.pack("<Q", 4) + b"{{{{"), "header is not JSON"),
    "header a list": (lambda f: (f / WEIGHTS).write_bytes(struct.pack("<Q", 2) + b"[]"), "not a JSON object"),
    "header odd": (lambda f: (f / WEIGHTS).write_bytes(header(b"", a=3)), "does not describe tensor 'a'"),
    "header shape": (lambda f: (f / WEIGHTS).write_bytes(header(b"12345678", a=tensor(0, 8, 3))), "contradict"),
    "header hole": (lambda f: (f / WEIGHTS).write_bytes(header(b"12345678", a=tensor(4, 8))), "hole"),
    "trailing bytes": (lambda f: (f / WEIGHTS).write_bytes(header(b"12345678", a=tensor(0, 4))), "4 bytes after"),
    "index without map": (lambda f: (f / "model.safetensors.index.json").write_text("{}"), "no weight_map"),
    "missing shard": (
        lambda f: index(f, {"a": "model-00001-of-00002.safetensors"}),
        "model-00001-of-00002.safetensors",
    ),
    "shard outside": (lambda f: index(f, {"a": "../x.safetensors"}), "not the name of a file"),
    "shard lacks": (lambda f: index(f, {"lost": WEIGHTS}), "lacks the tensor 'lost'"),
    "config no JSON": (lambda f: (f / "config.json").write_text("{"), "config.json is not JSON"),
    "bomb": (lambda f: (f / "x.json").write_text("[" * 200_000), "x.json is not JSON"),
    "code": (lambda f: (f / "modeling_evil.py").write_text("open('marker', 'w')"), "modeling_evil.py is Python code"),
    **{
        f"pickle {suffix}": (lambda f, s=suffix: (f / f"weights{s}").write_bytes(b"x"), f"weights{suffix} is a pickle")  # type: ignore[misc]
        for suffix in (".bin", ".pt", ".pth", ".pkl", ".ckpt", ".BIN")
    },
    **{
        f"{key} at depth {depth}": (
            lambda f, k=key, d=depth: (f / "generation_config.json").write_text(nested(k, d)),  # type: ignore[misc]
            f"generation_config.json has the key '{key}'",
        )
        for key in sorted(preflight.FORBIDDEN_KEYS)
        for depth in (0, 1, 4)
    },
}


def test_a_whole_folder_passes(tiny_llama: Path) -> None:
    preflight.check(tiny_llama)
    assert preflight.missing_parts(tiny_llama) == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_folder_is_refused(llama_copy: Path, name: str) -> None:
    change, sentence = BROKEN[name]
    change(llama_copy)
    with pytest.raises(ModelUnusable, match=sentence) as caught:
        preflight.check(llama_copy)
    assert str(llama_copy) in str(caught.value)


def test_subfolders_are_looked_into(llama_copy: Path) -> None:
    deep = llama_copy / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "evil.py").write_text("")
    with pytest.raises(ModelUnusable, match=r"evil\.py"):
        preflight.check(llama_copy)


def test_a_token_of_a_vocabulary_is_no_key(llama_copy: Path) -> None:
    path = llama_copy / "tokenizer.json"
    document = json.loads(path.read_text())
    document["model"]["vocab"]["auto_map"] = 399
    path.write_text(json.dumps(document))
    (llama_copy / "vocab.json").write_text('{"auto_map": 1}')
    preflight.check(llama_copy)
    path.write_text(json.dumps({**document, "auto_map": {}}))
    with pytest.raises(ModelUnusable, match="auto_map"):
        preflight.check(llama_copy)


def test_an_adapter_is_no_model(llama_copy: Path) -> None:
    (llama_copy / WEIGHTS).rename(llama_copy / "adapter_model.safetensors")
    (llama_copy / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelUnusable, match="adapter"):
        preflight.check(llama_copy)


def test_a_path_that_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match="does not exist"):
        preflight.check(tmp_path / "nope")
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelUnusable, match="is a file"):
        preflight.check(tmp_path / "file")


def test_what_cannot_be_read_is_told(llama_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)  # root reads everything, so the refusal is played
    with pytest.raises(ModelUnusable, match=r"json cannot be read: Permission denied.*read permission"):
        preflight.check(llama_copy)


def test_a_home_directory_is_no_model(llama_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "MAX_FILES", 3)
    with pytest.raises(ModelUnusable, match="more than 3 files"):
        preflight.check(llama_copy)


def test_links_are_followed(tiny_llama: Path, tmp_path: Path) -> None:
    for path in tiny_llama.iterdir():
        (tmp_path / path.name).symlink_to(path)
    preflight.check(tmp_path)


def test_checksums(llama_copy: Path, reports: Reports) -> None:
    preflight.verify_checksums(llama_copy, reports)
    assert reports == []
    listing = llama_copy / preflight.CHECKSUMS
    good = {name: hashlib.sha256((llama_copy / name).read_bytes()).hexdigest() for name in ("config.json", WEIGHTS)}
    listing.write_text(f"{good['config.json']}  config.json\n\n{good[WEIGHTS].upper()} *{WEIGHTS}\n")
    preflight.verify_checksums(llama_copy, reports)
    assert reports == [("checking config.json", 0.0), (f"checking *{WEIGHTS}", 0.5)]
    for line, sentence in (
        (f"{'0' * 64}  {WEIGHTS}", "damaged"),
        (f"{'0' * 64}  gone.safetensors", "not there"),
        (f"{'0' * 64}  ../config.json", "outside"),
        ("nonsense", "not there|outside|cannot be checked"),
    ):
        listing.write_text(line)
        with pytest.raises(ModelUnusable, match=sentence):
            preflight.verify_checksums(llama_copy, reports)


def test_it_imports_no_library_that_could_run_a_model() -> None:
    code = "import sys, generation.preflight; print(sorted({'torch', 'transformers', 'safetensors'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
