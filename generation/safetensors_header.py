"""The header of a safetensors file, read by hand: which tensors it holds and whether all their bytes are there.

Format: 8 bytes little-endian length n, n bytes of JSON ``{name: {dtype, shape, data_offsets: [begin, end]}}``, then the
data without holes (https://github.com/huggingface/safetensors#format). Knows no torch, and reads no weights.
"""

import json
import struct
from math import prod
from pathlib import Path
from typing import Any

MAX_HEADER_BYTES = 100_000_000
"""The limit of the reference implementation."""

_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 8),
}


class BrokenSafetensors(ValueError):
    """The file is not a whole safetensors file; the text is the half sentence that follows its name."""


def tensor_names(path: Path) -> frozenset[str]:
    """Return the names of the tensors in `path` after checking that every byte they announce is in the file.

    Raises `BrokenSafetensors`, and `OSError` where the file cannot be read.
    """
    size = path.stat().st_size
    if size == 0:
        raise BrokenSafetensors("is empty (0 bytes)")
    header, data_start = _header(path, size)
    ranges = sorted(_range(name, entry) for name, entry in header.items())
    _check_coverage(ranges, size - data_start)
    return frozenset(header)


def elements(path: Path) -> list[tuple[str, int]]:
    """Return the format and the number of elements of each tensor; raises as `tensor_names` does."""
    header, _ = _header(path, path.stat().st_size)
    for name, entry in header.items():
        _range(name, entry)
    return [(str(entry["dtype"]), prod(int(side) for side in entry["shape"])) for entry in header.values()]


def _header(path: Path, size: int) -> tuple[dict[str, Any], int]:
    with path.open("rb") as file:
        first = file.read(8)
        length = struct.unpack("<Q", first)[0] if len(first) == 8 else size
        if length > MAX_HEADER_BYTES:
            raise BrokenSafetensors("is not a safetensors file: its first 8 bytes are no plausible header length")
        if 8 + length > size:
            raise BrokenSafetensors(f"is truncated inside its header ({size} bytes, the header alone needs {8 + length})")
        text = file.read(length)
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrokenSafetensors("is not a safetensors file: its header is not JSON") from error
    if not isinstance(header, dict):
        raise BrokenSafetensors("is not a safetensors file: its header is not a JSON object")
    header.pop("__metadata__", None)
    return header, 8 + length


def _range(name: str, entry: Any) -> tuple[int, int]:
    """Return where the tensor's bytes begin and end, counted from the end of the header."""
    try:
        begin, end = (int(offset) for offset in entry["data_offsets"])
        expected = prod(int(side) for side in entry["shape"]) * _BYTES.get(entry["dtype"], 0)
    except (TypeError, ValueError, KeyError) as error:
        raise BrokenSafetensors(f"has a header that does not describe tensor {name!r}") from error
    if begin < 0 or end < begin or (entry["dtype"] in _BYTES and expected != end - begin):
        raise BrokenSafetensors(f"has a header whose shape and offsets of tensor {name!r} contradict each other")
    return begin, end


def _check_coverage(ranges: list[tuple[int, int]], data_bytes: int) -> None:
    position = 0
    for begin, end in ranges:
        if begin != position:
            raise BrokenSafetensors(f"has a hole or an overlap at data byte {position}")
        position = end
    if position > data_bytes:
        raise BrokenSafetensors(f"is truncated ({position - data_bytes} of {position} data bytes are missing)")
    if position < data_bytes:
        raise BrokenSafetensors(f"has {data_bytes - position} bytes after its last tensor")
