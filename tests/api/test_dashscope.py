"""DashScope's text generation on the wire: forms of input and answer, events, errors, and who leaves."""

import asyncio
import json
from collections.abc import AsyncGenerator
from itertools import pairwise
from typing import Any

import pytest

from api import json_body
from api.dashscope_answer import refuse
from api.dashscope_request import DashScopeRequest
from api.dashscope_routes import PATH
from api.errors import ERRORS, Fault
from generation.base import EngineFailed, Message, Piece, Sampling
from tests.api.live import Live, Make, listening, raw
from tests.api.test_responses import breaking
from tests.assistant.conftest import until

SSE = {"X-DashScope-SSE": "enable"}


def request(body: str, headers: str = "") -> bytes:
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


async def ask(server: Live, headers: dict[str, str] | None = None, **body: Any) -> Any:
    return await server.client.post(PATH, json={"model": "echo"} | body, headers=headers)


def question(text: str = "hi", **parameters: Any) -> dict[str, Any]:
    return {"input": {"prompt": text}, "parameters": parameters}


def events(text: str) -> list[dict[str, str]]:
    """Take a stream apart; what begins with a colon is under that key."""
    assert text.endswith("\n\n")
    return [
        {":" if line.startswith(":") else line.partition(":")[0]: line.lstrip(":").partition(":")[2] or line
         for line in block.split("\n")}
        for block in text.removesuffix("\n\n").split("\n\n")
    ]  # fmt: skip


async def test_a_prompt_answered_as_text(server: Live) -> None:
    answer = await ask(server, **question())
    assert answer.status_code == 200
    body = answer.json()
    assert len(body.pop("request_id")) == 36
    assert body == {
        "output": {"text": "You said: hi", "finish_reason": "stop"},
        "usage": {"input_tokens": 6, "output_tokens": 4, "total_tokens": 10, "prompt_tokens_details": {"cached_tokens": 0}},
    }


async def test_messages_answered_as_a_message(server: Live) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"text": "one, "}, {"type": "text", "text": "two"}]},
        {"role": "assistant", "content": "three"},
        {"role": "user", "content": "four", "name": "somebody"},
    ]
    answer = (await ask(server, input={"messages": messages}, parameters={"result_format": "message"})).json()
    choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": "You said: four"}}
    assert answer["output"] == {"choices": [choice]}
    run = next(iter(server.runs._runs.values()))
    assert run.fitted is not None
    assert run.fitted.prompt.messages == (
        Message("system", "Be brief."),
        Message("user", "one, two"),
        Message("assistant", "three"),
        Message("user", "four"),
    )


async def test_the_old_history(server: Live) -> None:
    answer = await ask(server, input={"prompt": "c", "history": [{"user": "a", "bot": "b"}]})
    assert answer.json()["output"]["text"] == "You said: c"
    run = next(iter(server.runs._runs.values()))
    assert run.fitted is not None
    assert [message.content for message in run.fitted.prompt.messages] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("parameters", "text", "reason"),
    [
        ({"max_tokens": 3}, "1 2 3", "length"),
        ({"stop": " 4"}, "1 2 3", "stop"),
        ({"stop": [" 5", " 3"]}, "1 2", "stop"),
        ({"temperature": 0, "top_p": 1, "top_k": 0, "seed": 7, "repetition_penalty": 1}, "1 2 3 4 5", "stop"),
        ({"temperature": None, "top_k": None, "stop": None, "n": 1, "presence_penalty": 0.0}, "1 2 3 4 5", "stop"),
        ({"tools": [], "tool_choice": "auto", "enable_search": False, "logprobs": False}, "1 2 3 4 5", "stop"),
        ({"response_format": {"type": "text"}, "incremental_output": True, "never_heard_of": {"x": 1}}, "1 2 3 4 5", "stop"),
    ],
)
async def test_parameters(server: Live, parameters: dict[str, Any], text: str, reason: str) -> None:
    answer = await ask(server, **question("[[count 5]]", **parameters))
    assert answer.json()["output"] == {"text": text, "finish_reason": reason}


@pytest.mark.parametrize("parameters", [None, {}])
async def test_parameters_may_be_left_out(server: Live, parameters: Any) -> None:
    assert (await ask(server, input={"prompt": "x"}, parameters=parameters)).status_code == 200
    assert (await ask(server, input={"prompt": "x"})).status_code == 200


@pytest.mark.parametrize("headers", [SSE, {"Accept": "text/event-stream"}, {"x-dashscope-sse": "ENABLE"}])
async def test_a_stream_is_cumulative(server: Live, headers: dict[str, str]) -> None:
    answer = await ask(server, headers, **question("[[count 3]]"))
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = answer.text.split("\n\n")[0].split("\n")
    assert lines[:3] == ["id:1", "event:result", ":HTTP_STATUS/200"]
    found = events(answer.text)
    assert [event["id"] for event in found] == [str(number) for number in range(1, len(found) + 1)]
    bodies = [json.loads(event["data"]) for event in found]
    assert len({body["request_id"] for body in bodies}) == 1
    texts = [body["output"]["text"] for body in bodies]
    assert texts[-1] == "1 2 3"
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert [body["output"]["finish_reason"] for body in bodies] == ["null"] * (len(bodies) - 1) + ["stop"]
    assert [body.get("usage", {}).get("output_tokens") for body in bodies[-2:]] == [None, 3]


async def test_a_stream_may_be_refused_by_the_header(server: Live) -> None:
    answer = await ask(server, {"X-DashScope-SSE": "disable", "Accept": "text/event-stream"}, **question())
    assert answer.headers["content-type"] == "application/json"


async def test_an_incremental_stream_of_messages(server: Live) -> None:
    parameters = {"result_format": "message", "incremental_output": True, "max_tokens": 3}
    answer = await ask(server, SSE, **question("[[count 5]]", **parameters))
    choices = [json.loads(event["data"])["output"]["choices"][0] for event in events(answer.text)]
    assert "".join(choice["message"]["content"] for choice in choices) == "1 2 3"
    assert choices[-1] == {"finish_reason": "length", "message": {"role": "assistant", "content": ""}}


@pytest.mark.parametrize("text", ["a\nb\r\nc", "data: x\n\nevent:error", "\u2028\u0085", "你好 🙂", "<b>&amp;"])
async def test_no_text_breaks_the_frame(server: Live, text: str) -> None:
    answer = await ask(server, SSE, **question(f"{text}."))
    assert json.loads(events(answer.text)[-1]["data"])["output"]["text"] == f"You said: {text}."


@pytest.mark.parametrize("extra", [{}, {"headers": SSE}])
@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("echo@laws", {}),
        ("echo", {"knowledge_base": "laws"}),
        ("echo", {"rag_options": {"pipeline_ids": ["laws"]}}),
        ("echo@laws", {"knowledge_base": "laws", "rag_options": {"pipeline_ids": ["laws"]}}),
    ],
)
async def test_an_answer_from_documents(server: Live, extra: Any, model: str, parameters: dict[str, Any]) -> None:
    server.library.create("laws")
    server.fill(base="laws")
    answer = await ask(server, model=model, **extra, **question("What does the blue whale weigh?", **parameters))
    body = json.loads(events(answer.text)[-1]["data"]) if extra else answer.json()
    output = body["output"]
    assert "[1]" in output["text"]
    first = output["doc_references"][0]
    assert (first["index_id"], first["doc_name"], first["cited"]) == ("1", "animals.txt", True)
    assert first["text"]
    assert not any(reference["cited"] for reference in output["doc_references"][1:])


async def test_the_same_text_as_on_the_native_protocol(server: Live) -> None:
    server.fill()
    for text in ("Tell me & <you>", "[[count 9]]"):
        native = (await server.ask(prompt=text, temperature=0)).json()["response"]
        whole = (await ask(server, **question(text, temperature=0))).json()["output"]["text"]
        stream = events((await ask(server, SSE, **question(text, temperature=0))).text)
        assert native == whole == json.loads(stream[-1]["data"])["output"]["text"]
    native = (await server.ask(prompt="whale?", temperature=0, langchain=True)).json()["response"]
    whole = (await ask(server, **question("whale?", temperature=0, knowledge_base="default"))).json()["output"]["text"]
    assert native == whole


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        ({"model": "qwen-turbo", **question()}, 404, "ModelNotFound", "Models: echo"),
        ({"model": "echo@nothing", **question()}, 404, "NotFound", "knowledge base"),
        (question(knowledge_base="default"), 409, "Conflict", ""),
        ({"model": "echo@laws", **question(knowledge_base="other")}, 400, "InvalidParameter", "two knowledge bases"),
        (question("word " * 5000), 400, "InvalidParameter", "4096"),
        (question(temperature=2), 400, "InvalidParameter", "parameters.temperature: "),
        (question(presence_penalty=2.5), 400, "InvalidParameter", "parameters.presence_penalty: "),
        (question(n=2), 400, "InvalidParameter", "parameters.n: "),
        (question(tools=[{"type": "function"}]), 400, "InvalidParameter", "parameters.tools: "),
        (question(enable_search=True), 400, "InvalidParameter", "parameters.enable_search: "),
        (question(rag_options={"pipeline_ids": ["a", "b"]}), 400, "InvalidParameter", "parameters.rag_options: "),
    ],
)
async def test_what_is_refused(server: Live, body: dict[str, Any], status: int, code: str, words: str) -> None:
    for headers in (None, SSE):
        answer = await ask(server, headers, **body)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
        told = answer.json()
        assert told.keys() == {"code", "message", "request_id"}
        assert (told["code"], words in told["message"]) == (code, True), told
    assert server.made == (0, 0)


@pytest.mark.parametrize("headers", [{"X-DashScope-Async": "enable"}, {"X-DashScope-Plugin": "{}"}])
async def test_headers_that_ask_for_the_impossible(server: Live, headers: dict[str, str]) -> None:
    answer = await ask(server, headers, **question())
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidParameter")
    assert (await ask(server, {"X-DashScope-Async": "disable"}, **question())).status_code == 200


async def test_what_is_refused_before_the_route(make: Make) -> None:
    server = await make(api_key=["sesame"])
    answer = await ask(server, **question())
    assert (answer.status_code, answer.json()["code"]) == (401, "InvalidApiKey")
    for key in ("sesame", "Bearer sesame"):
        assert (await ask(server, {"Authorization": key}, **question())).status_code == 200
    sesame = {"Authorization": "sesame"}
    for method, path, status, code in [
        ("POST", "/api/v1/services/aigc/other", 404, "InvalidURL"),
        ("GET", PATH, 405, "MethodNotAllowed"),
    ]:
        answer = await server.client.request(method, path, headers=sesame)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    answer = await server.client.post(PATH, content=b"a" * 2_000_000, headers=sesame)
    assert (answer.status_code, answer.json()["code"]) == (413, "BadRequest.TooLarge")
    answer = await ask(server, {"Origin": "http://evil.example"}, **question())
    assert (answer.status_code, answer.json()["code"]) == (403, "AccessDenied")


async def test_a_full_queue_is_a_throttling(make: Make) -> None:
    server = await make(echo_delay=0.01, max_concurrent=1, max_waiting=0)
    running = asyncio.create_task(ask(server, **question("[[count 100]]")))
    await until(lambda: server.echo.active_generations == 1)
    answer = await ask(server, **question())
    assert (answer.status_code, answer.json()["code"]) == (429, "Throttling.RateQuota")
    assert int(answer.headers["retry-after"]) > 0
    assert (await running).status_code == 200


@pytest.mark.parametrize("headers", [None, SSE])
async def test_an_engine_that_fails_at_once(server: Live, monkeypatch: pytest.MonkeyPatch, headers: Any) -> None:
    monkeypatch.setattr(server.echo, "stream", breaking(EngineFailed("It broke.")))
    answer = await ask(server, headers, **question())
    assert (answer.status_code, answer.json()["code"], answer.json()["message"]) == (500, "InternalError", "It broke.")


@pytest.mark.parametrize("error", [EngineFailed("It broke."), RuntimeError("secret")])
async def test_an_engine_that_fails_in_the_stream(server: Live, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    seen = asyncio.Event()

    async def stream(*_: Any) -> AsyncGenerator[Piece, None]:
        yield Piece("so far")
        await seen.wait()
        raise error

    monkeypatch.setattr(server.echo, "stream", stream)
    async with listening(server.app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(json.dumps({"model": "echo", **question()}), "X-DashScope-SSE: enable\r\nConnection: close\r\n"))
        head = await reader.readuntil(b"so far")
        seen.set()
        rest = (await reader.read()).decode()
        writer.close()
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert "id:2\nevent:error\n:HTTP_STATUS/500\nstatus:500\ndata:{" in rest
    told = json.loads(rest.partition("\ndata:")[2].partition("\n")[0])
    assert told.keys() == {"code", "message", "request_id"}
    assert (told["code"], "It broke." in told["message"]) == ("InternalError", isinstance(error, EngineFailed))
    assert "secret" not in rest


@pytest.mark.parametrize("headers", [None, SSE])
async def test_an_answer_that_takes_too_long(make: Make, headers: dict[str, str] | None) -> None:
    server = await make(echo_delay=0.01, request_timeout=1)
    answer = await ask(server, headers, **question("[[count 4000]]"))
    told = json.loads(events(answer.text)[-1]["data"]) if headers else answer.json()
    assert (answer.status_code, told["code"]) == (200 if headers else 408, "RequestTimeOut")
    await until(lambda: server.echo.active_generations == 0)


@pytest.mark.parametrize("headers", ["", "X-DashScope-SSE: enable\r\n"])
async def test_a_client_that_leaves_stops_the_engine(make: Make, headers: str) -> None:
    server = await make(echo_delay=0.005)
    body = json.dumps({"model": "echo", **question("[[count 4000]]", max_tokens=4000)})
    async with listening(server.app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(body, headers))
        await until(lambda: server.echo.generated_tokens_total > 3)
        writer.close()
        await until(lambda: server.echo.active_generations == 0)
        assert 3 < server.echo.generated_tokens_total < 1000
        await until(lambda: not server.runs.active)
        assert b"HTTP/1.1 200" in await raw(port, request(body.replace("4000", "4"), "Connection: close\r\n"))


async def test_the_first_event_leaves_before_the_answer_is_whole(make: Make) -> None:
    server = await make(echo_delay=0.005)
    body = json.dumps({"model": "echo", **question("[[count 1000]]", max_tokens=1000)})
    async with listening(server.app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(body, "X-DashScope-SSE: enable\r\n"))
        await reader.readuntil(b"data:")
        assert server.echo.generated_tokens_total < 1000
        writer.close()
        await until(lambda: server.echo.active_generations == 0)


async def test_under_a_prefix(make: Make) -> None:
    server = await make(root_path="/api/predict/chat")
    for prefix in ("", "/api/predict/chat"):
        answer = await server.client.post(prefix + PATH, json={"model": "echo", **question()})
        assert answer.json()["output"]["text"] == "You said: hi"
        assert (await server.client.post(prefix + PATH, json={})).json()["code"] == "InvalidParameter"


def test_every_error_has_a_code_of_dashscope() -> None:
    for row in ERRORS.values():
        told = json.loads(bytes(refuse(Fault(row.status, row.code, "x")).body))
        assert told["code"][0].isupper(), row


def test_parameters_become_sampling() -> None:
    given = {"temperature": 0, "presence_penalty": -2, "frequency_penalty": 0.5, "repetition_penalty": 1.5, "seed": 3}
    body = {"model": "echo", "input": {"prompt": "x"}, "parameters": given | {"top_k": 0, "max_tokens": 9, "stop": "a"}}
    expected = Sampling(
        9, 0.0, top_k=0, repetition_penalty=1.5, stop=("a",), seed=3, presence_penalty=-2, frequency_penalty=0.5
    )
    assert json_body.validate(DashScopeRequest, body).wanted.sampling == expected
    assert DashScopeRequest.model_validate(body | {"parameters": None}).wanted.sampling == Sampling()
