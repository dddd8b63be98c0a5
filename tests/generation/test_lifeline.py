"""Processes on a lifeline end with the one that holds it, however it ends; those that were let go do not."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from generation.lifeline import Lifeline

ROOT = Path(__file__).resolve().parents[2]
SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
HOLDER = (
    "import sys, time\n"
    "from generation.lifeline import Lifeline\n"
    "line = Lifeline([int(sys.argv[1])])\n"
    "print('held', flush=True)\n"
    "time.sleep(600)\n"
)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_they_end_with_their_holder(how: str) -> None:
    with subprocess.Popen(SLEEPER) as sleeper:
        line = [sys.executable, "-c", HOLDER, str(sleeper.pid)]
        with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            assert sleeper.poll() is None
            getattr(holder, how)()
        until(lambda: sleeper.poll() is not None)


def test_who_was_let_go_lives_on() -> None:
    with subprocess.Popen(SLEEPER) as sleeper:
        line = Lifeline([sleeper.pid])
        line.release()
        assert line._waiting.returncode is not None
        assert sleeper.poll() is None
        sleeper.kill()


def test_who_has_ended_before_does_not_matter() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
        line = Lifeline([ended.pid])
        assert line._waiting.stdin is not None
        line._waiting.stdin.close()
        assert line._waiting.wait(60) == 0
