"""OpenAI's official client and LangChain's, unmodified, against server processes: echo engine and built-in model."""

import base64
import json
import struct
import urllib.request
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from tests.server_process import PATIENCE, Server

KEY = "any"
EMBEDDER = "all-MiniLM-L6-v2"


def client(server: Server, **options: float) -> OpenAI:
    return OpenAI(base_url=f"{server.url}/v1", api_key=KEY, timeout=options.get("timeout", PATIENCE), max_retries=0)


@pytest.fixture
def echo(echo_server: Server) -> Iterator[OpenAI]:
    with client(echo_server) as made:
        yield made


@pytest.fixture
def starter(starter_server: Server) -> Iterator[OpenAI]:
    with client(starter_server) as made:
        yield made


def said(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


def test_the_models_are_listed_and_described(echo: OpenAI) -> None:
    listed = [model.id for model in echo.models.list()]
    assert listed[0] == "echo" and EMBEDDER in listed
    for name in listed:
        model = echo.models.retrieve(name)
        assert (model.id, model.object, model.owned_by) == (name, "model", "chat-llm-webui")
    with pytest.raises(openai.NotFoundError) as caught:
        echo.models.retrieve("gpt-4o")
    assert caught.value.code == "model_not_found"


def test_a_chat_whole(echo: OpenAI) -> None:
    done = echo.chat.completions.create(model="echo", messages=said("hello there"), temperature=0)
    assert (done.object, done.model, done.id[:9]) == ("chat.completion", "echo", "chatcmpl-")
    choice = done.choices[0]
    assert (choice.index, choice.finish_reason, choice.message.role) == (0, "stop", "assistant")
    assert choice.message.content == "You said: hello there"
    assert done.usage is not None
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens == 7 + 5


def test_a_chat_streamed(echo: OpenAI) -> None:
    stream = echo.chat.completions.create(
        model="echo", messages=said("[[count 50]]"), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1] if chunk.choices[0].finish_reason] == ["stop"]
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == " ".join(map(str, range(1, 51)))
    assert chunks[-1].choices == [] and chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 50
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_the_clients_own_helper_for_streams(echo: OpenAI) -> None:
    with echo.chat.completions.stream(model="echo", messages=said("one two")) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        assert text == stream.get_final_completion().choices[0].message.content == "You said: one two"


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("stream", [False, True])
def test_seven_tokens_are_seven(echo: OpenAI, field: str, stream: bool) -> None:
    asked = {"model": "echo", "messages": said("[[count 50]]"), field: 7}
    if stream:
        chunks = list(echo.chat.completions.create(stream=True, **asked))  # type: ignore[call-overload]
        assert chunks[-1].choices[0].finish_reason == "length"
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    else:
        done = echo.chat.completions.create(**asked)  # type: ignore[call-overload]
        assert (done.choices[0].finish_reason, done.usage.completion_tokens) == ("length", 7)
        text = done.choices[0].message.content
    assert text == "1 2 3 4 5 6 7"


def test_two_answers_side_by_side(echo: OpenAI) -> None:
    done = echo.chat.completions.create(model="echo", messages=said("hi"), n=2)
    assert [(choice.index, choice.message.content) for choice in done.choices] == [(0, "You said: hi"), (1, "You said: hi")]
    texts = ["", ""]
    ends = []
    for chunk in echo.chat.completions.create(model="echo", messages=said("[[count 30]]"), n=2, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            ends += [choice.index] if choice.finish_reason else []
    assert texts == [" ".join(map(str, range(1, 31)))] * 2
    assert sorted(ends) == [0, 1]


@pytest.mark.parametrize("stop", ["four", ["nine", " four"]])
def test_stop_strings(echo: OpenAI, stop: str | list[str]) -> None:
    done = echo.chat.completions.create(model="echo", messages=said("one two three four five"), stop=stop)
    assert done.choices[0].message.content is not None
    assert done.choices[0].message.content.rstrip() == "You said: one two three"
    assert done.choices[0].finish_reason == "stop"


def test_content_in_parts_and_every_role(echo: OpenAI) -> None:
    done = echo.chat.completions.create(
        model="echo",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "hello"},
            {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
        ],
        user="somebody", store=False, metadata={"a": "b"}, parallel_tool_calls=True, service_tier="auto",
        extra_body={"top_k": 5, "repetition_penalty": 1.1}, presence_penalty=0.5, frequency_penalty=0.5, seed=-3, top_p=0.9,
    )  # fmt: skip
    assert done.choices[0].message.content == "You said: one\ntwo"


def test_completions(echo: OpenAI) -> None:
    done = echo.completions.create(model="echo", prompt="once upon a time", max_tokens=4)
    assert (done.object, done.choices[0].text, done.choices[0].finish_reason) == ("text_completion", "You said: once", "length")
    chunks = list(echo.completions.create(model="echo", prompt=["a b", "c d"], stream=True))
    texts = {index: "".join(c.choices[0].text for c in chunks if c.choices[0].index == index) for index in (0, 1)}
    assert texts == {0: "You said: a b", 1: "You said: c d"}


def test_embeddings(echo: OpenAI) -> None:
    texts = ["The fox sleeps.", "A fox is asleep.", "Interest rates rise."]
    made = echo.embeddings.create(model=EMBEDDER, input=texts)
    vectors = [item.embedding for item in made.data]
    assert [len(vector) for vector in vectors] == [384] * 3
    assert all(abs(sum(x * x for x in vector) - 1) < 1e-4 for vector in vectors)
    near, far = (sum(a * b for a, b in zip(vectors[0], other, strict=True)) for other in vectors[1:])
    assert near > far + 0.2
    assert made.usage.prompt_tokens > 10
    listed = echo.embeddings.create(model=EMBEDDER, input=texts, encoding_format="float", dimensions=384)
    packed = echo.embeddings.create(model=EMBEDDER, input=texts, encoding_format="base64")
    for first, second in zip(listed.data, packed.data, strict=True):
        raw = base64.b64decode(str(second.embedding))
        assert first.embedding == pytest.approx(list(struct.unpack("<384f", raw)), abs=1e-6)
    every: list[dict[str, Any]] = [{"dimensions": 100}, {"input": "word " * 600}, {"input": [[1, 2]]}]
    for wrong in every:
        with pytest.raises(openai.BadRequestError):
            echo.embeddings.create(**{"model": EMBEDDER, "input": "x"} | wrong)
    with pytest.raises(openai.NotFoundError):
        echo.embeddings.create(model="text-embedding-3-small", input="x")


def test_responses_whole_and_streamed(echo: OpenAI) -> None:
    done = echo.responses.create(model="echo", input="hello", instructions="Be brief.", metadata={"a": "b"})
    assert (done.status, done.output_text, done.metadata) == ("completed", "You said: hello", {"a": "b"})
    assert done.usage is not None and done.usage.output_tokens == 4
    cut = echo.responses.create(model="echo", input="[[count 50]]", max_output_tokens=7)
    assert (cut.status, cut.output_text) == ("incomplete", "1 2 3 4 5 6 7")
    assert cut.incomplete_details is not None and cut.incomplete_details.reason == "max_output_tokens"
    with echo.responses.stream(model="echo", input=[{"role": "user", "content": "[[count 9]]"}]) as stream:
        events = list(stream)
        assert stream.get_final_response().output_text == "1 2 3 4 5 6 7 8 9"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    last = {"role": "user", "content": [{"type": "input_text", "text": "x"}]}
    turns: Any = [{"role": "user", "content": "hi"}, *(item.to_dict() for item in done.output), last]
    again = echo.responses.create(model="echo", input=turns)
    assert again.output_text == "You said: x"


def test_errors_have_their_classes(echo: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        echo.chat.completions.create(model="gpt-4o", messages=said("hi"))
    assert unknown.value.code == "model_not_found" and unknown.value.type == "invalid_request_error"
    with pytest.raises(openai.NotFoundError) as base:
        echo.chat.completions.create(model="echo@nowhere", messages=said("hi"))
    assert base.value.code == "unknown_knowledge_base"
    with pytest.raises(openai.BadRequestError) as long:
        echo.chat.completions.create(model="echo", messages=said("x " * 6000))
    assert long.value.code == "context_length_exceeded"
    assert "6006" in long.value.message and "4096" in long.value.message
    with pytest.raises(openai.BadRequestError) as field:
        echo.chat.completions.create(model="echo", messages=said("hi"), temperature=3)
    assert field.value.param == "temperature"
    with pytest.raises(openai.ConflictError) as empty:
        echo.chat.completions.create(model="echo@default", messages=said("hi"))
    assert empty.value.code == "empty_knowledge_base"


def test_what_is_not_possible_is_refused_by_name(echo: OpenAI) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    wrong: dict[str, object] = {
        "logprobs": True, "top_logprobs": 3, "response_format": {"type": "json_object"}, "tools": [tool], "n": 3,
        "tool_choice": "required", "modalities": ["text", "audio"], "logit_bias": {"5": 5}, "reasoning_effort": "high",
    }  # fmt: skip
    for name, value in wrong.items():
        with pytest.raises(openai.BadRequestError) as caught:
            echo.chat.completions.create(model="echo", messages=said("hi"), **{name: value})  # type: ignore[call-overload]
        assert caught.value.param == name
    for name, value in {"previous_response_id": "resp_1", "background": True, "reasoning": {"effort": "high"}}.items():
        with pytest.raises(openai.BadRequestError) as caught:
            echo.responses.create(model="echo", input="hi", **{name: value})  # type: ignore[call-overload]
        assert caught.value.param == name


def test_a_client_that_gives_up_in_time(echo_server: Server) -> None:
    with client(echo_server, timeout=0.0001) as hasty, pytest.raises(openai.APITimeoutError):
        hasty.chat.completions.create(model="echo", messages=said("[[count 4000]]"))


def test_temperature_0_says_the_same_as_the_native_protocol(starter: OpenAI, starter_server: Server) -> None:
    question = "What is the capital of France?"
    body = json.dumps({"prompt": question, "temperature": 0, "max_new_tokens": 24}).encode()
    native = json.loads(starter_server.get("/", body)[1])["response"]
    name = starter.models.list().data[0].id
    whole = starter.chat.completions.create(model=name, messages=said(question), temperature=0, max_tokens=24)
    chunks = starter.chat.completions.create(model=name, messages=said(question), temperature=0, max_tokens=24, stream=True)
    response = starter.responses.create(model=name, input=question, temperature=0, max_output_tokens=24)
    assert whole.choices[0].message.content == native != ""
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == native
    assert response.output_text == native


def test_a_seed_gives_the_same_two_answers(starter: OpenAI) -> None:
    name = starter.models.list().data[0].id

    def ask() -> list[str | None]:
        done = starter.chat.completions.create(
            model=name, messages=said("Tell me a story."), temperature=2, top_p=1, seed=5, n=2, max_tokens=24,
            extra_body={"top_k": 0},
        )  # fmt: skip
        return [choice.message.content for choice in done.choices]

    first = ask()
    assert first == ask()


def test_langchain(echo_server: Server) -> None:
    address: Any = {"base_url": f"{echo_server.url}/v1", "api_key": KEY, "timeout": PATIENCE}
    chat = ChatOpenAI(model="echo", **address)
    assert chat.invoke("hello").content == "You said: hello"
    chunks = list(chat.stream("[[count 12]]"))
    assert "".join(str(chunk.content) for chunk in chunks) == " ".join(map(str, range(1, 13)))
    assert chat.invoke("hello").usage_metadata is not None
    vectors = OpenAIEmbeddings(model=EMBEDDER, check_embedding_ctx_length=False, **address)
    assert len(vectors.embed_query("fox")) == 384
    assert len(vectors.embed_documents(["fox", "bear"])) == 2


def test_the_bytes_of_a_stream(echo_server: Server) -> None:
    body = json.dumps({"model": "echo", "messages": said("line one\u2028two\r\n\r\ndata: three"), "stream": True}).encode()
    request = urllib.request.Request(f"{echo_server.url}/v1/chat/completions", data=body)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        raw = answer.read()
    events = raw.split(b"\n\n")
    assert events[-1] == b"" and events[-2] == b"data: [DONE]"
    assert raw.isascii() and b"\r" not in raw
    texts = [json.loads(event.removeprefix(b"data: "))["choices"][0]["delta"].get("content", "") for event in events[:-2]]
    assert "".join(texts) == "You said: line one\u2028two\r\n\r\ndata: three"
