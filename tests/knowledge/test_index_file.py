"""The file of an index: it comes back as it was, or not at all."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from knowledge import index_file
from knowledge.index_file import Content, read, write


def content() -> Content:
    chance = np.random.default_rng(1)
    codes = chance.integers(0, 256, (50, 48)).astype(np.uint8)
    return Content(
        {"embedder": "e", "documents": [[1, "ab", 0.1, 50, 1, 50]]}, [np.arange(50), codes, np.ones(7, dtype=np.bool_)]
    )


def same(found: Content | None, expected: Content) -> bool:
    if found is None or found.facts != expected.facts or len(found.arrays) != len(expected.arrays):
        return False
    return all(np.array_equal(one, other) for one, other in zip(found.arrays, expected.arrays, strict=True))


def test_it_comes_back_as_it_was_and_is_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "indexes" / "1.index"
    write(path, content())
    assert same(read(path), content())
    assert path.stat().st_mode & 0o077 == 0 and path.parent.stat().st_mode & 0o077 == 0
    assert [file.name for file in path.parent.iterdir()] == ["1.index"]


def test_one_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert read(tmp_path / "none.index") is None


def mutate(kind: str, data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    flipped = bytearray(data)
    flipped[place] ^= 1 << chance.randrange(8)
    return {
        "flip": bytes(flipped),
        "cut": data[:place],
        "longer": data + b"\0" * chance.randint(1, 99),
        "gone": data[:place] + data[place + 1 :],
        "twice": data + data,
        "empty": b"",
        "junk": chance.randbytes(len(data)),
        "huge": data[:32] + (2**62).to_bytes(8, "little") + data[40:],
    }[kind]


@pytest.mark.parametrize("kind", ["flip", "cut", "longer", "gone", "twice", "empty", "junk", "huge"])
def test_a_changed_file_is_never_used_and_goes(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "1.index"
    write(path, content())
    whole, chance = path.read_bytes(), random.Random(kind)
    for _ in range(100):
        path.write_bytes(mutate(kind, whole, chance))
        assert read(path) is None
        assert not path.exists()


@pytest.mark.parametrize(
    "head",
    [
        [],
        {"version": 0, "facts": {}, "arrays": []},
        {"version": 1, "facts": {}, "arrays": [["|O", [1]]]},
        {"version": 1, "facts": {}, "arrays": [["<i8", [-1]]]},
        {"version": 1, "facts": {}, "arrays": [["<i8", [2**60, 2**60]]]},
        {"version": 1, "facts": {}, "arrays": [3]},
        {"version": 1, "arrays": []},
    ],
    ids=str,
)
def test_a_head_that_lies_is_refused(head: object, tmp_path: Path) -> None:
    import hashlib

    text = json.dumps(head).encode()
    rest = len(text).to_bytes(8, "little") + text
    path = tmp_path / "1.index"
    path.write_bytes(hashlib.sha256(rest).digest() + rest)
    assert read(path) is None


def test_a_disk_that_refuses_costs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "indexes").write_text("a file where the folder should be")
    write(tmp_path / "indexes" / "1.index", content())
    assert "the next start reads the database instead" in caplog.text
    assert index_file.read(tmp_path / "1.index") is None
