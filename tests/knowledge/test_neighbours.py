"""Passages that stand side by side become one; one document has its share."""

from dataclasses import replace
from itertools import chain

from knowledge.base import Locator, Passage, Source
from knowledge.neighbours import FURTHER, NEAR, ROOM, merged


def passage(chunk: int, text: str, score: float, title: str = "", document: int = 0, tokens: int = 10) -> Passage:
    where = Locator(headings=(title,) if title else (), first_line=chunk, last_line=chunk + 1)
    return Passage(chunk, text, Source("b", document or chunk, f"{document or chunk}.txt"), where, score, tokens=tokens)


def test_neighbours_become_one_in_the_order_of_the_text_without_saying_twice_what_they_share() -> None:
    later = passage(8, "Two. Three.", 0.9, "T", 1)
    earlier = passage(7, "One. Two.", 0.6, "T", 1)
    far = passage(3, "Far.", 0.7, "T", 1)
    found = merged([later, far, earlier], 5)
    assert [one.text for one in found] == ["One. Two. Three.", "Far."]
    assert found[0].score == 0.9 and found[0].tokens == 20 and found[0].chunk_id == 8
    assert (found[0].locator.first_line, found[0].locator.last_line) == (7, 9)


def test_parts_of_a_table_become_one_with_its_header_row_once() -> None:
    head = "Table 1: Words\n\n| a | b |\n|---|---|\n"
    rows = [passage(n, f"{head}| {n} | x |\n| {n} | y |", 0.9 - n / 100, "T", 1) for n in (1, 2)]
    assert merged(rows, 5)[0].text == f"{head}| 1 | x |\n| 1 | y |\n| 2 | x |\n| 2 | y |"
    after = replace(rows[0], text=f"{rows[0].text}\n\nWords.")
    assert merged([after, rows[1]], 5)[0].text == f"{after.text}\n{rows[1].text}"
    other = replace(rows[1], text="| c | d |\n|---|---|\n| 2 | x |")
    assert merged([rows[0], other], 5)[0].text == f"{rows[0].text}\n{other.text}"


def test_a_sign_or_a_letter_in_common_is_no_overlap() -> None:
    for before, after in (("| 1 | y |", "| 2 | x |"), ("All the data", "a new day")):
        assert merged([passage(1, before, 0.9, "T", 1), passage(2, after, 0.9, "T", 1)], 5)[0].text == f"{before}\n{after}"


def test_other_documents_far_weaker_ones_and_third_neighbours_that_are_long_stay_apart() -> None:
    assert len(merged([passage(1, "a", 0.9, "A", 1), passage(2, "b", 0.8, "A", 2)], 5)) == 2
    assert len(merged([passage(1, "a", 0.9, "A", 1), passage(2, "b", 0.5, "A", 1)], 5)) == 2
    long = [passage(n, f"text{n}", 0.9, "A", 1, ROOM // 2 + 1) for n in range(1, 4)]
    assert [one.text for one in merged(long, 5)] == ["text1\ntext2", "text3"]
    assert len(merged([passage(n * 3, "t", 0.9) for n in range(9)], 4)) == 4


def test_short_neighbours_of_other_sections_become_one_with_their_headings_in_the_text() -> None:
    short = [passage(n, f"text{n}", 0.9 - n / 100, f"Part {n}", 1) for n in range(1, 5)]
    short = [replace(one, locator=replace(one.locator, headings=("Guide", *one.locator.headings))) for one in short]
    found = merged(reversed(short), 5)
    assert [one.text for one in found] == ["Part 1\ntext1\n\nPart 2\ntext2\n\nPart 3\ntext3\n\nPart 4\ntext4"]
    assert found[0].locator == Locator(headings=("Guide",), first_line=1, last_line=5) and found[0].tokens == 40
    assert len(merged([replace(one, tokens=ROOM // 2 + 1) for one in short], 5)) == 4


def test_a_section_and_those_below_it_become_one_below_its_heading() -> None:
    above, below = passage(1, "All.", 0.9, "A", 1), passage(2, "More.", 0.9, "A", 1)
    below = replace(below, locator=replace(below.locator, headings=("A", "B")))
    assert [(one.text, one.locator.headings) for one in merged([above, below], 5)] == [("All.\n\nB\nMore.", ("A",))]


def test_neighbours_further_down_are_found_but_not_all_passages_looked_at() -> None:
    found = [passage(3, "one", 0.9, document=1), passage(60, "two", 0.9, document=2), passage(4, "by", 0.8, document=1)]
    rest = (passage(n * 3, "rest", 0.7, document=n) for n in range(10, 100))
    assert [one.text for one in merged(chain(found, rest), 2)] == ["one\nby", "two"]
    assert len(list(rest)) > 80


def test_one_document_has_its_share_while_others_tell_nearly_as_much() -> None:
    flood = [passage(n * 3, f"flood {n}", 0.9 - n / 100, document=1) for n in range(1, 9)]
    other = [passage(60, "other", 0.7, document=2), passage(70, "third", 0.65, document=3)]
    found = merged([*flood, *other], 4, 0.5)
    assert [one.source.document_id for one in found] == [1, 1, 2, 3]
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert [one.source.document_id for one in merged([*flood, *other[1:]], 4)] == [1] * 4


def test_each_further_passage_of_a_document_must_score_more_beside_the_first_of_another() -> None:
    flood = [passage(n * 3, f"flood {n}", 0.9 - n / 1000, document=1) for n in range(1, 9)]
    others = [passage(60 + 3 * n, "other", 0.9 * FURTHER**2 - n / 1000, document=2 + n) for n in range(1, 9)]
    found = merged([*flood, *others[:1]], 3)
    assert [(one.source.document_id, one.score) for one in found] == [
        (1, flood[0].score),
        (1, flood[1].score),
        (3, others[0].score),
    ]
    assert [one.text for one in merged(flood, 3)] == ["flood 1", "flood 2", "flood 3"]


def test_nothing_far_weaker_takes_the_place_of_however_many_passages_of_one_document() -> None:
    flood = [passage(n * 3, f"flood {n}", 0.9, document=1) for n in range(1, 31)]
    weak = [passage(200 + n * 3, f"weak {n}", 0.9 * NEAR - 0.01, document=1 + n) for n in range(1, 9)]
    assert {one.source.document_id for one in merged([*flood, *weak], 30)} == {1}


def test_a_document_alone_or_far_better_than_all_others_is_not_capped() -> None:
    flood = [passage(n * 3, f"flood {n}", 0.9 - n / 100, document=1) for n in range(1, 9)]
    assert len(merged(flood, 4, 0.5)) == 4
    weak = passage(60, "weak", 0.9 * NEAR - 0.1, document=2)
    assert [one.source.document_id for one in merged([*flood, weak], 4, 0.5)] == [1] * 4
    assert len(merged([flood[0], weak], 1, 0.1)) == 1
