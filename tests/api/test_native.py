"""The native protocol: string, JSON and form requests, and what their answers hold."""

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from api.native_request import parse
from generation.base import Sampling
from generation.engine import EngineState
from tests.api.live import Live, Make

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


async def post(server: Live, body: str | bytes, label: str = "", accept: str = "*/*") -> Any:
    headers = {"Accept": accept} | ({"Content-Type": label} if label else {})
    return await server.client.post("/", content=body, headers=headers)


@pytest.mark.parametrize("label", ["", "text/plain", FORM, "application/octet-stream"])
async def test_a_string_request(server: Live, label: str) -> None:
    answer = await post(server, 'Tell <b>me</b> & "you"\nmore', label)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text == 'You said: Tell &lt;b&gt;me&lt;/b&gt; &amp; "you"<br/>more'


async def test_a_string_request_answered_as_plain_text(server: Live) -> None:
    answer = await post(server, "a <b>\nc", accept="text/plain")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == "You said: a <b>\nc"


async def test_a_string_request_answered_as_json(server: Live) -> None:
    answer = (await post(server, "a <b>", accept="application/json")).json()
    assert answer["response"] == "You said: a <b>"
    assert answer["history"] == [["a <b>", "You said: a <b>"]]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{hello} world",
        "[1, 2]",
        "a=b",
        "How do I write ?a=1&prompt=x in a URL?",
        "true",
        "123",
        '"quoted"',
        "你好 🙂",
        "a&prompt=b c",
    ],
)
@pytest.mark.parametrize("label", ["", FORM])
async def test_what_is_no_object_is_a_question(server: Live, text: str, label: str) -> None:
    assert (await post(server, text, label, "text/plain")).text == f"You said: {text}"


@pytest.mark.parametrize(
    "label", [JSON, "application/json; charset=utf-8", FORM, "text/plain", "", "application/vnd.x+json", "TEXT/JSON"]
)
@pytest.mark.parametrize("before", ["", "\ufeff", " \n"])
async def test_json_whatever_its_label(server: Live, label: str, before: str) -> None:
    answer = await post(server, before + '{"prompt": "hi"}', label)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "response": "You said: hi",
        "history": [["hi", "You said: hi"]],
        "usage": {"prompt_tokens": 6, "completion_tokens": 4, "total_tokens": 10},
        "finish_reason": "stop",
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "hi & <you>", "temperature": "0.5"},
        {"temperature": "0", "prompt": "hi & <you>", "top_k": "0", "do_sample": "True", "use_stream_chat": "False"},
        {"prompt": "hi & <you>", "stop": "", "unknown": "x"},
        {"a": "b", "prompt": "hi & <you>"},
    ],
)
async def test_a_true_form(server: Live, fields: dict[str, str]) -> None:
    answer = await post(server, urlencode(fields), FORM)
    assert answer.json()["response"] == "You said: hi & <you>"


async def test_the_last_of_two_form_fields_wins(server: Live) -> None:
    assert (await post(server, "prompt=one&prompt=two", FORM)).json()["response"] == "You said: two"


async def test_curl_without_encoding(server: Live) -> None:
    assert (await post(server, "prompt=hello there", FORM)).json()["response"] == "You said: hello there"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("prompt=x&temperature=hot", "temperature"),
        ("prompt=", "blank"),
        ("prompt=x&top_k=1.5", "top_k"),
        ("prompt=x&history=a", "history"),
        ("prompt=x" + "&a=1" * 60, "50 fields"),
        ("prompt=x&do_sample=maybe", "do_sample"),
    ],
)
async def test_a_form_that_is_wrong(server: Live, fields: str, words: str) -> None:
    answer = await post(server, fields, FORM)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


async def test_history_is_kept_and_extended(server: Live) -> None:
    history = [["one", "two"], ["three", "four"]]
    answer = (await server.ask(prompt="five", history=history, system_prompt="Be brief.")).json()
    assert answer["history"] == [*history, ["five", "You said: five"]]
    assert answer["usage"]["prompt_tokens"] > 20
    again = (await server.ask(prompt="six", history=answer["history"])).json()
    assert again["history"] == [*answer["history"], ["six", "You said: six"]]


@pytest.mark.parametrize("history", [[], [[]], [[], ["a", "b"], []]])
async def test_empty_pairs_are_tolerated(server: Live, history: list[list[str]]) -> None:
    answer = await server.ask(prompt="x", history=history)
    assert answer.json()["history"] == [*(pair for pair in history if pair), ["x", "You said: x"]]


@pytest.mark.parametrize(
    ("fields", "response", "reason"),
    [
        ({"max_new_tokens": 3}, "1 2 3", "length"),
        ({"stop": [" 4"]}, "1 2 3", "stop"),
        ({"stop_sequences": [" 3"]}, "1 2", "stop"),
        ({"stop": [" 4"], "stop_sequences": [" 3"]}, "1 2", "stop"),
        ({"stop": None, "stop_sequences": None, "seed": None}, "1 2 3 4 5", "stop"),
        ({"temperature": 0, "top_k": -1, "top_p": 1, "seed": 7, "do_sample": False, "use_cache": True}, "1 2 3 4 5", "stop"),
        ({"temperature": 1, "top_k": 0, "repetition_penalty": 1, "use_stream_chat": "False"}, "1 2 3 4 5", "stop"),
        ({"anything": {"else": [1]}, "max_new_tokens": 1_000_000}, "1 2 3 4 5", "stop"),
    ],
)
async def test_fields(server: Live, fields: dict[str, Any], response: str, reason: str) -> None:
    answer = (await server.ask(prompt="[[count 5]]", **fields)).json()
    assert (answer["response"], answer["finish_reason"]) == (response, reason)


@pytest.mark.parametrize("fields", [{"langchain": True}, {"mode": "knowledge"}, {"langchain": False, "mode": "knowledge"}])
async def test_an_answer_from_documents(server: Live, fields: dict[str, Any]) -> None:
    server.fill()
    answer = (await server.ask(prompt="What does the blue whale weigh?", retrieval_top_k=2, **fields)).json()
    assert answer["response"] == "According to [1], The blue whale weighs 150 tons."
    first, second = answer["sources"]
    assert (first["number"], first["cited"], first["file"]) == (1, True, "animals.txt")
    assert (second["number"], second["cited"]) == (2, False)
    assert "150 tons" in first["text"]
    assert 0 <= second["score"] <= first["score"] <= 1
    assert first.keys() == {"number", "cited", "file", "where", "page", "headings", "lines", "score", "text"}


async def test_an_answer_that_need_not_be_from_the_documents(server: Live) -> None:
    server.fill()
    asked = {"prompt": "Who invented the steam engine?", "langchain": True}
    assert (await server.ask(**asked)).json()["support"] == "refused"
    free = (await server.ask(**asked, strict=False)).json()
    assert (free["support"], free["grounded"], free["response"]) == ("general", False, f"You said: {asked['prompt']}")


async def test_retrieval_alone(server: Live) -> None:
    server.fill()
    answer = (await server.ask(prompt="red fox", mode="retrieval", retrieval_top_k=1)).json()
    assert "> The red fox weighs seven kilograms." in answer["response"]
    assert [source["cited"] for source in answer["sources"]] == [True]
    assert server.made == (0, 0)


async def test_a_chat_has_no_sources(server: Live) -> None:
    server.fill()
    assert "sources" not in (await server.ask(prompt="whale")).json()


async def test_another_knowledge_base(server: Live) -> None:
    server.library.create("cars")
    server.fill(b"The red car has four wheels.", "cars", "cars.txt")
    answer = (await server.ask(prompt="red", langchain=True, knowledge_base="cars")).json()
    assert [source["file"] for source in answer["sources"]] == ["cars.txt"]


async def test_what_was_left_out_is_told(make: Make) -> None:
    server = await make(echo_context=200)
    history = [[f"question {i} " + "word " * 10, "answer " * 10] for i in range(10)]
    answer = (await server.ask(prompt="why?", history=history)).json()
    assert answer["left_out"]["turns"] > 0
    assert answer["history"][:-1] == history, "the client's history stays the client's"


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"langchain": True}, 409, "empty_knowledge_base"),
        ({"mode": "retrieval"}, 409, "empty_knowledge_base"),
        ({"langchain": True, "knowledge_base": "nowhere"}, 404, "unknown_knowledge_base"),
        ({"prompt": "word " * 5000}, 400, "context_length_exceeded"),
        ({"use_stream_chat": True, "langchain": True}, 409, "empty_knowledge_base"),
        ({"use_stream_chat": "True", "prompt": "word " * 5000}, 400, "context_length_exceeded"),
        ({"no_template": True, "history": [["a", "b"]]}, 400, "bad_request"),
        ({"no_template": True, "langchain": True}, 400, "not_supported"),
    ],
)
async def test_refusals(server: Live, fields: dict[str, Any], status: int, code: str) -> None:
    answer = await server.ask(**{"prompt": "why?"} | fields)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert server.made == (0, 0)


async def test_a_model_that_is_loading(server: Live) -> None:
    generator, state = server.engine._generator, server.engine.state
    server.engine._generator, server.engine.state = None, EngineState("loading", "echo", "reading weights")
    answer = await server.ask(prompt="why?")
    server.engine._generator, server.engine.state = generator, state
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "still loading" in answer.json()["error"]["message"]


async def test_no_model(make: Make) -> None:
    server = await make(backend="transformers", model_path="none")
    answer = await server.ask(prompt="why?")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_not_ready")
    server.fill()
    assert (await server.ask(prompt="fox", mode="retrieval")).status_code == 200


async def test_a_full_queue(make: Make) -> None:
    server = await make(max_waiting=1, echo_delay=0.01, max_concurrent=1)
    asking = [asyncio.create_task(server.ask(prompt="[[count 30]]")) for _ in range(6)]
    answers = await asyncio.gather(*asking)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 450, 450, 450, 450]
    for answer in answers:
        if answer.status_code == 450:
            assert answer.headers["retry-after"] == "5"
            assert answer.json()["error"]["code"] == "queue_full"
    assert server.made == (0, 2 * 30)


async def test_answers_at_the_same_time_do_not_mix(server: Live) -> None:
    answers = await asyncio.gather(*(server.ask(prompt=f"number {i}") for i in range(20)))
    assert [answer.json()["response"] for answer in answers] == [f"You said: number {i}" for i in range(20)]


async def test_a_document_that_cites_what_is_not_there(server: Live) -> None:
    server.fill(b"Fact [7] stands [1] here.")
    answer = (await server.ask(prompt="fact", langchain=True)).json()
    assert "[7]" not in answer["response"]
    assert "[1]" in answer["response"]


async def test_the_answer_is_valid_json_for_any_text(server: Live) -> None:
    text = "".join(chr(i) for i in (*range(1, 32), 0x7F, 0x2028, 0xFEFF, 0x1F600)) + "x"
    answer = await post(server, json.dumps({"prompt": text}), JSON)
    assert answer.json()["response"] == f"You said: {text}"


def test_the_fields_become_a_question() -> None:
    asked = parse(b'{"prompt": "x", "system_prompt": "s", "history": [["a", "b"]], "top_k": -1, "seed": 3, "stop": ["."]}', "")
    roles = [(message.role, message.content) for message in asked.question.messages]
    assert roles == [("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "x")]
    assert asked.question.sampling == Sampling(2048, 0.95, 0.8, 0, 1.0, (".",), 3)
    assert parse(b'{"prompt": "x"}', "").question.sampling == Sampling(2048, 0.95, 0.8, 30, 1.0, (), None)
    assert not parse(b'{"prompt": "x", "num_beams": 4}', "").question.raw, "beams are version 1's"


async def test_a_prompt_without_a_template(server: Live) -> None:
    answer = (await server.ask(prompt="as it stands", no_template=True)).json()
    assert answer["response"] == "You said: as it stands"
    assert answer["usage"]["prompt_tokens"] == 3, "no roles around it"


def test_without_sampling_the_answer_is_greedy() -> None:
    assert parse(b'{"prompt": "x", "temperature": 1, "do_sample": false}', "").question.sampling.temperature == 0
