"""A lifeline: processes that end with this one, however it ends. Knows nothing of what they do.

A process that is killed cannot end those that it started, and vLLM's would hold a GPU's memory for ever. So a small
process of its own waits at the other end of a pipe, which the system closes with us, and kills them then.
"""

import subprocess
import sys
from collections.abc import Iterable

_WAIT = (
    "import contextlib, os, signal, sys\n"
    "sys.stdin.buffer.read()\n"
    "for number in sys.argv[1:]:\n"
    "    with contextlib.suppress(ProcessLookupError):\n"
    "        os.kill(int(number), signal.SIGKILL)\n"
)


class Lifeline:
    """Holds the processes of these ids to the life of this process, until `release`."""

    def __init__(self, processes: Iterable[int]) -> None:
        line = [sys.executable, "-I", "-S", "-c", _WAIT, *map(str, processes)]
        # A session of its own: Ctrl+C is for us, and we let go in order.
        self._waiting = subprocess.Popen(line, stdin=subprocess.PIPE, start_new_session=True)

    def release(self) -> None:
        """Let go of the processes; they have ended, or may outlive us."""
        self._waiting.kill()
        self._waiting.communicate()
