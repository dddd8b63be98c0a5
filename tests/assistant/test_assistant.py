"""A question becomes a run; whatever can be refused is refused before that."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from assistant.assistant import Question
from assistant.errors import TooManyRuns
from assistant.prompt import GROUNDED
from assistant.refusal import NEAREST
from assistant.rewriting import INSTRUCTION, TOKENS
from assistant.run import Run
from assistant.support import Support
from generation.base import Message, ModelNotReady, Piece, Prompt, PromptTooLong, Sampling, Usage
from generation.echo_backend import EchoGenerator
from generation.settings import GenerationSettings
from knowledge.base import EmbedderNotReady, EmptyBase, UnknownBase
from tests.assistant.conftest import House, ask, until

Make = Callable[..., Any]


async def answer(house: House, question: Question) -> Run:
    run = await house.assistant.ask(question)
    await run.wait()
    return run


def idle(house: House) -> bool:
    return (house.echo.active_generations, house.assistant.runs.active) == (0, 0)


async def test_chat(house: House) -> None:
    run = await answer(house, ask("hello"))
    assert (run.text, run.mode, run.sources, run.state) == ("You said: hello", "chat", (), "finished")
    assert run.fitted is not None
    assert run.usage is not None
    assert run.usage.prompt_tokens == run.fitted.counts.total
    assert house.assistant.runs.get(run.id) is run
    assert idle(house)


async def test_chat_looks_into_no_document(house: House) -> None:
    house.fill()
    run = await answer(house, ask("whale"))
    assert run.fitted is not None
    assert "tons" not in run.fitted.prompt.text


async def test_history_and_system_turn_reach_the_prompt(house: House) -> None:
    history = (Message("system", "Be brief."), Message("user", "before"), Message("assistant", "after"))
    run = await answer(house, ask("now", history=history))
    assert run.fitted is not None
    assert run.fitted.prompt.messages == (*history, Message("user", "now"))


async def test_knowledge_puts_the_passages_into_the_prompt(house: House) -> None:
    house.fill()
    run = await answer(house, ask("What does the blue whale weigh?", "knowledge", top_k=2))
    assert run.fitted is not None
    assert len(run.sources) == 2
    assert run.sources == run.fitted.passages
    assert "150 tons" in run.sources[0].text
    assert all(passage.text in run.fitted.prompt.text for passage in run.sources)
    assert GROUNDED in run.fitted.prompt.messages[0].content
    assert run.text == "According to [1], The blue whale weighs 150 tons."
    assert run.fitted.counts.sources > 0


@pytest.mark.parametrize("top_k", [1, 2, 3, None])
@pytest.mark.parametrize("mode", ["retrieval", "knowledge"])
async def test_top_k(make: Make, top_k: int | None, mode: str) -> None:
    house = await make(top_k=2)
    house.fill()
    run = await answer(house, ask("the fox", mode, top_k=top_k))
    assert len(run.sources) == (top_k or 2)


async def test_retrieval_lists_the_passages(house: House) -> None:
    house.fill()
    run = await answer(house, ask("red fox", "retrieval", top_k=1))
    assert run.text == "**animals.txt** [1]\n\n> The red fox weighs seven kilograms.\n\n"
    assert (run.fitted, run.finish_reason, len(run.sources)) == (None, "stop", 1)
    assert house.echo.generated_tokens_total == 0


async def test_retrieval_needs_no_model(make: Make) -> None:
    house = await make(load=False, backend="transformers", model_path="none")
    house.fill()
    assert "fox" in (await answer(house, ask("red fox", "retrieval"))).text
    with pytest.raises(ModelNotReady, match="--model-path"):
        await house.assistant.ask(ask("red fox"))


@pytest.mark.parametrize("mode", ["chat", "knowledge"])
async def test_a_model_that_is_loading(make: Make, mode: str) -> None:
    house = await make(load=False)
    house.fill()
    with pytest.raises(ModelNotReady, match="still loading"):
        await house.assistant.ask(ask("red fox", mode))
    await house.engine.load()
    assert (await answer(house, ask("red fox", mode))).state == "finished"


@pytest.mark.parametrize("mode", ["retrieval", "knowledge"])
@pytest.mark.parametrize(("base", "error"), [("default", EmptyBase), ("nowhere", UnknownBase)])
async def test_what_knowledge_refuses(house: House, mode: str, base: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await house.assistant.ask(ask("why?", mode, base=base))
    assert idle(house)
    assert house.echo.generated_tokens_total == 0


async def test_an_embedder_that_is_loading(house: House) -> None:
    house.fill()
    house.library.state = "the embedding model is loading"
    with pytest.raises(EmbedderNotReady, match="loading"):
        await house.assistant.ask(ask("why?", "knowledge"))
    assert (await answer(house, ask("why?"))).text == "You said: why?"
    house.library.state = "ready"


async def test_a_question_that_is_too_long(house: House) -> None:
    with pytest.raises(PromptTooLong):
        await house.assistant.ask(ask("long " * 5000))
    assert idle(house)


async def test_another_base(house: House) -> None:
    house.library.create("cars")
    house.fill(b"The red car has four wheels.", base="cars", name="cars.txt")
    house.fill()
    run = await answer(house, ask("red", "retrieval", base="cars"))
    assert {passage.source.name for passage in run.sources} == {"cars.txt"}


@pytest.mark.parametrize(("wanted", "setting", "made"), [(3, 10, 3), (None, 5, 5), (20, 5, 20), (100_000, 5, 50)])
async def test_max_tokens(make: Make, wanted: int | None, setting: int, made: int) -> None:
    house = await make(max_new_tokens=setting)
    run = await answer(house, ask("[[count 25]]", sampling=Sampling(max_tokens=wanted)))
    assert run.usage is not None
    assert run.usage.completion_tokens == min(made, 25)
    assert run.finish_reason == ("stop" if made >= 25 else "length")


async def test_stop_strings_reach_the_engine(house: House) -> None:
    assert (await answer(house, ask("[[count 9]]", sampling=Sampling(stop=(" 5",))))).text == "1 2 3 4"


async def test_a_full_server_refuses_before_it_searches(make: Make) -> None:
    house = await make(max_running=1, max_waiting=1, echo_delay=0.01)
    runs = [await house.assistant.ask(ask("[[count 1000]]")) for _ in range(2)]
    with pytest.raises(TooManyRuns):
        await house.assistant.ask(ask("why?", "knowledge", base="nowhere"))
    runs[0].cancel()
    await runs[0].stopped()
    assert (await answer(house, ask("hello"))).state == "finished"


async def test_many_at_once_never_exceed_the_limit(make: Make) -> None:
    house = await make(max_concurrent=1, max_waiting=2, echo_delay=0.001)
    asked = await asyncio.gather(*(house.assistant.ask(ask("[[count 50]]")) for _ in range(12)), return_exceptions=True)
    taken = [run for run in asked if isinstance(run, Run)]
    assert len(taken) == 3
    assert {type(refused) for refused in asked if not isinstance(refused, Run)} == {TooManyRuns}
    await asyncio.gather(*(run.wait() for run in taken))
    assert idle(house)


async def test_an_answer_that_was_stopped_tells_its_tokens(make: Make) -> None:
    house = await make(echo_delay=0.001)
    run = await house.assistant.ask(ask("[[count 100000]]"))
    await until(lambda: len(run.text.split()) > 10)
    run.cancel()
    await run.stopped()
    assert run.usage is not None
    assert run.fitted is not None
    assert run.usage.prompt_tokens == run.fitted.counts.total
    assert abs(run.usage.completion_tokens - len(run.text.split())) <= 2
    assert run.tokens_per_second is not None


async def test_close_stops_the_engine(make: Make) -> None:
    house = await make(echo_delay=0.001)
    runs = [await house.assistant.ask(ask("[[count 100000]]")) for _ in range(3)]
    await until(lambda: house.echo.active_generations == 3)
    echo = house.echo
    await house.assistant.close()
    assert [run.state for run in runs] == ["failed"] * 3
    assert (echo.active_generations, house.assistant.runs.active) == (0, 0)


FOREIGN = "Who invented the steam engine?"


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (FOREIGN, "The documents do not tell.\n\nNearest to the question:\n\n- animals.txt"),
        ("谁发明了蒸汽机？", "文档中没有相关内容。\n\n与问题最接近的段落：\n\n- animals.txt"),
    ],
)
async def test_what_the_documents_do_not_tell_is_said_without_asking_the_model(house: House, question: str, said: str) -> None:
    house.fill()
    run = await answer(house, ask(question, "knowledge"))
    assert (run.text, run.state, run.finish_reason, run.usage) == (said, "finished", "stop", Usage(0, 0))
    assert (run.refused, run.support, run.fitted) == (True, Support("refused"), None)
    assert 0 < len(run.sources) <= NEAREST and run.evidence < house.assistant.settings.min_evidence
    assert house.echo.generated_tokens_total == 0
    assert idle(house)


async def test_the_threshold_is_a_setting_and_0_asks_always(make: Make) -> None:
    house = await make(min_evidence=0)
    house.fill()
    run = await answer(house, ask(FOREIGN, "knowledge"))
    assert not run.refused and run.fitted is not None and house.echo.generated_tokens_total > 0


async def test_the_sentence_is_a_setting(make: Make) -> None:
    house = await make(refusal="Ask Ada.")
    house.fill()
    assert (await answer(house, ask(FOREIGN, "knowledge"))).text.splitlines()[:3] == [
        "Ask Ada.",
        "",
        "Nearest to the question:",
    ]


async def test_who_is_not_strict_is_answered_by_the_model_without_the_documents(house: House) -> None:
    house.fill()
    run = await answer(house, ask(FOREIGN, "knowledge", strict=False))
    assert (run.text, run.support, run.sources) == (f"You said: {FOREIGN}", Support("general"), ())
    assert run.fitted is not None and GROUNDED not in run.fitted.prompt.text and not run.refused
    told = await answer(house, ask("What does the red fox weigh?", "knowledge", strict=False))
    assert told.support is not None and told.support.kind == "cited" and "seven" in told.text


async def test_only_answers_from_documents_are_refused(house: House) -> None:
    house.fill()
    assert (await answer(house, ask(FOREIGN))).text == f"You said: {FOREIGN}"
    listed = await answer(house, ask(FOREIGN, "retrieval"))
    assert not listed.refused and len(listed.sources) > 0 and listed.text.startswith("**animals.txt**")


async def test_a_question_about_the_documents_themselves_is_not_refused(house: House) -> None:
    house.fill()
    run = await answer(house, ask("Summarise these documents.", "knowledge"))
    assert not run.refused and run.evidence == 1


async def test_an_answer_tells_what_it_rests_on(house: House) -> None:
    house.fill()
    run = await answer(house, ask("What does the blue whale weigh?", "knowledge"))
    assert run.support == Support("cited", (1,), (), 0, 1)
    assert (await answer(house, ask("hello"))).support is None
    assert (await answer(house, ask("fox", "retrieval"))).support is None


class Rewriter(EchoGenerator):
    """An engine that rewrites with these words, and else echoes; `asked` keeps what it was asked to rewrite."""

    def __init__(self, words: str, delay: float = 0.0) -> None:
        super().__init__(GenerationSettings(backend="echo"))
        self.words, self.delay, self.asked = words, delay, list[Prompt]()

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        if prompt.messages[0].content != INSTRUCTION:
            async for piece in super().stream(prompt, sampling):
                yield piece
            return
        assert (sampling.max_tokens, sampling.temperature) == (TOKENS, 0)
        self.asked.append(prompt)
        await asyncio.sleep(self.delay)
        yield Piece(self.words)
        yield Piece("", "stop", Usage(1, 1))


HISTORY = (Message("user", "What does the red fox weigh?"), Message("assistant", "Seven kilograms [1]."))


async def with_rewriter(make: Make, rewriter: Rewriter, **values: Any) -> House:
    house: House = await make(rewrite="engine", **values)
    house.engine._generator = rewriter
    house.fill()
    return house


async def test_a_follow_up_is_rewritten_by_the_engine(make: Make) -> None:
    rewriter = Rewriter('"What does the red fox eat?"')
    house = await with_rewriter(make, rewriter)
    run = await answer(house, ask("And what does it eat?", "knowledge", HISTORY))
    assert (run.query, run.rewritten) == ("What does the red fox eat?", "engine")
    assert "fox" in run.sources[0].text
    assert rewriter.asked[0].messages[1].content == (
        "user: What does the red fox weigh?\nassistant: Seven kilograms [1].\nLast question: And what does it eat?"
    )
    alone = await answer(house, ask("What does the blue whale weigh?", "knowledge"))
    assert (alone.query, alone.rewritten, len(rewriter.asked)) == ("What does the blue whale weigh?", "", 1)


async def test_who_wants_no_follow_up_is_searched_for_to_the_letter(make: Make) -> None:
    rewriter = Rewriter("What does the red fox eat?")
    house = await with_rewriter(make, rewriter)
    run = await answer(house, ask("And what does it eat?", "knowledge", HISTORY, follow=False))
    assert (run.query, run.rewritten, rewriter.asked) == ("And what does it eat?", "", [])


@pytest.mark.parametrize(
    ("words", "delay"),
    [
        ("What does the red fox eat?", 60.0),
        ("", 0.0),
        ("Foxes are omnivores and hunt mice, berries, eggs and beetles.", 0.0),
        ("What does\nthe red fox eat?", 0.0),
        ("fox eat " * 100, 0.0),
    ],
)
async def test_nonsense_and_slowness_leave_the_rule(make: Make, words: str, delay: float) -> None:
    house = await with_rewriter(make, Rewriter(words, delay), rewrite_seconds=0.5)
    run = await answer(house, ask("And what does it eat?", "knowledge", HISTORY))
    assert (run.query, run.rewritten) == ("What does the red fox weigh?\nAnd what does it eat?", "rule")
    assert idle(house)


async def test_the_rule_asks_no_engine(make: Make) -> None:
    house = await make()
    house.fill()
    run = await answer(house, ask("And what does it eat?", "retrieval", HISTORY))
    assert (run.query, run.rewritten) == ("What does the red fox weigh?\nAnd what does it eat?", "rule")
    assert house.echo.generated_tokens_total == 0


async def test_rewriting_waits_for_its_turn_but_not_for_ever(make: Make) -> None:
    house = await with_rewriter(make, Rewriter("What does the red fox eat?"), rewrite_seconds=0.05, max_running=1)
    house.engine._generator._delay = 0.01  # type: ignore[union-attr]
    first = await house.assistant.ask(ask("[[count 4000]]"))
    await first.begun()
    run = await house.assistant.ask(ask("And what does it eat?", "retrieval", HISTORY))
    assert run.rewritten == "rule"
    first.cancel()
    await first.stopped()


async def test_without_a_model_the_rule_rewrites(make: Make) -> None:
    house = await make(load=False, backend="transformers", model_path="none", rewrite="engine")
    house.fill()
    assert (await answer(house, ask("And what does it eat?", "retrieval", HISTORY))).rewritten == "rule"
