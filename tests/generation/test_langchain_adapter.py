"""An engine inside LangChain: whole, streamed, closed when its reader leaves."""

from collections.abc import Callable
from contextlib import aclosing
from typing import Any, cast

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser

from generation.base import Message, Sampling
from generation.langchain_adapter import GeneratorChatModel, to_messages


async def test_invoke_and_astream_say_the_same(started: Callable[..., Any]) -> None:
    async with started("echo") as generator:
        model = GeneratorChatModel(generator=generator)
        whole = model.invoke([SystemMessage("be kind"), HumanMessage("hi")])
        assert whole.content == "You said: hi"
        assert whole.response_metadata["finish_reason"] == "stop"
        assert whole.usage_metadata is not None
        assert whole.usage_metadata["output_tokens"] == 4
        assert (await model.ainvoke("hi")).content == "You said: hi"
        chain = model | StrOutputParser()
        pieces = [piece async for piece in chain.astream("hi")]
        assert "".join(pieces) == "You said: hi"
        assert len([piece for piece in pieces if piece]) > 2


async def test_stop_and_sampling_reach_the_engine(started: Callable[..., Any]) -> None:
    async with started("echo") as generator:
        model = GeneratorChatModel(generator=generator, sampling=Sampling(max_tokens=5))
        assert (await model.ainvoke("[[count 100]]")).content == "1 2 3 4 5"
        assert (await model.ainvoke("[[count 100]]", stop=[" 3"])).content == "1 2"
        assert (await model.ainvoke("[[count 100]]", max_tokens=2)).content == "1 2"


async def test_a_reader_that_leaves_stops_the_model(started: Callable[..., Any]) -> None:
    async with started("echo", echo_delay=0.001) as generator:
        model = GeneratorChatModel(generator=generator)
        async with aclosing(cast(Any, model.astream("[[count 200]]"))) as stream:
            await anext(stream)
        assert generator.active_generations == 0
        assert generator.generated_tokens_total < 200


def test_messages() -> None:
    blocks: Any = [{"type": "text", "text": "a"}, "b"]
    made = to_messages([SystemMessage("s"), HumanMessage(blocks), AIMessage("x")])
    assert made == [Message("system", "s"), Message("user", "ab"), Message("assistant", "x")]
    image: Any = [{"type": "image_url", "image_url": "http://leak"}]
    for message in (HumanMessage(image), ToolMessage("t", tool_call_id="1")):
        with pytest.raises(ValueError, match="cannot be shown"):
            to_messages([message])
