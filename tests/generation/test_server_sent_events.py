"""Bytes to events: the same however they are cut, bounded, and without what is no data."""

from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.server_sent_events import LARGEST_EVENT, BrokenEvents, events


async def chunks(parts: Sequence[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def read(*parts: bytes) -> list[str]:
    return [data async for data in events(chunks(parts))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"", []),
        (b"\n\n\n", []),
        (b"data: a\n\ndata: b\n\n", ["a", "b"]),
        (b"data:a\ndata: b\n\n", ["a\nb"]),
        (b"data:  a\n\n", [" a"]),
        (b"data\n\n", [""]),
        (b": comment\nevent: x\nid: 1\nretry: 3\ndata: a\nother\n\n", ["a"]),
        (b"data: a\r\n\r\ndata: b", ["a", "b"]),
        ("data: 你好\n\n".encode(), ["你好"]),
    ],
)
async def test_events(text: bytes, found: list[str]) -> None:
    assert await read(text) == found


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), min_size=1)), st.data())
async def test_cutting_changes_nothing(texts: list[str], data: st.DataObject) -> None:
    whole = "".join(f"data: {text}\n\n" for text in texts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)))))
    assert await read(*(whole[begin:end] for begin, end in pairwise([0, *cuts, len(whole)]))) == texts


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([b"data: " + b"x" * LARGEST_EVENT], "line longer than a MiB"),
        ([b"x" * 1000] * 1100, "line longer than a MiB"),
        ([b"data: " + b"x" * 9999 + b"\n"] * 106, "event larger than a MiB"),
        ([b"data: \xff\n\n"], "not UTF-8"),
    ],
)
async def test_what_is_refused(parts: list[bytes], words: str) -> None:
    with pytest.raises(BrokenEvents, match=words):
        await read(*parts)
