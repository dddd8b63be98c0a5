"""A passage is found again where its words stand, whatever became of spaces, hyphens and signs; nothing is guessed."""

import pytest

from knowledge.loaders.locating import locate

TEXT = "The orchard\nhas two hun-\ndred trees. Apples are picked in Sep\ufb02ember. 每箱苹果重十八公斤。Crates are stored cold."


def shown(quote: str, text: str, near: int = 0) -> list[str]:
    return [text[begin:end] for begin, end in locate(quote, text, near).spans]


@pytest.mark.parametrize(
    ("quote", "marked"),
    [
        ("the ORCHARD has two hundred trees", "The orchard\nhas two hun-\ndred trees"),
        ("Apples are picked in Sepflember.", "Apples are picked in Sep\ufb02ember."),
        ("每箱 苹果 重十八公斤", "每箱苹果重十八公斤"),
    ],
)
def test_spaces_hyphens_case_and_ligatures_do_not_count(quote: str, marked: str) -> None:
    assert shown(quote, TEXT) == [marked]


def test_accents_count_neither_way() -> None:
    assert shown("cafe\u0301 creme", "un Café crème, s'il vous plaît") == ["Café crème"]


def test_of_several_places_the_nearest_is_taken() -> None:
    text = "All crates are numbered. " * 50
    assert locate("All crates are numbered.", text, near=520).spans[0][0] == 525


def test_a_passage_in_another_order_is_found_in_pieces() -> None:
    text = "Second column speaks of winter frost and its damage. First column speaks of summer drought and its harm."
    quote = "First column speaks of summer drought and its harm.\nSecond column speaks of winter frost and its damage."
    located = locate(quote, text)
    assert located.found and located.part > 0.95


def test_a_row_of_a_table_is_found_cell_by_cell() -> None:
    located = locate("| Product number twelve | 4711 |\n| Product number thirteen | 4712 |",
                     "Product number twelve 0815 4711\nProduct number thirteen 0816 4712")  # fmt: skip
    assert located.found and len(located.spans) >= 2


def test_words_that_stand_once_are_found_by_themselves() -> None:
    assert shown("Hello\n\nWorld", "World. And so on. Hello") == ["World", "Hello"]
    assert not locate("Hello\n\nWorld", "Hello Hello").found


def test_half_of_a_passage_that_goes_on_elsewhere_is_half_found() -> None:
    quote = "Apples are picked in September and pears in the very late October of each year"
    located = locate(quote, "Apples are picked in September and pears in the")
    assert 0.4 < located.part < 0.7


def test_what_is_not_there_is_not_found() -> None:
    located = locate("Bananas are grown in hothouses by the sea.", TEXT)
    assert not located.found and located.spans == ()
    assert not locate("", TEXT).found and not locate("!!!", TEXT).found and not locate("abc", "").found


def test_characters_beyond_the_first_plane_keep_the_places() -> None:
    assert shown("apples", "🍎🍏 apples") == ["apples"]
