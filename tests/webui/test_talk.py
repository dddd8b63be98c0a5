"""A turn from question to facts, and what of a talk the model is given again."""

from collections.abc import AsyncGenerator

from assistant.prompt import Fitted, TokenCounts
from assistant.run import Run
from generation.base import Message, Piece, Prompt, Usage
from knowledge.base import Locator, Passage, Source
from webui import sources, talk
from webui.texts import LANGUAGES

EN = LANGUAGES["en"]
PASSAGES = tuple(
    Passage(n, f"text {n} <b>", Source("b", n, f"file{n}.md"), Locator(None, ("Top", "Sub"), 3, 3 + n), 0.9 - n / 10)
    for n in range(3)
)
FITTED = Fitted(Prompt((), "the <prompt>", (1, 2)), TokenCounts(1, 2, 3, 4, 10, 5, 100), PASSAGES, left_out_turns=2)


async def stream(text: str) -> AsyncGenerator[Piece, None]:
    yield Piece(text)
    yield Piece("", "stop", Usage(10, 5))


async def finished(text: str, mode: str = "knowledge") -> talk.Turn:
    run = Run(mode, FITTED, PASSAGES)
    begun = talk.asked("why?", run)
    assert begun["state"] == "running" and "Thinking" in talk.messages([begun], "k", EN)[1]["content"]
    run.start(stream(text))
    await run.wait()
    await run.stopped()
    return talk.updated(begun, run, "", EN)


async def test_a_finished_turn_has_its_facts_and_only_true_citations() -> None:
    turn = await finished("So it is [2], and [7].")
    assert turn["answer"] == "So it is [2], and."
    assert "sources used: 1" in turn["facts"] and "5 tokens" in turn["facts"]
    assert any("taken out: 1" in fact for fact in turn["facts"])
    assert any("earlier turns left out" in fact and "2" in fact for fact in turn["facts"])
    assert '<a class="cite" href="#k-source-2">2</a>' in talk.messages([turn], "k", EN)[1]["content"]


async def test_an_answer_without_a_citation_says_so() -> None:
    turn = await finished("I just know it.")
    assert EN.no_citation in talk.messages([turn], "k", EN)[1]["content"]


async def test_cited_cards_come_first_and_the_rest_is_named() -> None:
    html = sources.cards(await finished("So it is [2]."), "k", EN)
    assert html.index("file1.md") < html.index(EN.not_used) < html.index("file0.md")
    assert "Top › Sub · lines 3–4" in html and "text 1 &lt;b&gt;" in html and 'id="k-source-2"' in html


async def test_what_the_model_saw_and_the_meter_show_the_counts() -> None:
    html = sources.saw(None, FITTED, EN)
    assert "the &lt;prompt&gt;" in html and "<td>history</td><td>2</td>" in html
    assert EN.saw_nothing in sources.saw(None, None, EN)
    assert EN.saw_nothing in sources.saw(talk.refused("why?", "chat", "no"), None, EN)
    assert EN.saw_gone in sources.saw(await finished("yes [1]"), None, EN)
    assert EN.saw_retrieval in sources.saw(await finished("passages", "retrieval"), None, EN)
    assert "10 of 100 tokens" in sources.meter(FITTED.counts, EN)


async def test_the_model_is_given_answered_turns_only() -> None:
    answered = await finished("yes [1]", "knowledge")
    listed = await finished("passages", "retrieval")
    refused = talk.refused("what?", "chat", "No model is loaded.")
    assert talk.history([answered, refused, listed]) == [Message("user", "why?"), Message("assistant", "yes [1]")]
    assert "No model is loaded." in talk.messages([refused], "k", EN)[1]["content"]
