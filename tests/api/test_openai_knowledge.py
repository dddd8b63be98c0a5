"""Answers from documents over OpenAI's protocol, by its own client: the base in the model's name, in a field, as a tool."""

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from generation.base import Piece, Usage
from tests.api.live import Live, listening
from tests.server_process import PATIENCE, Server

QUESTION: Any = [{"role": "user", "content": "How heavy is the red fox?"}]
ANSWER = "According to [1], The red fox weighs seven kilograms."
SEARCH: Any = {"type": "file_search", "vector_store_ids": ["default"]}


@pytest.fixture
async def client(server: Live) -> AsyncIterator[AsyncOpenAI]:
    server.fill()
    async with (
        listening(server.app) as port,
        AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="x", max_retries=0) as it,
    ):
        yield it


@pytest.mark.parametrize(
    "asked",
    [
        {"model": "echo@default"},
        {"model": "echo", "extra_body": {"knowledge_base": "default"}},
        {"model": "echo", "extra_body": {"mode": "knowledge"}},
        {"model": "echo@default", "extra_body": {"knowledge_base": "default", "retrieval_top_k": 3}},
    ],
    ids=["name", "field", "mode", "both"],
)
async def test_an_answer_from_documents(client: AsyncOpenAI, asked: dict[str, Any]) -> None:
    done = await client.chat.completions.create(messages=QUESTION, **asked)
    assert done.choices[0].message.content == ANSWER
    sources: Any = done.to_dict()["sources"]
    assert [source["number"] for source in sources] == [1, 2, 3]
    assert [source["cited"] for source in sources] == [True, False, False]
    assert (sources[0]["filename"], sources[0]["text"]) == ("animals.txt", "The red fox weighs seven kilograms.")
    chunks = [chunk async for chunk in await client.chat.completions.create(messages=QUESTION, stream=True, **asked)]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ANSWER
    assert [bool(chunk.to_dict().get("sources")) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].to_dict()["sources"] == sources
    assert all(chunk.choices for chunk in chunks)


async def test_without_a_base_the_model_answers_by_itself(client: AsyncOpenAI) -> None:
    done = await client.chat.completions.create(model="echo", messages=QUESTION)
    assert done.choices[0].message.content == "You said: How heavy is the red fox?"
    assert "sources" not in done.to_dict()


async def test_the_passages_alone(client: AsyncOpenAI, server: Live) -> None:
    done = await client.chat.completions.create(
        model="echo", messages=QUESTION, extra_body={"mode": "retrieval", "retrieval_top_k": 1}
    )
    assert "> The red fox weighs seven kilograms." in (done.choices[0].message.content or "")
    assert len(done.to_dict()["sources"]) == 1  # type: ignore[arg-type]
    assert server.made == (0, 0)


async def test_what_the_documents_do_not_tell(client: AsyncOpenAI) -> None:
    foreign: Any = [{"role": "user", "content": "Who invented the steam engine?"}]
    kept = await client.chat.completions.create(model="echo@default", messages=foreign, extra_body={"strict": True})
    told = kept.to_dict()
    assert (kept.choices[0].finish_reason, told["grounded"], told["support"]) == ("stop", False, "refused")
    free = await client.chat.completions.create(model="echo@default", messages=foreign, extra_body={"strict": False})
    assert free.choices[0].message.content == "You said: Who invented the steam engine?"
    assert (free.to_dict()["grounded"], free.to_dict()["support"]) == (False, "general")


async def test_earlier_turns_help_unless_that_is_not_wanted(client: AsyncOpenAI) -> None:
    async def sources(wanted: bool | None, turns: Any) -> Any:
        more = {"rewrite_query": wanted, "mode": "retrieval"}
        return (await client.chat.completions.create(model="echo", messages=turns, extra_body=more)).to_dict()["sources"]

    last: Any = [{"role": "user", "content": "And in winter?"}]
    turns: Any = [*QUESTION, {"role": "assistant", "content": "Seven kilograms."}, *last]
    helped = await sources(True, turns)
    assert helped == await sources(None, turns) != await sources(None, last)
    assert await sources(False, turns) == await sources(None, last)


async def test_a_base_that_is_not_there(client: AsyncOpenAI) -> None:
    calls = [
        client.chat.completions.create(model="echo@nowhere", messages=QUESTION),
        client.chat.completions.create(model="echo", messages=QUESTION, extra_body={"knowledge_base": "nowhere"}),
        client.responses.create(model="echo", input="x", tools=[SEARCH | {"vector_store_ids": ["nowhere"]}]),
    ]
    for call in calls:
        with pytest.raises(openai.NotFoundError) as caught:
            await call
        assert caught.value.code == "unknown_knowledge_base"
    with pytest.raises(openai.BadRequestError) as two:
        await client.chat.completions.create(model="echo@default", messages=QUESTION, extra_body={"knowledge_base": "other"})
    assert two.value.param == "knowledge_base"
    with pytest.raises(openai.BadRequestError) as raw:
        await client.completions.create(model="echo@default", prompt="x")
    assert raw.value.code == "not_supported"


async def test_a_response_with_file_search(client: AsyncOpenAI) -> None:
    done = await client.responses.create(
        model="echo", input=QUESTION, tools=[SEARCH | {"max_num_results": 2}], include=["file_search_call.results"]
    )
    search, message = done.output
    assert search.type == "file_search_call" and message.type == "message"
    assert (search.status, search.queries) == ("completed", ["How heavy is the red fox?"])
    assert search.results is not None and len(search.results) == 2
    first = search.results[0]
    assert (first.filename, first.text) == ("animals.txt", "The red fox weighs seven kilograms.")
    assert first.score is not None and 0 < first.score <= 1
    part = message.content[0]
    assert part.type == "output_text" and part.text == ANSWER == done.output_text
    (citation,) = part.annotations
    assert citation.type == "file_citation"
    assert (citation.filename, citation.file_id, part.text[citation.index :][:3]) == ("animals.txt", first.file_id, "[1]")


async def test_results_are_shown_only_where_they_are_wanted(client: AsyncOpenAI) -> None:
    done = await client.responses.create(model="echo", input=QUESTION, tools=[SEARCH])
    assert done.output[0].type == "file_search_call" and done.output[0].results is None
    unused = await client.responses.create(model="echo", input=QUESTION, tools=[SEARCH], tool_choice="none")
    assert [item.type for item in unused.output] == ["message"]


async def test_a_streamed_response_with_file_search(client: AsyncOpenAI) -> None:
    async with client.responses.stream(
        model="echo", input=QUESTION, tools=[SEARCH], include=["file_search_call.results"]
    ) as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    kinds = [event.type for event in events]
    assert list(dict.fromkeys(kinds)) == [
        "response.created", "response.in_progress", "response.output_item.added", "response.file_search_call.in_progress",
        "response.file_search_call.searching", "response.file_search_call.completed", "response.output_item.done",
        "response.content_part.added", "response.output_text.delta", "response.output_text.annotation.added",
        "response.output_text.done", "response.content_part.done", "response.completed",
    ]  # fmt: skip
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == ANSWER
    whole = await client.responses.create(model="echo", input=QUESTION, tools=[SEARCH], include=["file_search_call.results"])
    assert final.output_text == whole.output_text == ANSWER
    changing = {"id", "status"}
    for streamed, told in zip(final.output, whole.output, strict=True):
        assert streamed.model_dump(exclude=changing)["type"] == told.type
        assert streamed.to_dict().keys() >= told.to_dict().keys() - {"parsed"}


async def test_a_citation_nobody_offered_is_none(client: AsyncOpenAI, server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stream(*_: Any) -> AsyncIterator[Piece]:
        for text in ("Foxes [2, 9] and", " bears [7] and [", "1]."):
            yield Piece(text)
        yield Piece("", "stop", Usage(1, 3))

    monkeypatch.setattr(server.echo, "stream", stream)
    done = await client.responses.create(model="echo", input=QUESTION, tools=[SEARCH])
    assert done.output_text == "Foxes [2] and bears and [1]."
    message: Any = done.output[1]
    part = message.content[0]
    assert [(note.index, done.output_text[note.index :][:3]) for note in part.annotations] == [(6, "[2]"), (24, "[1]")]
    assert "[7]" not in done.output_text
    async with client.responses.stream(model="echo", input=QUESTION, tools=[SEARCH]) as streamed:
        assert (await streamed.get_final_response()).output_text == done.output_text


def test_what_was_uploaded_is_cited_by_its_id(echo_server: Server) -> None:
    """With nothing but the official client: make a base, put a file into it, ask in every way, and find the file cited."""
    with OpenAI(base_url=f"{echo_server.url}/v1", api_key="x", timeout=PATIENCE, max_retries=0) as client:
        store = client.vector_stores.create(name="foxes")
        file = client.vector_stores.files.upload_and_poll(
            vector_store_id=store.id, file=("fox.txt", b"The red fox weighs seven kilograms.")
        )
        assert file.status == "completed"
        assert "echo@foxes" in [model.id for model in client.models.list()]
        for asked in ({"model": "echo@foxes"}, {"model": "echo", "extra_body": {"knowledge_base": store.id}}):
            done: Any = client.chat.completions.create(messages=QUESTION, **asked).to_dict()
            assert done["choices"][0]["message"]["content"] == ANSWER
            assert [(source["file_id"], source["cited"]) for source in done["sources"]] == [(file.id, True)]
        response: Any = client.responses.create(
            model="echo",
            input=QUESTION,
            tools=[SEARCH | {"vector_store_ids": [store.id]}],
            include=["file_search_call.results"],
        )
        assert response.output[0].results[0].file_id == response.output[1].content[0].annotations[0].file_id == file.id
        for year, said in ((2026, ANSWER), (2025, "The documents do not tell.")):
            client.vector_stores.files.update(vector_store_id=store.id, file_id=file.id, attributes={"year": 2026})
            wanted = {"type": "eq", "key": "year", "value": year}
            tools: Any = [SEARCH | {"vector_store_ids": [store.id], "filters": wanted}]
            assert client.responses.create(model="echo", input=QUESTION, tools=tools).output_text == said
        client.vector_stores.delete(store.id)
