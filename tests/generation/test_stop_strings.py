"""What a stop string holds back and what it lets go."""

import pytest

from generation.stop_strings import StopStrings


@pytest.mark.parametrize(
    ("stops", "pieces", "shown", "found"),
    [
        ((), ["a", "b"], "ab", False),
        (("END",), ["xE", "N", "D", "y"], "x", True),
        (("END",), ["xE", "Nx"], "xENx", False),
        (("END",), ["E", "E", "END"], "EE", True),
        (("ab", "b"), ["xab"], "x", True),
        (("\nUser:", ""), ["ok\n", "User", ":"], "ok", True),
        (("END",), ["tail EN"], "tail EN", False),
    ],
)
def test_shown_text(stops: tuple[str, ...], pieces: list[str], shown: str, found: bool) -> None:
    stream, out = StopStrings(stops), ""
    for piece in pieces:
        out += stream.push(piece)
        if stream.found:
            break
    assert out + stream.flush() == shown
    assert stream.found is found


def test_text_that_may_be_a_stop_is_held_back() -> None:
    stream = StopStrings(("END",))
    assert [stream.push("xE"), stream.push("N"), stream.push("!")] == ["x", "", "EN!"]
