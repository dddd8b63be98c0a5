"""How much is read beside those who write."""

from generation.pace import FIRST, LARGEST, SMALLEST, Pace


def test_with_nobody_writing_it_reads_fast() -> None:
    assert Pace().room(0, 1) == LARGEST


def test_before_it_knows_it_is_careful() -> None:
    pace = Pace()
    assert pace.room(1, 1) == FIRST
    pace.saw(0.2, 0, 512)
    assert pace.room(1, 1) == FIRST


def test_it_reads_what_the_writers_hardly_notice() -> None:
    pace = Pace()
    pace.saw(0.25, 4, 0)
    pace.saw(0.25 + 0.375, 4, 100)
    assert pace.room(4, 1) == 100
    assert pace.room(4, 8) == 200
    assert pace.room(1, 100) == LARGEST


def test_it_always_gets_on() -> None:
    pace = Pace()
    pace.saw(0.001, 1, 0)
    pace.saw(10.0, 1, 16)
    assert pace.room(1, 1) == SMALLEST
