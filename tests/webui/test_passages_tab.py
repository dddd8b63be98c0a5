"""The list of passages: order, tokens, what neighbours share, parts; all of it text."""

from dataclasses import replace

from knowledge.base import Locator, Passage, Source
from webui.passages_tab import SHOWN, listing
from webui.texts import LANGUAGES

EN = LANGUAGES["en"]


def passage(number: int, text: str) -> Passage:
    source = Source("b", 1, "a.md", "file-1")
    return Passage(number, text, source, Locator(None, ("Top",), number + 1, number + 1), 0.0, {}, 10 + number)


def test_nothing_chosen_says_what_to_do() -> None:
    assert EN.no_passages in listing([], 0, EN)


def test_order_tokens_and_what_is_shared() -> None:
    html = listing([passage(0, "One. Two <b>."), passage(1, "Two <b>. Three.")], 0, EN)
    assert "passages: 2 · tokens on average: 10 · at most: 11" in html
    assert html.index(">1</span>") < html.index(">2</span>") and "11 tokens" in html and "Top · line 2" in html
    assert ">Two &lt;b&gt;.</span> Three." in html and html.count('class="shared"') == 1
    assert html.count('class="open"') == 2 and "pager" not in html


def test_a_long_document_comes_in_parts() -> None:
    passages = [passage(number, f"text {number}.") for number in range(2 * SHOWN + 1)]
    first, last, beyond = (listing(passages, part, EN) for part in (0, 2, 99))
    assert "#act/part/1" in first and "previous" not in first and first.count("chunk") == SHOWN
    assert "#act/part/1" in last and "41–41 of 41" in last and last == beyond


def test_what_is_switched_off_is_counted_labelled_and_explained() -> None:
    on, off = passage(7, "One."), replace(passage(8, "Two."), switched_off=True)
    html = listing([on, off], 0, EN)
    assert "1 switched off" in html and EN.switched_off_hint in html
    assert html.count('class="card chunk"') == html.count('class="card chunk off"') == html.count('class="state"') == 1
    assert 'href="#act/off/7">switch off<span class="unseen"> passage 1</span>' in html
    assert 'href="#act/on/8">switch on<span class="unseen"> passage 2</span>' in html
    html = listing([on], 0, EN)
    assert EN.switched_off not in html and EN.switched_off_hint not in html


def test_the_bar_of_a_table_that_goes_on_is_not_shared() -> None:
    rows = [f"| Kind | Crates |\n| --- | --- |\n| {kind} | 7 |" for kind in ("Pear", "Plum")]
    html = listing([passage(number, text) for number, text in enumerate(rows)], 0, EN)
    assert html.count("<table") == 2 and 'class="shared"' not in html
