"""What `doctor` finds of one thing: fine, worth a look, or wrong, and then how to mend it."""

import sys
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "wrong"]
INSTALL = f"{sys.executable} -m pip install --constraint constraints.txt --editable ."
"""The fix for a package that is missing or another than the tested one; to be run in the checkout."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`name` of the thing, `detail` in words, `fix`: what to do ("" where nothing is to be done)."""

    name: str
    level: Level
    detail: str
    fix: str = ""
