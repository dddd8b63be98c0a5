"""What a search found, with all its scores; what is below the threshold comes apart."""

from knowledge.base import Locator, Passage, Source
from knowledge.search import Found
from webui.retrieval_tab import listing
from webui.texts import LANGUAGES

EN = LANGUAGES["en"]


def passage(score: float, **scores: float) -> Passage:
    return Passage(1, "text <b>", Source("b", 1, "a.md", "file-1"), Locator(3), score, scores, 9)


def test_all_scores_and_a_link_to_keep_the_question() -> None:
    html = listing(Found([passage(0.61, dense=0.7, lexical=0.4, fused=0.61)], "why?"), "why?", 0.0, 0.0123, EN)
    assert (
        "passages: 1 · 12 ms · evidence: 0.00" in html
        and "0.610" in html
        and "meaning" in html
        and "0.700" in html
        and "0.400" in html
    )
    assert EN.scores["fused"] not in html and "Searched for" not in html
    assert "#act/keep/1" in html and "text &lt;b&gt;" in html and "page 3" in html


def test_a_second_look_and_another_query_are_told() -> None:
    html = listing(Found([passage(0.61, dense=0.7, fused=0.2)], "who?\nwhy?"), "why?", 0.0, 0.1, EN)
    assert EN.scores["fused"] in html and "0.200" in html and "Searched for: who? · why?" in html


def test_what_is_below_the_threshold_comes_apart() -> None:
    html = listing(Found([passage(0.6), passage(0.2)], "why?"), "why?", 0.5, 0.1, EN)
    assert html.index("0.600") < html.index(EN.under_least) < html.index("0.200") and html.count("card unused") == 1
    assert EN.nothing_found in listing(Found([], "why?"), "why?", 0.5, 0.1, EN)
