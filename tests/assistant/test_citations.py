"""Citations: which numbers in brackets are some, and what is done to those that are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.citations import Citations, Mender, find, matches, mend, rewrite


@pytest.mark.parametrize(
    ("text", "offered", "used", "invalid"),
    [
        ("", 3, (), 0),
        ("no citation", 3, (), 0),
        ("a [1].", 3, (1,), 0),
        ("a [2] b [1] c [2]", 3, (2, 1), 0),
        ("a [1, 3].", 3, (1, 3), 0),
        ("a [1,3][2]", 3, (1, 3, 2), 0),
        ("一[1，2]。", 3, (1, 2), 0),
        ("a [4] [0]", 3, (), 2),
        ("a【1】b【2、3】c 【7】", 3, (1, 2, 3), 1),
        ("a [1-3] b [2 – 3]", 3, (1, 2, 3), 0),
        ("a [0-9] b [2-5] c [3-1]", 3, (), 0),
        ("a [1, 9]", 3, (1,), 1),
        ("a [1](http://x)", 3, (), 0),
        ("a [1] (see)", 3, (1,), 0),
        ("a [one] [1a] [ 1]", 3, (), 0),
        ("a [2024]", 3, (), 0),
        ("a [1]", 0, (), 1),
    ],
)
def test_find(text: str, offered: int, used: tuple[int, ...], invalid: int) -> None:
    assert find(text, offered) == Citations(used, invalid)


@pytest.mark.parametrize(
    ("text", "offered", "mended"),
    [
        ("a [1].", 2, "a [1]."),
        ("a [3].", 2, "a."),
        ("a [1, 3].", 2, "a [1]."),
        ("a [1,2] b", 2, "a [1, 2] b"),
        ("a [3] b", 2, "a b"),
        ("[3]", 2, ""),
        ("a\n[1] b", 2, "a\n[1] b"),
        ("a【1】b【7】c", 2, "a[1]bc"),
        ("a [1-2] b [0-9] c [1-5]", 2, "a [1, 2] b [0-9] c [1-5]"),
        ("[7](http://x) stays", 2, "[7](http://x) stays"),
        ("list[7] stays without passages", 0, "list[7] stays without passages"),
        ("no brackets", 2, "no brackets"),
    ],
)
def test_mend(text: str, offered: int, mended: str) -> None:
    assert mend(text, offered) == mended


@pytest.mark.parametrize("text", ["a [1, 9] b [2] c [9]", "[1][2][3]", "x[1，5]"])
def test_mending_twice_is_mending_once_and_leaves_nothing_invalid(text: str) -> None:
    once = mend(text, 2)
    assert mend(once, 2) == once
    assert find(once, 2) == Citations(find(text, 2).used, 0)


def test_rewrite_shows_the_offered_numbers() -> None:
    def show(numbers: list[int]) -> str:
        return "".join(f"<{number}>" for number in numbers)

    assert rewrite("a [1, 2], b [3], c [9] d [1](x)", 3, show) == "a <1><2>, b <3>, c d [1](x)"
    assert rewrite("a [1]", 0, show) == "a [1]"


@given(
    st.lists(
        st.sampled_from(
            ["a", " ", "[", "]", "1", "9", ",", "(", "[1]", " [9]", "[2, 7]", "[1-2]", "-", "【", "】", "、", "\n", "，"]
        ),
        max_size=30,
    ),
    st.integers(0, 3),
    st.data(),
)
def test_a_text_in_stretches_is_mended_like_the_whole(parts: list[str], offered: int, data: st.DataObject) -> None:
    whole = "".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    stretches = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    mender = Mender(offered)
    assert "".join([*(mender.feed(stretch) for stretch in stretches), mender.end()]) == mend(whole, offered)


def test_a_text_without_brackets_is_not_held_back() -> None:
    mender = Mender(3)
    fed = [mender.feed(text) for text in ("Cats", " sleep", ". [", "1", "]", " Dogs")]
    assert fed == [
        "Cats",
        " sleep",
        ".",
        "",
        "",
        " [1] Dogs",
    ]


CODE = "Take `x[7]` or [7] of\n```python\ny = x[9]  # [1]\n```\nas [1] tells. An open ` and [8]\nends [2]."


def test_what_stands_in_code_is_no_citation_and_stays() -> None:
    assert mend(CODE, 2) == "Take `x[7]` or of\n```python\ny = x[9]  # [1]\n```\nas [1] tells. An open ` and\nends [2]."
    assert find(CODE, 2) == Citations((1, 2), 2)
    assert [match[2] for match in matches(CODE)] == ["7", "1", "8", "2"]


@pytest.mark.parametrize("length", range(1, 9))
def test_code_that_comes_in_stretches_is_mended_as_the_whole(length: int) -> None:
    for text in (CODE, "``` never closed [9]", "`` [9] `[9]", "[1] ``", "`[9]", "a`[9]\n`[9]`"):
        mender = Mender(2)
        fed = "".join(mender.feed(text[at : at + length]) for at in range(0, len(text), length))
        assert fed + mender.end() == mend(text, 2)
