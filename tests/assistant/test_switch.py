"""The model of a running server is changed: beside the old one or after it, and a failure keeps the old one."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from assistant.errors import ModelChanged
from assistant.prompt import fit
from assistant.switch import ModelSwitch
from generation.base import ModelNotReady, ModelUnusable
from generation.echo_backend import EchoBackend
from generation.memory_estimate import Estimate
from tests.assistant.conftest import House, ask, until

Make = Callable[..., Any]
BESIDE, INSTEAD, NO_ROOM = Estimate(10, 20, 5), Estimate(10, 5, 6), Estimate(10, 5, 4)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Callable[[Estimate], None]:
    """Return a function that says what an estimate finds from now on."""

    def found(estimate: Estimate) -> None:
        monkeypatch.setattr("assistant.switch.estimate", lambda present, wanted: estimate)

    return found


def refuses(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let loading models of these names fail."""
    load = EchoBackend.load

    def fail(self: EchoBackend, report: Any) -> Any:
        if self._settings.model_path in names:
            raise ModelUnusable(f"{self._settings.model_path} is broken.")
        return load(self, report)

    monkeypatch.setattr(EchoBackend, "load", fail)


def switch(house: House, seconds: float = 60) -> ModelSwitch:
    return ModelSwitch(house.assistant, seconds)


@pytest.mark.parametrize("found", [BESIDE, INSTEAD])
async def test_the_new_model_answers(make: Make, room: Callable[[Estimate], None], found: Estimate) -> None:
    house = await make(model_path="old", served_model_name=("its name",))
    room(found)
    changing = switch(house)
    old = house.engine
    await changing.start("new")
    assert changing.state is not None
    await changing.wait()
    assert [changing.state, changing.failure] == [None, ""]
    assert house.assistant.engine.state.name == "new"
    assert (await house.assistant.ask(ask("hello"))).fitted is not None
    with pytest.raises(ModelNotReady):
        _ = old.generator


async def test_beside_an_answer_that_runs_ends_with_the_model_that_began_it(
    make: Make, room: Callable[[Estimate], None]
) -> None:
    house = await make(model_path="old", echo_delay=0.005)
    room(BESIDE)
    run = await house.assistant.ask(ask("[[count 30]]"))
    echo = house.echo
    changing = switch(house)
    await changing.start("new")
    await until(lambda: house.assistant.engine.state.name == "new")
    assert (await house.assistant.ask(ask("hello"))).state in ("waiting", "running")
    await run.wait()
    assert run.state == "finished"
    await changing.wait()
    assert echo.active_generations == 0


async def test_an_answer_that_takes_too_long_is_told_why_it_ends(make: Make, room: Callable[[Estimate], None]) -> None:
    house = await make(model_path="old", echo_delay=0.005)
    room(INSTEAD)
    run = await house.assistant.ask(ask("[[count 100000]]"))
    changing = switch(house, 0.02)
    await changing.start("new")
    await asyncio.sleep(0)
    with pytest.raises(ModelNotReady, match="new"):
        await house.assistant.ask(ask("refused meanwhile"))
    with pytest.raises(ModelChanged):
        await run.wait()
    await changing.wait()
    assert house.assistant.engine.state.phase == "ready"


@pytest.mark.parametrize("found", [BESIDE, INSTEAD])
async def test_a_model_that_cannot_be_loaded_leaves_the_old_one(
    make: Make, room: Callable[[Estimate], None], monkeypatch: pytest.MonkeyPatch, found: Estimate
) -> None:
    house = await make(model_path="old")
    room(found)
    refuses(monkeypatch, "new")
    changing = switch(house)
    await changing.start("new")
    await changing.wait()
    assert "new is broken" in changing.failure
    assert (house.assistant.engine.state.phase, house.assistant.engine.state.name) == ("ready", "old")
    run = await house.assistant.ask(ask("hello"))
    await run.wait()
    assert run.text == "You said: hello"


async def test_what_does_not_fit_is_not_begun(make: Make, room: Callable[[Estimate], None]) -> None:
    house = await make(model_path="old")
    room(NO_ROOM)
    with pytest.raises(ModelUnusable, match="does not fit"):
        await switch(house).start("new")
    assert house.assistant.engine is house.engine


async def test_one_change_at_a_time(make: Make, room: Callable[[Estimate], None]) -> None:
    house = await make(model_path="old")
    room(BESIDE)
    changing = switch(house)
    await changing.start("new")
    with pytest.raises(ModelNotReady, match="already"):
        await changing.start("newer")
    await changing.close()


async def test_a_question_fitted_for_the_old_model_is_fitted_again(
    make: Make, room: Callable[[Estimate], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await make(model_path="old")
    room(BESIDE)
    changing = switch(house)
    seen: list[str] = []

    def slow_fit(generator: Any, *rest: Any) -> Any:
        seen.append(generator.name)
        if len(seen) == 1:
            asyncio.run_coroutine_threadsafe(change(), loop).result(20)
        return fit(generator, *rest)

    async def change() -> None:
        await changing.start("new")
        await changing.wait()

    loop = asyncio.get_running_loop()
    monkeypatch.setattr("assistant.assistant.fit", slow_fit)
    run = await house.assistant.ask(ask("hello"))
    await run.wait()
    assert (seen, run.text) == (["old", "new"], "You said: hello")
