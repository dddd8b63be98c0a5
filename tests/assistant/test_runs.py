"""The registry: how many runs are taken, refused, kept, and how they end when the server does."""

import asyncio

import pytest

from assistant.errors import Stopping, TooManyOfOne, TooManyRuns, UnknownRun, WaitedTooLong
from assistant.prompt import Fitted, TokenCounts
from assistant.run import Run
from assistant.runs import RunRegistry
from assistant.settings import AssistantSettings
from generation.base import Piece, Prompt
from tests.assistant.conftest import until
from tests.assistant.script import LAST, Script


def registry(slots: int = 1, **values: object) -> RunRegistry:
    return RunRegistry(AssistantSettings.model_validate(values), slots)


def start(runs: RunRegistry, principal: str = "a", tokens: int = 0) -> tuple[Run, Script]:
    """Start a run that waits for its script."""
    with runs.seat(principal):
        fitted = Fitted(Prompt((), "", ()), TokenCounts(0, 0, 0, tokens, tokens, 0, 4096)) if tokens else None
        run, script = Run("chat", fitted, [], principal), Script(Piece("a"), LAST)
        runs.start(run, script.stream())
    return run, script


async def ended(runs: RunRegistry) -> Run:
    run, script = start(runs)
    script.go(2)
    await run.wait()
    return run


async def test_so_many_run_so_many_wait_and_no_more() -> None:
    runs = registry(2, max_waiting=3)
    started = [start(runs, principal)[0] for principal in "abcde"]
    await until(lambda: runs.waiting == 3)
    assert (runs.active, [run.state for run in started]) == (5, ["running"] * 2 + ["waiting"] * 3)
    with pytest.raises(TooManyRuns, match="5 answers") as refused:
        start(runs, "f")
    assert not isinstance(refused.value, TooManyOfOne)
    started[0].cancel()
    await started[0].stopped()
    start(runs, "f")
    await runs.close()


async def test_one_person_may_not_have_it_all() -> None:
    runs = registry(1, max_runs_each=2)
    start(runs), start(runs)
    with pytest.raises(TooManyOfOne, match="2 of your answers"):
        start(runs)
    start(runs, "somebody else")
    await runs.close()


async def test_what_is_being_prepared_counts() -> None:
    runs = registry(1, max_waiting=1)
    with runs.seat("a"), runs.seat("b"), pytest.raises(TooManyRuns), runs.seat("c"):
        pass
    with runs.seat("a"), runs.seat("b"):
        pass


async def test_the_prompts_that_wait_are_bounded_by_their_tokens() -> None:
    runs = registry(1, max_waiting_tokens=1000)
    start(runs, tokens=5000)
    await asyncio.sleep(0)
    first, _ = start(runs, tokens=900)
    with pytest.raises(TooManyRuns, match="900 tokens"):
        start(runs, tokens=101)
    start(runs, tokens=100)
    first.cancel()
    await first.stopped()
    start(runs, tokens=800)
    await runs.close()


async def test_a_refusal_says_when_to_try_again() -> None:
    runs = registry(1, max_waiting=0)
    await ended(runs)
    start(runs)
    with pytest.raises(TooManyRuns) as refused:
        start(runs)
    assert refused.value.retry_after is not None
    await runs.close()


async def test_a_wait_that_is_too_long_is_an_error_of_the_run() -> None:
    runs = registry(1, max_wait_seconds=0.02)
    running, script = start(runs)
    waiting, _ = start(runs)
    with pytest.raises(WaitedTooLong, match=r"0\.02 s"):
        await waiting.begun()
    assert (waiting.state, runs.waiting, runs.place(waiting)) == ("failed", 0, None)
    script.go(2)
    await running.wait()
    assert running.state == "finished"


async def test_a_run_knows_its_place() -> None:
    runs = registry(1)
    running, script = start(runs, "a")
    first, _ = start(runs, "b")
    second, _ = start(runs, "c")
    await until(lambda: runs.waiting == 2)
    places = [runs.place(run) for run in (running, first, second)]
    assert [place and place.position for place in places] == [None, 1, 2]
    script.go(2)
    await first.begun()
    place = runs.place(second)
    assert place is not None
    assert place.position == 1
    assert place.seconds is not None
    await runs.close()


async def test_what_needs_no_engine_does_not_wait() -> None:
    runs = registry(1, max_waiting=0)
    start(runs)
    run, script = Run("retrieval", None, []), Script(LAST)
    script.go()
    runs.start_now(run, script.stream())
    await run.wait()
    assert run.state == "finished"
    await runs.close()


async def test_a_registry_forgets_the_oldest_that_ended() -> None:
    runs = registry(2, kept_runs=2)
    going, _ = start(runs)
    latest = [await ended(runs) for _ in range(5)]
    assert runs.get(going.id) is going, "what goes on is never forgotten"
    assert [runs.get(run.id) for run in latest[-2:]] == latest[-2:]
    for run in latest[:2]:
        with pytest.raises(UnknownRun):
            runs.get(run.id)
    await runs.close()


async def test_ids_cannot_be_guessed() -> None:
    assert len({Run("chat", None, []).id for _ in range(100)}) == 100
    assert len(Run("chat", None, []).id) >= 22
    with pytest.raises(UnknownRun):
        registry().get("")


async def test_close_ends_all_and_waits() -> None:
    runs = registry(2)
    started = [start(runs, principal) for principal in "abc"]
    for _, script in started:
        script.go()
    await until(lambda: [run.text for run, _ in started] == ["a", "a", ""])
    await runs.close()
    assert [(run.state, run.finish_reason) for run, _ in started] == [("failed", "cancelled")] * 3
    assert {type(run.error) for run, _ in started} == {Stopping}
    assert [script.closed for _, script in started[:2]] == [True] * 2
    assert runs.active == 0


async def test_a_drain_takes_nothing_new_and_lets_the_taken_end() -> None:
    runs = registry(1)
    (one, first), (two, second) = start(runs, "a"), start(runs, "b")
    draining = asyncio.create_task(runs.drain(60))
    await asyncio.sleep(0)
    with pytest.raises(Stopping):
        start(runs)
    assert runs.stopping
    first.go(2)
    await one.wait()
    second.go(2)
    await draining
    assert (one.state, two.state, two.text) == ("finished", "finished", "a")


async def test_a_drain_has_an_end_that_readers_see() -> None:
    runs = registry(1)
    (run, script), (waiting, _) = start(runs, "a"), start(runs, "b")
    script.go()
    await until(lambda: run.text == "a")
    await runs.drain(0.01)
    for ended_run in (run, waiting):
        with pytest.raises(Stopping, match="before this answer was finished"):
            await ended_run.wait()
    assert script.closed
