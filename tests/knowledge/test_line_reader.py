"""Lines out of a pipe: whole ones only, in parts of any size, and nobody waits for longer than is wanted."""

import os
import threading
from collections.abc import Iterator

import pytest

from knowledge.line_reader import PART, LineReader

Pipe = tuple[LineReader, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reading, writing = os.pipe()
    reader = LineReader(reading)
    yield reader, writing
    reader.close()


def test_a_line_is_given_when_it_is_whole(pipe: Pipe) -> None:
    reader, writing = pipe
    os.write(writing, b"one\ntw")
    assert reader.read(None) == [b"one"]
    os.write(writing, b"o\n\nthree\n")
    assert reader.read(None) == [b"two", b"", b"three"]
    assert (reader.read(0), reader.size, reader.ended) == ([], 15, False)
    os.write(writing, b"half")
    os.close(writing)
    assert (reader.read(None), reader.ended) == ([], False)
    assert (reader.read(None), reader.ended) == ([], True)


def test_a_line_of_many_parts_is_one(pipe: Pipe) -> None:
    reader, writing = pipe
    long = os.urandom(5 * PART).replace(b"\n", b" ")

    def write() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(long + b"\n")

    thread = threading.Thread(target=write)
    thread.start()
    lines: list[bytes] = []
    while not reader.ended:
        lines += reader.read(None)
    thread.join()
    assert lines == [long] and reader.size == len(long) + 1


def test_one_after_the_other_until_there_will_be_none(pipe: Pipe) -> None:
    reader, writing = pipe
    assert reader.next(0) is None
    os.write(writing, b"one\ntwo\nthr")
    assert [reader.next(None), reader.next(0), reader.next(0.001)] == [b"one", b"two", None]
    os.write(writing, b"ee\n")
    os.close(writing)
    assert [reader.next(0), reader.next(0), reader.next(None)] == [b"three", b"", b""]
