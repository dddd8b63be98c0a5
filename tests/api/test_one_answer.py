"""One question, one answer: every protocol gives the same text at temperature 0, from the model and from documents."""

import json
import sys
from collections.abc import Iterator
from html import unescape
from typing import Any

import openai
import pytest
import requests
from websocket import create_connection

from tests.server_process import Server

BASE = "one-answer"
TEXT = "The ferry to Norderney leaves at 7:40 from pier three. Tickets cost nine euros. Dogs travel free of charge."
QUESTION = "What do tickets cost?"
LENGTH = 40
GENERATION = "/api/v1/services/aigc/text-generation/generation"


@pytest.fixture(scope="module")
def server(starter_server: Server) -> Iterator[Server]:
    client = openai.OpenAI(base_url=f"{starter_server.url}/v1", api_key="none")
    store = client.vector_stores.create(name=BASE)
    client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=("ferry.txt", TEXT.encode()))
    yield starter_server
    client.vector_stores.delete(store.id)


def post(server: Server, path: str, body: Any, **headers: str) -> requests.Response:
    answer = requests.post(f"{server.url}{path}", json=body, headers=headers, timeout=120)
    assert answer.status_code == 200, answer.text
    return answer


def native(server: Server, **more: Any) -> str:
    fields = {"prompt": QUESTION, "temperature": 0, "max_new_tokens": LENGTH} | more
    return str(post(server, "/", fields).json()["response"])


def native_stream(server: Server, **more: Any) -> str:
    fields = {"prompt": QUESTION, "temperature": 0, "max_new_tokens": LENGTH, "use_stream_chat": True} | more
    last = post(server, "/", fields).content.rstrip(b"\0").split(b"\0")[-1]
    return str(json.loads(last)["response"])


def socket(server: Server, **more: Any) -> str:
    connection = create_connection(server.url.replace("http", "ws") + "/", timeout=120)
    try:
        connection.send(json.dumps({"prompt": QUESTION, "temperature": 0, "max_new_tokens": LENGTH} | more))
        text = ""
        while (frame := connection.recv()) != "<EOS>":
            text += str(frame)
        return text
    finally:
        connection.close()


def chat(server: Server, base: str, stream: bool) -> str:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none")
    model = f"starter@{base}" if base else "starter"
    answer: Any = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": QUESTION}], temperature=0, max_tokens=LENGTH, stream=stream
    )
    if not stream:
        return str(answer.choices[0].message.content)
    return "".join(chunk.choices[0].delta.content or "" for chunk in answer)


def responses(server: Server, base: str) -> str:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none")
    tools: Any = [{"type": "file_search", "vector_store_ids": [base]}] if base else openai.omit
    answer = client.responses.create(model="starter", input=QUESTION, temperature=0, max_output_tokens=LENGTH, tools=tools)
    return answer.output_text


def dashscope(server: Server, base: str, **headers: str) -> str:
    parameters = {"temperature": 0, "max_tokens": LENGTH}
    body = {"model": f"starter@{base}" if base else "starter", "input": {"prompt": QUESTION}, "parameters": parameters}
    answer = post(server, GENERATION, body, **headers).text
    last = answer.rpartition("data:")[2] if headers else answer
    return str(json.loads(last)["output"]["text"])


def everai(server: Server, base: str) -> str:
    more: dict[str, Any] = {"langchain": True, "knowledge_base": base} if base else {}
    fields = {"prompt": QUESTION, "max_length": LENGTH, "num_beams": 1, "no_repeat_ngram_size": 0} | more
    return post(server, "/chat", fields).text.removeprefix(QUESTION).strip("\n")


def version1(server: Server, base: str) -> str:
    more: dict[str, Any] = {"langchain": True, "knowledge_base": base} if base else {}
    fields = {"input_ids": QUESTION, "temperature": 0, "max_length": LENGTH} | more
    return unescape(post(server, "/", fields).text.replace("<br/>", "\n")).removeprefix(QUESTION).strip("\n")


def test_what_the_documents_do_not_tell_is_said_alike_everywhere(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "QUESTION", "Who invented the steam engine?")
    assert told_everywhere(server, BASE) == "The documents do not tell.\n\nNearest to the question:\n\n- ferry.txt · lines 1-1"


@pytest.mark.parametrize("base", ["", BASE])
def test_the_same_text_everywhere(server: Server, base: str) -> None:
    told = told_everywhere(server, base)
    if base:
        assert "nine euros" in told or "[" in told or "documents do not tell" in told


def told_everywhere(server: Server, base: str) -> str:
    more: dict[str, Any] = {"langchain": True, "knowledge_base": base} if base else {}
    told = native(server, **more)
    assert told
    assert native_stream(server, **more) == told
    assert socket(server, **more) == told
    assert chat(server, base, stream=False) == told
    assert chat(server, base, stream=True) == told
    assert responses(server, base) == told
    assert dashscope(server, base) == told
    assert dashscope(server, base, **{"X-DashScope-SSE": "enable"}) == told
    assert everai(server, base) == told.strip("\n")
    assert version1(server, base) == told.strip("\n")
    return told
