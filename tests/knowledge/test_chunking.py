"""Chunks: nothing lost, nothing over the limit, places that are true."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.base import Locator
from knowledge.chunking import Chunk, Size, embedded, split
from knowledge.embeddings import Embedder
from knowledge.loaders.base import Block
from knowledge.pieces import pieces_of
from tests.knowledge.stubs import StubEmbedder

STUB = StubEmbedder()
SIZE = Size(chunk=20, overlap=5, whole=30)


def words(count: int, name: str = "w") -> str:
    return " ".join(f"{name}{i}" for i in range(count))


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


def texts(chunks: Sequence[Chunk]) -> list[str]:
    return [chunk.text for chunk in chunks]


def test_short_blocks_below_the_same_headings_are_one_chunk_that_embeds_them() -> None:
    where = Locator(headings=("Guide", "Start"))
    chunks = split([Block("First.", where), Block("Second.", where)], "manual.md", STUB, SIZE)
    assert texts(chunks) == ["First.\n\nSecond."]
    assert chunks[0].embedded == "Guide > Start\nFirst.\n\nSecond."
    assert chunks[0].tokens == STUB.count([chunks[0].embedded])[0]
    assert chunks[0].locator.headings == ("Guide", "Start")


def test_a_model_reads_the_wording_and_a_person_the_text() -> None:
    chunk = split([Block("See [**this**](a/b.md).", Locator(headings=("Guide",)))], "manual.md", STUB, SIZE)[0]
    assert (chunk.text, chunk.embedded) == ("See [**this**](a/b.md).", "Guide\nSee this.")
    assert chunk.tokens == STUB.count([chunk.embedded])[0]
    assert embedded(chunk.text, "manual.md", ("Guide",), STUB, SIZE.whole) == chunk.embedded


def test_blocks_below_other_headings_are_other_chunks() -> None:
    blocks = [Block("One.", Locator(headings=("A",))), Block("Two.", Locator(headings=("B",)))]
    assert texts(split(blocks, "x.md", STUB, SIZE)) == ["One.", "Two."]


def test_long_headings_give_way_from_the_outermost() -> None:
    where = Locator(headings=(words(30), "inner"))
    assert split([Block("text", where)], "x.md", STUB, SIZE)[0].prefix == "inner\n"
    assert split([Block("text", Locator(headings=(words(30),)))], "x.md", STUB, SIZE)[0].prefix == ""


def test_the_name_of_the_document_stands_in_for_headings() -> None:
    assert split([Block("text", Locator(page=1))], "2023 Q1 report.pdf", STUB, SIZE)[0].prefix == "2023 Q1 report\n"
    assert split([Block("text", Locator())], words(30) + ".md", STUB, SIZE)[0].prefix == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One two. Three four! Five?", ["One two.", "Three four!", "Five?"]),
        ('He said "no." She left.', ['He said "no."', "She left."]),
        ("人工智能很好。真的吗？是！", ["人工智能很好。", "真的吗？", "是！"]),
        ("他说：“好。”然后走了。", ["他说：“好。”", "然后走了。"]),
        ("version 3.11 is out", ["version 3.11 is out"]),
        ("- a b c\n- d e f", ["- a b c", "- d e f"]),
    ],
)
def test_text_is_cut_between_sentences(text: str, expected: list[str]) -> None:
    assert [piece.text.strip() for piece in pieces_of(Block(text, Locator()))] == expected


def test_neighbours_share_whole_sentences_on_the_same_page_only() -> None:
    sentences = [f"s{i} a b c." for i in range(8)]
    shared = split([Block(" ".join(sentences), Locator(page=1))], "x.pdf", STUB, SIZE)
    assert shared[1].text.startswith("s3 a b c. s4") and shared[0].text.endswith("s3 a b c.")
    apart = split(
        [Block(" ".join(sentences[:4]), Locator(page=1)), Block(" ".join(sentences[4:]), Locator(page=2))],
        "x.pdf",
        STUB,
        SIZE,
    )
    assert [chunk.locator.page for chunk in apart] == [1, 2]
    assert apart[1].text.startswith("s4")


def test_code_that_fits_stays_whole_and_code_that_does_not_is_cut_between_lines() -> None:
    code = "def f():\n    return 1"
    chunks = split([Block(words(15) + ".", Locator()), Block(code, Locator(), "code")], "x.md", STUB, SIZE)
    assert texts(chunks)[-1].endswith(code)
    lines = [f"    call{i} a b c" for i in range(12)]
    found = texts(split([Block("\n".join(lines), Locator(), "code")], "x.md", STUB, SIZE))
    assert len(found) > 1 and [line for text in found for line in text.split("\n")] == lines


def test_a_table_that_is_cut_repeats_its_header() -> None:
    rows = [f"| r{i} | v{i} |" for i in range(12)]
    table = "\n".join(["| k | v |", "|---|---|", *rows])
    chunks = split([Block(table, Locator(first_line=1, last_line=14), "table")], "x.md", STUB, Size(50, 10, 60))
    assert len(chunks) > 1
    assert all(chunk.text.startswith("| k | v |\n|---|---|\n| r") for chunk in chunks)
    assert [row for chunk in chunks for row in chunk.text.split("\n")[2:]] == rows
    assert chunks[0].locator.first_line == 1
    assert chunks[1].locator.first_line == int(re.findall(r"r(\d+)", chunks[1].text)[0]) + 3
    assert chunks[-1].locator.last_line == 14


def test_lines_are_those_the_chunk_holds() -> None:
    text = "\n".join(f"line{i} a b c d e." for i in range(1, 13))
    chunks = split([Block(text, Locator(first_line=11, last_line=22))], "x.txt", STUB, SIZE)
    assert len(chunks) > 1
    for chunk in chunks:
        numbers = [int(n) for n in re.findall(r"line(\d+)", chunk.text)]
        assert (chunk.locator.first_line, chunk.locator.last_line) == (numbers[0] + 10, numbers[-1] + 10)


def test_lines_of_a_block_whose_text_was_rewritten_are_the_blocks() -> None:
    chunks = split([Block(words(40), Locator(first_line=3, last_line=9))], "x.md", STUB, SIZE)
    assert {(chunk.locator.first_line, chunk.locator.last_line) for chunk in chunks} == {(3, 9)}


def test_a_word_of_a_million_letters_is_cut() -> None:
    chunks = split([Block("x" * 1_000_000, Locator())], "x.txt", STUB, SIZE)
    assert "".join(texts(chunks)) == "x" * 1_000_000
    assert max(len(chunk.text) for chunk in chunks) <= SIZE.chunk * 20


def test_nothing_but_space_is_no_chunk() -> None:
    assert split([Block(" \n\n \t", Locator()), Block("", Locator())], "x.txt", STUB, SIZE) == []


def test_a_check_that_raises_stops_the_work() -> None:
    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        split([Block("text", Locator())], "x.txt", STUB, SIZE, stop)


TEXT = st.text(
    st.one_of(
        st.sampled_from(" \n.。！?|#-\"”'\t"),
        st.characters(codec="utf-8", exclude_categories=["Cs"]),
        st.sampled_from("ab中文"),
    ),
    max_size=400,
)
BLOCKS = st.lists(
    st.builds(
        Block,
        TEXT,
        st.builds(Locator, page=st.one_of(st.none(), st.integers(1, 3)), headings=st.sampled_from([(), ("A",), ("A", "中文")])),
        st.sampled_from(["text", "code", "table"]),
    ),
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(BLOCKS, st.integers(4, 40))
def test_every_character_is_in_a_chunk_and_no_chunk_is_over_the_limit(blocks: list[Block], limit: int) -> None:
    size = Size(limit, limit // 4, limit + limit // 4)
    chunks = split(blocks, "name.md", STUB, size)
    _is_whole(blocks, chunks)
    for chunk in chunks:
        assert chunk.tokens == STUB.count([chunk.embedded])[0] <= size.whole
        assert STUB.count([chunk.text])[0] <= limit
        assert chunk.text.strip() and chunk.locator.headings in {block.locator.headings for block in blocks}


def _is_whole(blocks: list[Block], chunks: list[Chunk]) -> None:
    """Assert that the blocks' characters stand in the chunks in order, each chunk adding to what came before."""
    held = squeezed("".join(texts(chunks)))
    at = 0
    for character in squeezed("".join(block.text for block in blocks)):
        at = held.find(character, at) + 1
        assert at > 0, character


@settings(max_examples=60, deadline=None)
@given(blocks=BLOCKS)
def test_no_text_of_any_language_is_over_what_the_real_model_reads(embedder: Embedder, blocks: list[Block]) -> None:
    size = Size(64, 8, embedder.max_tokens)
    chunks = split(blocks, "资料 notes.md", embedder, size)
    _is_whole(blocks, chunks)
    assert all(chunk.tokens <= embedder.max_tokens for chunk in chunks)
    assert all(count <= 64 for count in embedder.count(texts(chunks)))


def test_tokens_that_join_between_pieces_are_counted_at_the_end() -> None:
    class Joining(StubEmbedder):
        """Counts a mark twice when something follows it: pieces do not add up."""

        def count(self, texts: Sequence[str]) -> list[int]:
            return [len(re.findall(r"\S+", text)) + len(re.findall(r"\.\s+\S", text)) for text in texts]

    chunks = split([Block(" ".join(f"a{i}." for i in range(60)), Locator())], "x.md", Joining(), Size(12, 0, 15))
    assert all(chunk.tokens <= 15 for chunk in chunks)
    assert "".join(squeezed(text) for text in texts(chunks)) == "".join(f"a{i}." for i in range(60))


def test_a_table_is_in_no_chunk_of_an_earlier_page() -> None:
    header = "| a | b |\n| --- | --- |\n"
    rows = [f"| {number} | x |\n" for number in range(8)]
    parts = [Block(header + "".join(rows[at : at + 4]), Locator(page=1 + at // 4), "table") for at in (0, 4)]
    chunks = split([parts[0], Block("Below.", Locator(page=1)), parts[1]], "x.pdf", STUB, Size(200, 5, 400))
    assert [chunk.locator.page for chunk in chunks] == [1, 2]
    assert [chunk.text for chunk in chunks] == [f"{parts[0].text}\nBelow.", parts[1].text.strip()]


def test_a_caption_and_an_empty_line_above_a_table_are_repeated_with_its_header_row() -> None:
    header = "Table 1: Words\n\n| a | b |\n|---|---|\n"
    chunks = split([Block(header + "| some words | more |\n" * 30, Locator(), "table")], "x.md", STUB, Size(100, 5, 200))
    assert len(chunks) > 1
    assert all(chunk.text.startswith(header) for chunk in chunks)


def test_a_table_is_not_divided_within_its_header() -> None:
    table = "Sales by year\n| Name | Sum |\n| --- | --- |\n" + "\n".join(f"| row{n} | {n} |" for n in range(9))
    blocks = [Block(words(34), Locator()), Block(table, Locator(), "table")]
    chunks = split(blocks, "x.md", STUB, Size(chunk=40, overlap=0, whole=60))
    assert len(chunks) > 2
    assert all(text.startswith("Sales by year\n| Name | Sum |\n| --- | --- |\n| row") for text in texts(chunks)[1:])
    assert all(text.count("| --- |") <= 1 for text in texts(chunks))
