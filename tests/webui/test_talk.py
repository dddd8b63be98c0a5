"""A turn from question to facts, and what of a talk the model is given again."""

import json
from collections.abc import AsyncGenerator
from urllib.parse import unquote

import pytest

from api.support_fields import fields
from assistant.coverage import Coverage, Progress
from assistant.line import Place
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
    assert begun["state"] == "waiting" and "Thinking" in talk.messages([begun], "k", EN)[1]["content"]
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
    assert f'<a class="cite" href="#{talk.anchor(turn, "k")}-2">2</a>' in talk.messages([turn], "k", EN)[1]["content"]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (None, ("Thinking…", "思考中…")),
        (Place(1, None), ("Next in line", "排队中：下一个就是您")),
        (Place(2, 8.3), ("Number 2 in line · about 8 s", "排队中：第 2 位 · 约 8 秒")),
        (Place(3, 0.01), ("Number 3 in line · about 1 s", "排队中：第 3 位 · 约 1 秒")),
        (Place(4, 43.0), ("Number 4 in line · about 45 s", "排队中：第 4 位 · 约 45 秒")),
        (Place(30, 58.0), ("Number 30 in line · about 1 min", "排队中：第 30 位 · 约 1 分钟")),
        (Place(90, 601.0), ("Number 90 in line · about 10 min", "排队中：第 90 位 · 约 10 分钟")),
    ],
)
async def test_a_question_that_waits_tells_its_place(place: Place | None, said: tuple[str, str]) -> None:
    run = Run("chat", None, [])
    for texts, words in zip((EN, LANGUAGES["zh"]), said, strict=True):
        turn = talk.updated(talk.asked("why?", run), run, "", texts, place)
        assert talk.going([turn])
        assert f">{words}<" in talk.messages([turn], "k", texts)[1]["content"]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (3, ("Reading part 3 of 12… · Next in line", "正在阅读第 3 部分，共 12 部分… · 排队中：下一个就是您")),
        (
            13,
            ("Putting the answers together, step 1 of 2… · Next in line", "正在汇总，第 1 步，共 2 步… · 排队中：下一个就是您"),
        ),
    ],
)
async def test_an_answer_in_parts_tells_how_far_it_is(step: int, said: tuple[str, str]) -> None:
    run = Run("knowledge", FITTED, PASSAGES)
    run.progress = Progress(step, 14, 12)
    for texts, words in zip((EN, LANGUAGES["zh"]), said, strict=True):
        turn = talk.updated(talk.asked("why?", run), run, "", texts, Place(1, None))
        assert f">{words}<" in talk.messages([turn], "k", texts)[1]["content"]


@pytest.mark.parametrize("listed", [False, True])
async def test_an_answer_in_parts_tells_what_was_read(listed: bool) -> None:
    run = Run("knowledge", FITTED, PASSAGES)
    run.coverage, run.progress = Coverage(24, 240, 16, listed), Progress(17, 17, 16)
    run.start(stream("So it is [2]."))
    await run.wait()
    await run.stopped()
    facts = talk.updated(talk.asked("why?", run), run, "", EN)["facts"]
    assert "read 24 of 240 passages" in facts
    assert ("the answers to 16 parts, listed as they came" in facts) == listed
    assert not any("tokens/s" in fact for fact in facts)
    assert fields(run)["coverage"] == {"read": 24, "passages": 240, "parts": 16, "listed": listed}


async def test_an_answer_that_waited_and_reused_says_so() -> None:
    run = Run("chat", FITTED, [])

    async def answer() -> AsyncGenerator[Piece, None]:
        run.queued, run.asked = run.queued - 8, run.asked - 8.25
        assert run.began is not None
        yield Piece("yes")
        yield Piece("", "stop", Usage(1200, 2, 1000))

    run.start(answer())
    await run.wait()
    facts = talk.updated(talk.asked("why?", run), run, "", EN)["facts"]
    assert "of which 8 s in line" in facts and "1,000 of 1,200 prompt tokens reused" in facts
    assert "first after 8.25 s" in facts or "first after 8.26 s" in facts


async def test_an_answer_without_a_citation_says_so() -> None:
    turn = await finished("I just know it.")
    assert EN.no_citation in talk.messages([turn], "k", EN)[1]["content"]
    del turn["support"], turn["matched"]  # as a browser kept it before there were these
    assert EN.no_citation in talk.messages([turn], "k", EN)[1]["content"]


async def test_a_model_that_says_that_the_documents_do_not_tell_need_cite_nothing() -> None:
    turn = await finished("The documents do not tell.")
    assert EN.no_citation not in talk.messages([turn], "k", EN)[1]["content"]


async def test_passages_that_say_the_same_are_told_and_come_first() -> None:
    said = Passage(7, "The orchard has two hundred old pear trees.", Source("b", 7, "trees.md", "file-7"), Locator(), 0.5)
    run = Run("knowledge", FITTED, (PASSAGES[0], said))
    begun = talk.asked("what?", run)
    run.start(stream("The orchard has two hundred old pear trees."))
    await run.wait()
    await run.stopped()
    turn = talk.updated(begun, run, "", EN)
    content = talk.messages([turn], "k", EN)[1]["content"]
    assert EN.matched in content and f'href="#{talk.anchor(turn, "k")}-2"' in content and EN.no_citation not in content
    html = sources.cards(turn, "k", EN)
    assert html.index("trees.md") < html.index(EN.not_used) < html.index("file0.md")


async def test_that_the_documents_do_not_say_is_said_with_the_nearest_passages() -> None:
    run = Run("knowledge", None, PASSAGES, refused=True)
    begun = talk.asked("what?", run)
    run.start(stream("The documents do not tell."))
    await run.wait()
    await run.stopped()
    turn = talk.updated(begun, run, "", EN)
    content = talk.messages([turn], "k", EN)[1]["content"]
    assert EN.not_told in content and "The documents do not tell." not in content
    assert EN.no_citation not in content and "tokens" not in content
    html = sources.cards(turn, "k", EN)
    assert EN.nearest in html and EN.not_used not in html


async def test_that_an_answer_is_the_models_own_knowledge() -> None:
    run = Run("knowledge", FITTED, ())
    run.general = True
    run.start(stream("It was Watt [1]."))
    await run.wait()
    await run.stopped()
    turn = talk.updated(talk.asked("who?", run), run, "", EN)
    content = talk.messages([turn], "k", EN)[1]["content"]
    assert "It was Watt [1]." in content and EN.general in content and EN.no_citation not in content
    assert not any("sources used" in fact for fact in turn["facts"])


async def test_what_was_read_as_a_whole_has_no_score() -> None:
    turn = await finished("So it is [1].")
    assert ">0.90<" in sources.cards(turn, "k", EN)
    turn["sources"][0]["score"] = 0.0
    assert "0.00" not in sources.cards(turn, "k", EN)


async def test_cited_cards_come_first_and_the_rest_is_named() -> None:
    turn = await finished("So it is [2].")
    html = sources.cards(turn, "k", EN)
    assert html.index("file1.md") < html.index(EN.not_used) < html.index("file0.md")
    assert "Top › Sub · lines 3–4" in html and "text 1 &lt;b&gt;" in html and f'id="{talk.anchor(turn, "k")}-2"' in html


async def test_a_card_opens_its_source_and_tells_nothing_that_is_markup() -> None:
    turn = await finished("So it is [2].")
    first = turn["sources"][0]
    turn["sources"][0] = {**first, "base": "b ase", "file": "file-1", "headings": ['"><b>'], "name": "<i>.md"}
    html = sources.cards(turn, "k", EN)
    assert html.count('class="open"') == 1  # the others' documents have no file
    assert "<b>" not in html and "<i>" not in html
    href = html.split('href="#source/')[1].split('"')[0]
    assert json.loads(unquote(href)) == ["b ase", "file-1", None, 3, ['"><b>']]


async def test_the_query_is_told_where_it_is_not_the_question() -> None:
    run = Run("knowledge", FITTED, PASSAGES)
    for searched, told in (("why?", ""), (" why?\n", ""), ("who <built> it?\nwhy?", "who &lt;built&gt; it? · why?")):
        run.query = searched
        html = sources.cards(talk.asked("why?", run), "k", EN)
        assert ("Searched for" in html) == bool(told) and told in html
    old = talk.asked("why?", run)
    del old["searched"]  # type: ignore[misc]  # as a browser kept it before there was this line
    assert "Searched for" not in sources.cards(old, "k", EN)


async def test_that_only_words_were_compared_is_said_above_the_sources() -> None:
    run = Run("knowledge", FITTED, PASSAGES)
    assert EN.by_words not in sources.cards(talk.asked("why?", run), "k", EN)
    run.by_words = "its model is gone"
    turn = talk.asked("why?", run)
    html = sources.cards(turn, "k", EN)
    assert html.index(EN.by_words) < html.index("file0.md")
    assert EN.by_words in sources.cards({**turn, "sources": []}, "k", EN)
    del turn["by_words"]  # type: ignore[misc]  # as a browser kept it before there was this line
    assert EN.by_words not in sources.cards(turn, "k", EN)


async def test_what_the_model_saw_and_the_meter_show_the_counts() -> None:
    html = sources.saw(None, Run("knowledge", FITTED, PASSAGES), EN)
    assert "the &lt;prompt&gt;" in html and "<td>history</td><td>2</td>" in html
    assert EN.saw_nothing in sources.saw(None, None, EN)
    assert EN.saw_nothing in sources.saw(talk.refused("why?", "chat", "no"), None, EN)
    assert EN.saw_gone in sources.saw(await finished("yes [1]"), None, EN)
    assert EN.saw_no_model in sources.saw(await finished("yes [1]"), Run("knowledge", None, PASSAGES, refused=True), EN)
    assert EN.saw_retrieval in sources.saw(await finished("passages", "retrieval"), None, EN)
    assert "10 of 100 tokens" in sources.meter(FITTED.counts, EN)


async def test_the_model_is_given_answered_turns_only() -> None:
    answered = await finished("yes [1]", "knowledge")
    listed = await finished("passages", "retrieval")
    refused = talk.refused("what?", "chat", "No model is loaded.")
    assert talk.history([answered, refused, listed]) == [Message("user", "why?"), Message("assistant", "yes [1]")]
    assert "No model is loaded." in talk.messages([refused], "k", EN)[1]["content"]
