"""Freed memory: kept for the next array, and given back when it is asked for."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from knowledge import heap

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from knowledge import heap

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 >> 20

if sys.argv[1] == "keep":
    heap.keep()
before = resident()
blocks = [bytearray(b"x") * (1 << 20) for _ in range(100)]
blocks.clear()
kept = resident() - before
heap.give_back()
print(kept, resident() - before)
"""

glibc = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc"
)


@glibc
@pytest.mark.parametrize(("how", "least", "most"), [("keep", 90, 200), ("leave", 0, 20)])
def test_what_was_freed_is_kept_until_it_is_given_back(how: str, least: int, most: int) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], cwd=ROOT, capture_output=True, text=True, check=True)
    kept, left = map(int, done.stdout.split())
    assert least <= kept <= most and left <= 20


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []

    def another(name: object) -> object:  # without mallopt and malloc_trim, so that a call of either fails
        opened.append(name)
        return object()

    monkeypatch.setattr(ctypes, "CDLL", another)
    monkeypatch.setattr(sys, "platform", "linux")
    heap.keep()
    heap.give_back()
    assert opened == [None, None]
