"""Guesses from the text before."""

from generation.prompt_lookup import PromptLookup


def test_what_followed_last_time_is_guessed() -> None:
    lookup = PromptLookup(3)
    assert lookup.guess([1, 2, 3, 4, 5, 6, 1, 2, 3], 8) == [4, 5, 6]
    assert lookup.guess([1, 2, 3, 4, 5, 6, 1, 2, 3, 9, 1, 2, 3], 8) == [9, 1, 2]
    assert lookup.guess([1, 2, 3, 4, 5, 6, 1, 2, 3, 9, 1, 2, 3], 1) == [9]


def test_without_a_match_or_room_nothing_is_guessed() -> None:
    lookup = PromptLookup(3)
    assert lookup.guess([], 8) == []
    assert lookup.guess([1, 1], 8) == []
    assert lookup.guess([1, 1, 1, 2], 8) == []
    assert lookup.guess([1, 2, 3, 1, 2, 3], 0) == []


def test_wrong_guesses_get_shorter_and_right_ones_longer() -> None:
    ids = [1, 2, 3, *range(10, 30), 1, 2, 3]
    lookup = PromptLookup(8)
    lengths = []
    for right in (0, 0, 0, 0, 1, 2, 4):
        guessed = lookup.guess(ids, 99)
        lookup.judge(len(guessed), right)
        lengths.append(len(guessed))
    assert lengths == [8, 4, 2, 1, 1, 2, 4]
    assert len(lookup.guess(ids, 99)) == 8
