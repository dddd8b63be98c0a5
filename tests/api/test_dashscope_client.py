"""The official package `dashscope`, unmodified, against live servers: the judge of the protocol."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import dashscope
import pytest
import requests
from dashscope import Generation
from dashscope.aigc.generation import AioGeneration
from dashscope.api_entities import aio_session
from dashscope.api_entities.http_request import close_shared_sync_session

from tests.api.live import Make, listening
from tests.assistant.conftest import until
from tests.server_process import PATIENCE, ROOT, Server

# The package's own types leave out what it does: one method answers whole or as a generator.
call: Any = Generation.call
call_async: Any = AioGeneration.call
MODEL = "echo"
Use = Callable[[str], None]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Use]:
    """Return a function that points the package at a server, as DASHSCOPE_HTTP_BASE_URL does."""

    def point(url: str) -> None:
        monkeypatch.setattr(dashscope, "base_http_api_url", f"{url}/api/v1")
        monkeypatch.setattr(dashscope, "api_key", "any")

    yield point
    close_shared_sync_session()


@pytest.fixture
def echo(echo_server: Server, use: Use) -> Server:
    use(echo_server.url)
    return echo_server


@pytest.mark.usefixtures("echo")
class TestTheEchoServer:
    """One server, called in each way."""

    def test_whole(self) -> None:
        answer = call(MODEL, prompt="hello", temperature=0)
        assert (answer.status_code, answer.output.text, answer.output.finish_reason) == (200, "You said: hello", "stop")
        assert answer.usage.input_tokens + answer.usage.output_tokens == answer.usage.total_tokens > 0
        assert len(answer.request_id) == 36

    def test_messages(self) -> None:
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]
        answer = call(MODEL, messages=messages, result_format="message")
        assert answer.output.choices[0].message.content == "You said: hello"
        assert answer.output.choices[0].finish_reason == "stop"
        assert answer.output.text is None

    def test_the_old_history(self) -> None:
        answer = call(MODEL, prompt="hello", history=[{"user": "a", "bot": "b"}])
        assert answer.output.text == "You said: hello"

    @pytest.mark.parametrize("result_format", ["text", "message"])
    @pytest.mark.parametrize("incremental", [None, True, False])
    def test_stream(self, result_format: str, incremental: bool | None) -> None:
        # With False the package asks for increments and adds them up by itself.
        stream = call(MODEL, prompt="[[count 5]]", stream=True, result_format=result_format, incremental_output=incremental)
        answers = list(stream)
        assert {answer.status_code for answer in answers} == {200}
        if result_format == "text":
            texts = [answer.output.text for answer in answers]
            reasons = [answer.output.finish_reason for answer in answers]
        else:
            texts = [answer.output.choices[0].message.content for answer in answers]
            reasons = [answer.output.choices[0].finish_reason for answer in answers]
        assert ("".join(texts) if incremental else texts[-1]) == "1 2 3 4 5"
        assert reasons[-1] == "stop"
        assert set(reasons[:-1]) <= {"null"}
        assert answers[-1].usage.output_tokens == 5
        assert len({answer.request_id for answer in answers}) == 1

    def test_parameters_arrive(self) -> None:
        answer = call(MODEL, prompt="[[count 9]]", max_tokens=2, stop=["5"], seed=1, top_k=3, top_p=0.5)
        assert (answer.output.text, answer.output.finish_reason) == ("1 2", "length")
        answer = call(MODEL, prompt="[[count 9]]", stop=" 5", repetition_penalty=1.1, presence_penalty=1.5)
        assert answer.output.text == "1 2 3 4"

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize(
        ("arguments", "status", "code"),
        [
            ({"model": "qwen-turbo"}, 404, "ModelNotFound"),
            ({"model": "echo@nothing"}, 404, "NotFound"),
            ({"temperature": 2.0}, 400, "InvalidParameter"),
            ({"presence_penalty": 3.0}, 400, "InvalidParameter"),
            ({"n": 2}, 400, "InvalidParameter"),
            ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 400, "InvalidParameter"),
            ({"enable_search": True}, 400, "InvalidParameter"),
            ({"plugins": "calculator"}, 400, "InvalidParameter"),
            ({"prompt": "word " * 5000}, 400, "InvalidParameter"),
        ],
    )
    def test_errors(self, stream: bool, arguments: dict[str, Any], status: int, code: str) -> None:
        answer = call(**({"model": MODEL, "prompt": "hello", "stream": stream} | arguments))
        told = next(iter(answer)) if stream else answer
        assert (told.status_code, told.code, told.output) == (status, code, None)
        assert len(told.message) > 10
        assert told.request_id

    async def test_async(self) -> None:
        try:
            whole = await call_async(MODEL, prompt="hello")
            assert whole.output.text == "You said: hello"
            stream = await call_async(MODEL, prompt="[[count 5]]", stream=True)
            assert [answer.output.text async for answer in stream][-1] == "1 2 3 4 5"
            stream = await call_async(MODEL, prompt="[[count 5]]", stream=True, incremental_output=True)
            assert "".join([answer.output.text async for answer in stream]) == "1 2 3 4 5"
            refused = await call_async("qwen-turbo", prompt="hello")
            assert (refused.status_code, refused.code) == (404, "ModelNotFound")
        finally:
            await aio_session.close_shared_aio_session()


async def test_the_key(make: Make, use: Use) -> None:
    server = await make(api_key=["sesame"])
    async with listening(server.app) as port:
        use(f"http://127.0.0.1:{port}")
        refused = await asyncio.to_thread(call, MODEL, prompt="hello")
        assert (refused.status_code, refused.code) == (401, "InvalidApiKey")
        let_in = await asyncio.to_thread(call, MODEL, prompt="hello", api_key="sesame")
        assert let_in.output.text == "You said: hello"
        close_shared_sync_session()


async def test_documents(make: Make, use: Use) -> None:
    server = await make()
    server.fill()
    async with listening(server.app) as port:
        use(f"http://127.0.0.1:{port}")
        for extra in ({"model": "echo@default"}, {"knowledge_base": "default"}, {"rag_options": {"pipeline_ids": ["default"]}}):
            asked = {"model": MODEL, "prompt": "What does the blue whale weigh?", "temperature": 0} | extra
            whole = await asyncio.to_thread(call, **asked)
            stream = await asyncio.to_thread(lambda given: list(call(stream=True, **given)), asked)
            assert whole.output.doc_references == stream[-1].output.doc_references
            assert whole.output.doc_references[0]["doc_name"] == "animals.txt"
            assert whole.output.text == stream[-1].output.text
            assert "[1]" in whole.output.text
        close_shared_sync_session()


async def test_an_engine_that_breaks_in_the_stream(make: Make, use: Use) -> None:
    server = await make(echo_delay=0.01, request_timeout=1)
    async with listening(server.app) as port:
        use(f"http://127.0.0.1:{port}")
        answers = await asyncio.to_thread(lambda: list(call(MODEL, prompt="[[count 4000]]", stream=True)))
        assert len(answers) > 1
        last = answers[-1]
        assert (last.status_code, last.code) == (408, "RequestTimeOut")
        assert "--request-timeout" in last.message
        close_shared_sync_session()
    await until(lambda: server.echo.active_generations == 0)


async def test_a_client_whose_patience_ends(make: Make, use: Use) -> None:
    server = await make(echo_delay=0.01)
    async with listening(server.app) as port:
        use(f"http://127.0.0.1:{port}")
        with pytest.raises(requests.exceptions.Timeout):
            await asyncio.to_thread(call, MODEL, prompt="[[count 4000]]", request_timeout=1, max_tokens=4000)
        await until(lambda: server.echo.active_generations == 0)
        assert 0 < server.echo.generated_tokens_total < 4000
        close_shared_sync_session()


async def test_a_stream_that_is_closed(make: Make, use: Use) -> None:
    server = await make(echo_delay=0.005)

    def begin_and_close() -> str:
        with requests.Session() as session:
            stream = call(MODEL, prompt="[[count 4000]]", stream=True, max_tokens=4000, session=session)
            first = next(stream)
            stream.close()
        return str(first.output.text)

    async with listening(server.app) as port:
        use(f"http://127.0.0.1:{port}")
        assert (await asyncio.to_thread(begin_and_close)).startswith("1")
        await until(lambda: server.echo.active_generations == 0)
        assert 0 < server.echo.generated_tokens_total < 4000


def test_the_built_in_model(starter_server: Server, use: Use) -> None:
    use(starter_server.url)
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    settings: dict[str, Any] = {"messages": messages, "temperature": 0, "max_tokens": 24, "result_format": "message"}
    whole = call("starter", **settings)
    assert whole.status_code == 200, whole
    text = whole.output.choices[0].message.content
    last = list(call("starter", stream=True, **settings))[-1]
    assert last.output.choices[0].message.content == text
    native = {"prompt": messages[0]["content"], "temperature": 0, "max_new_tokens": 24}
    status, body = starter_server.get("/", json.dumps(native).encode())
    assert (status, json.loads(body)["response"]) == (200, text)
    assert text.strip()


def test_our_own_example(echo_server: Server) -> None:
    line = [sys.executable, str(ROOT / "examples" / "dashscope_chat.py"), echo_server.url, "echo"]
    done = subprocess.run(line, input="hello\n[[count 3]]\n", capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (0, "> You said: hello\n> 1 2 3\n"), done.stderr
    line[-1] = "echo@nothing"
    done = subprocess.run(line, input="hello\n", capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert "NotFound" in done.stderr
