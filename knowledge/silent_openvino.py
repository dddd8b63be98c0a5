"""OpenVINO without its telemetry: `import openvino` alone would tell Google Analytics, and write a file into the home folder.

It looks for the package `openvino_telemetry` and does without where that cannot be imported, so here it cannot. Whoever needs
OpenVINO takes it from this module. (Seen by strace with 2026.4.1: a connection at the import, none this way.)
"""

import sys
from typing import Any, cast

cast("dict[str, Any]", sys.modules).setdefault("openvino_telemetry", None)

import openvino as library  # noqa: E402  # only now
from openvino import opset13 as operations  # noqa: E402

__all__ = ["library", "operations"]
