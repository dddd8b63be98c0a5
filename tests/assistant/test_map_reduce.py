"""Whole documents are read part by part, each part in its turn, and the answers are made one; how much was read is told."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from assistant.coverage import Coverage, Progress
from assistant.map_reduce import divided
from assistant.prompt import fit
from assistant.run import Run
from generation.base import Message, Piece, Prompt, Sampling
from generation.echo_backend import EchoGenerator
from generation.settings import GenerationSettings
from tests.assistant.conftest import House, ask, echo, passage, until
from tests.tiny_llama import make_tiny_llama

Make = Callable[..., Any]
LINES = [f"Thing{number} weighs {number} tons." for number in range(60)]
LONG = "\n\n".join(LINES).encode()
CANARY = b"Canary zebra77 lives in another base."


class Talker(EchoGenerator):
    """Answers in two sentences, the second with a number; `asked` keeps its prompts."""

    def __init__(self, context: int = 400, delay: float = 0.0) -> None:
        super().__init__(GenerationSettings(backend="echo", echo_context=context, echo_delay=delay))
        self.asked = list[Prompt]()

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        self.asked.append(prompt)
        instead = self.render([Message("user", f"Here it is. Answer{len(self.asked)} stands [1].")])
        async with aclosing(super().stream(instead, sampling)) as pieces:
            async for piece in pieces:
                yield piece


async def answer(house: House, text: str, **more: Any) -> Run:
    run: Run = await house.assistant.ask(ask(text, "knowledge", **more))
    await run.wait()
    await run.stopped()
    return run


async def with_talker(make: Make, talker: Talker, **values: Any) -> House:
    house: House = await make(**{"whole_context": 0} | values)
    house.engine._generator = talker
    house.fill(LONG, name="facts.txt")
    house.library.create("other")
    house.fill(CANARY, "other", "canary.txt")
    return house


def idle(house: House) -> bool:
    return (house.echo.active_generations, house.assistant.runs.active, house.assistant.runs.waiting) == (0, 0, 0)


async def test_what_fits_is_one_generation(make: Make) -> None:
    house = await with_talker(make, talker := Talker(context=4096))
    run = await answer(house, "Summarise facts.txt")
    assert (len(talker.asked), run.coverage, run.progress) == (1, Coverage(60, 60), None)
    assert all(line in talker.asked[0].text for line in LINES)
    assert [source.text for source in run.sources] == LINES and run.evidence == 1


async def test_parts_are_read_in_order_and_made_one(make: Make) -> None:
    house = await with_talker(make, talker := Talker())
    run = await answer(house, "Summarise facts.txt")
    assert run.coverage is not None and run.progress is not None
    parts = run.coverage.parts
    assert parts > 2 and run.coverage == Coverage(60, 60, parts)
    assert run.progress == Progress(len(talker.asked), len(talker.asked), parts) and len(talker.asked) > parts
    read = "".join(prompt.text for prompt in talker.asked[:parts])
    assert [read.index(line) for line in LINES] == sorted(read.index(line) for line in LINES)
    last = talker.asked[-1].text
    assert "stands." in last and "stands [1]" not in last and "[1] facts.txt\nYou said: Here it is." in last
    assert run.text == f"You said: Here it is. Answer{len(talker.asked)} stands [1]."
    assert run.usage is not None and run.usage.prompt_tokens > sum(len(prompt.token_ids) for prompt in talker.asked) / 50
    assert all(len(prompt.token_ids) < 400 for prompt in talker.asked)
    assert not any("zebra77" in prompt.text for prompt in talker.asked)
    assert idle(house)


async def test_every_source_begins_what_its_number_stands_for(make: Make) -> None:
    house = await with_talker(make, talker := Talker())
    run = await answer(house, "Summarise facts.txt")
    assert talker.asked[-1].text.count("] facts.txt\n") == len(run.sources) > 1
    assert run.sources[0].text == LINES[0] and run.support is not None and run.support.cited == (1,)


async def test_what_is_too_long_is_sampled_and_said(make: Make) -> None:
    house = await with_talker(make, Talker(), max_parts=2)
    run = await answer(house, "Summarise facts.txt")
    assert run.coverage is not None
    assert run.coverage.parts == 2 and 2 <= run.coverage.read < 60 == run.coverage.passages


async def test_single_sentences_are_listed(make: Make) -> None:
    house: House = await make(echo_context=400, whole_context=0)
    house.fill(LONG, name="facts.txt")
    run = await answer(house, "总结这份文档")
    assert run.coverage is not None and run.coverage.listed and run.coverage.read == 60
    lines = run.text.splitlines()
    assert len(lines) == run.coverage.parts and lines[0] == f"- According to, {LINES[0]} [1]"
    assert run.support is not None and run.support.kind == "cited" and run.finish_reason == "stop"


async def test_the_setting_switches_it_off(make: Make) -> None:
    house = await with_talker(make, talker := Talker(context=4096), max_parts=0)
    run = await answer(house, "Summarise facts.txt")
    assert run.coverage is None and len(run.sources) <= 4 and len(talker.asked) == 1


@pytest.mark.parametrize(("context", "whole"), [(4095, False), (4096, True)])
async def test_a_small_model_is_given_what_is_found(make: Make, context: int, whole: bool) -> None:
    house = await with_talker(make, Talker(context), whole_context=4096)
    run = await answer(house, "Summarise facts.txt")
    assert (run.coverage is not None, len(run.sources) > 4) == (whole, whole)


async def test_other_modes_and_questions_read_nothing_whole(make: Make) -> None:
    house = await with_talker(make, Talker(context=4096))
    assert (await answer(house, "What does thing7 weigh?")).coverage is None
    run: Run = await house.assistant.ask(ask("Summarise facts.txt"))
    await run.wait()
    assert run.coverage is None


async def test_stop_ends_all_steps(make: Make) -> None:
    house = await with_talker(make, talker := Talker(delay=0.01))
    run: Run = await house.assistant.ask(ask("Summarise facts.txt", "knowledge"))
    await until(lambda: len(talker.asked) == 2 and talker.active_generations == 1)
    assert run.progress is not None and run.progress.step == 2
    run.cancel()
    await run.stopped()
    made = talker.generated_tokens_total
    assert (run.state, run.text, len(talker.asked)) == ("cancelled", "", 2) and idle(house)
    await answer(house, "Summarise facts.txt", sampling=Sampling(max_tokens=16))
    assert talker.generated_tokens_total > made


async def test_others_are_let_through_between_two_steps(make: Make) -> None:
    house = await with_talker(make, talker := Talker(delay=0.002), max_running=1)
    run: Run = await house.assistant.ask(ask("Summarise facts.txt", "knowledge", principal="long"))
    await until(lambda: len(talker.asked) == 1)
    short: Run = await house.assistant.ask(ask("hello", principal="short"))
    await until(lambda: house.assistant.runs.place(short) is not None)
    await short.wait()
    assert not run.done and len(talker.asked) == 2
    run.cancel()
    await run.stopped()
    assert idle(house)


async def test_stop_while_the_next_turn_is_waited_for(make: Make) -> None:
    house = await with_talker(make, talker := Talker(delay=0.02), max_running=1)
    run: Run = await house.assistant.ask(ask("Summarise facts.txt", "knowledge", principal="long"))
    await until(lambda: len(talker.asked) == 1)
    short: Run = await house.assistant.ask(ask("hello", principal="short"))
    await short.begun()
    assert house.assistant.runs.place(run) is not None, "it waits for its second step"
    run.cancel()
    await run.stopped()
    await short.wait()
    await short.stopped()
    assert run.state == "cancelled" and len(talker.asked) == 2 and idle(house)


@pytest.mark.parametrize("context", [200, 400, 4096])
def test_parts_fit_their_prompts(context: int) -> None:
    generator, asked = echo(context), [Message("system", "Be brief."), Message("user", "Summarise this.")]
    passages = [passage(line * (1 + number % 3), number) for number, line in enumerate(LINES)]
    parts = divided(generator, asked, passages, 64, 1000)
    assert [one for part in parts for one in part] == passages
    assert not any(fit(generator, asked, part, 64, grounded=True).left_out_passages for part in parts)


async def test_a_tiny_llama(make: Make, tmp_path: Path) -> None:
    folder = make_tiny_llama(tmp_path / "llama", context=512)
    house: House = await make(backend="transformers", model_path=str(folder), whole_context=0)
    house.fill("\n\n".join(LINES[:16]).encode(), name="facts.txt")
    run = await answer(house, "Summarise facts.txt", sampling=Sampling(max_tokens=48, seed=1))
    assert run.coverage is not None and run.coverage.parts > 1 and run.coverage.read == 16
    assert run.state == "finished" and run.text and run.usage is not None and run.usage.completion_tokens > 0
    run = await house.assistant.ask(ask("Summarise facts.txt", "knowledge"))
    await until(lambda: run.coverage is not None and run.coverage.read > 0, 120)
    run.cancel()
    await run.stopped()
    measures = house.engine.generator.measures()
    assert measures.active == 0
    await asyncio.sleep(0)
    assert house.engine.generator.measures().generated_tokens_total == measures.generated_tokens_total
