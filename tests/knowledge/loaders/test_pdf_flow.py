"""Lines that are broken at every letter are put together; what stands below or far away is not."""

from knowledge.loaders.pdf_flow import is_broken, rejoined

Box = tuple[float, float, float, float]
NOWHERE = (0.0, 0.0, 0.0, 0.0)


def page(*letters: tuple[float, float, str]) -> tuple[str, list[Box]]:
    """Return letters, 5 wide and 10 high, each on a line of its own, and their boxes."""
    text = "\r\n".join(sign for _, _, sign in letters) + "\r\n"
    boxes = [box for left, bottom, _ in letters for box in ((left, bottom, left + 5, bottom + 10), NOWHERE, NOWHERE)]
    return text, boxes


def test_letters_side_by_side_are_a_line_with_its_spaces() -> None:
    text, boxes = page(
        (10, 700, "o"), (15, 700, "n"), (23, 700, "i"), (28, 700, "t"), (100, 700, "c"), (10, 680, "d"), (15, 684, "2")
    )  # fmt: skip
    assert is_broken(text)
    order = rejoined(text, boxes)
    assert order.text == "on it\r\nc\r\nd\r\n2\r\n"
    assert [place for place in order.places if place < 0] == [-1]
    assert all(text[place] == sign for sign, place in zip(order.text, order.places, strict=True) if place >= 0)
    assert len(order.boxes) == len(order.text)


def test_words_are_no_broken_lines() -> None:
    assert not is_broken("Words\r\nof a page\r\na\r\nb\r\n")
    assert not is_broken("")
