"""Large pages: asked for where they are worth it, and what is in the memory stays."""

import ctypes
import mmap
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from knowledge import huge_pages
from knowledge.flat import Flat
from tests.knowledge.vectors import clustered

asked = pytest.mark.skipif(
    sys.platform != "linux" or not Path("/sys/kernel/mm/transparent_hugepage").is_dir(), reason="no large pages here"
)


def flags_at(address: int) -> list[str]:
    """Return the flags of the memory at an address, as Linux tells them."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first, _, rest = line.partition(" ")
        if "-" in first and rest and ":" not in first:
            start, end = (int(part, 16) for part in first.split("-"))
            inside = start <= address < end
        elif inside and first == "VmFlags:":
            return rest.split()
    return []


@asked
def test_large_memory_gets_the_advice_and_keeps_what_is_in_it() -> None:
    memory = np.frombuffer(bytearray(range(256)) * (3 * huge_pages.SMALLEST // 256), dtype=np.uint8)
    before = memory.copy()
    address = memory.ctypes.data + 13  # not at the beginning of a page, nor up to the end of one
    huge_pages.advise(address, memory.nbytes - 40)
    assert "hg" in flags_at(address + huge_pages.SMALLEST)
    assert (memory == before).all()


def test_what_is_small_or_nothing_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[int] = []
    libc = SimpleNamespace(madvise=lambda first, size, advice: asked_for.append(size.value))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: libc)
    monkeypatch.setattr(sys, "platform", "linux")
    huge_pages.advise(0, 0)
    huge_pages.advise(1, huge_pages.SMALLEST - 1)
    assert asked_for == []
    huge_pages.advise(1, huge_pages.SMALLEST)
    assert set(asked_for) == {huge_pages.SMALLEST - mmap.PAGESIZE}


@asked
def test_an_exact_index_asks_for_them_whenever_its_vectors_move() -> None:
    vectors, index = clustered(4000, dimension=256), Flat(256)
    for start in range(0, 16_000, 4000):
        index.add(np.arange(start, start + 4000), vectors)
        where = int(index._inner().codes.data())
        assert "hg" in flags_at(where + huge_pages.SMALLEST // 2) or index.size * 512 < huge_pages.SMALLEST
    assert {number % 4000 for number in index.search(vectors[7:8].astype(np.float32), 4)[0].tolist()} == {7}
