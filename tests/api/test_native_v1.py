"""Version 1 over HTTP: `input_ids`, answered as HTML with the prompt before the answer."""

import json
from typing import Any

import pytest

from api.native_request import parse
from api.native_v1_answer import html
from api.native_v1_request import V1Body
from generation.base import Sampling
from tests.api.live import Live, Make


async def ask(server: Live, label: str = "application/json", **fields: Any) -> Any:
    return await server.client.post("/", content=json.dumps(fields), headers={"Content-Type": label})


@pytest.mark.parametrize("label", ["application/json", "application/x-www-form-urlencoded", "text/plain", ""])
async def test_the_answer_follows_the_prompt(server: Live, label: str) -> None:
    answer = await ask(server, label, input_ids="hello <b>\nthere & then")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text == "hello &lt;b&gt;<br/>there & then<br/>You said: hello &lt;b&gt;<br/>there & then"


@pytest.mark.parametrize(
    ("prompt", "answer", "expected"),
    [
        ("a", "b", "a<br/>b"),
        ("a", "", "a<br/>"),
        ("a", "b\n\nc", "a<br/>b<br/><br/>c"),
        ("<i>", "1 < 2 > 0 & &lt;", "&lt;i&gt;<br/>1 &lt; 2 &gt; 0 & &lt;"),
        ("a", "```python\nx < 1\n```\nend", 'a<pre><code class="python"><br/>x &lt; 1</code></pre><br/>end'),
        ("a", "```\nx", 'a<pre><code class=""><br/>x</code></pre>'),
        ("a", '```py" onload="x\ny\n```', 'a<pre><code class="py"><br/>y</code></pre>'),
        ("a", "```<script>\ny\n```", 'a<pre><code class=""><br/>y</code></pre>'),
        ("a", "one ```inline``` two", "a<br/>one ```inline``` two"),
        ("```c++\nx\n```", "b", '<pre><code class="c++"><br/>x</code></pre><br/>b'),
    ],
)
def test_html(prompt: str, answer: str, expected: str) -> None:
    assert html(prompt, answer) == expected


def question(**fields: Any) -> Any:
    return parse(json.dumps({"input_ids": "x"} | fields).encode(), "").question


def test_the_defaults_are_the_old_clients() -> None:
    assert question().sampling == Sampling(2048, 0.95, 0.01, 0, 1.0, (), None, 1)
    assert question().messages[-1].content == "x"


def test_the_fields() -> None:
    given = question(temperature=0.5, repetition_penalty=1.2, top_p=0.5, max_length=9, num_beams=3, top_k=4, stop=["."], seed=1)
    assert given.sampling == Sampling(9, 0.5, 0.5, 4, 1.2, (".",), 1, 3)
    assert question(max_length=9, max_new_tokens=7).sampling.max_tokens == 7
    assert question(do_sample=False).sampling.temperature == 0
    assert question(no_template=True).raw
    assert question(langchain=True, knowledge_base="b").base == "b"


def test_a_prompt_beside_it_is_version_2() -> None:
    assert not isinstance(parse(b'{"prompt": "x", "input_ids": "y"}', "").body, V1Body)


async def test_the_length(server: Live) -> None:
    assert (await ask(server, input_ids="[[count 9]]", max_length=3)).text == "[[count 9]]<br/>1 2 3"


async def test_beams_need_an_engine_that_can(server: Live) -> None:
    answer = await ask(server, input_ids="x", num_beams=2)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "not_supported")
    assert "num_beams" in answer.json()["error"]["message"]
    assert server.made == (0, 0)


async def test_an_answer_from_documents(server: Live) -> None:
    assert (await ask(server, input_ids="why?", langchain=True)).status_code == 409
    server.fill()
    answer = await ask(server, input_ids="What does the blue whale weigh?", langchain=True)
    assert answer.text == "What does the blue whale weigh?<br/>According to [1], The blue whale weighs 150 tons."


async def test_the_same_question_as_version_2(make: Make) -> None:
    server = await make()
    second = (await server.ask(prompt="same?", temperature=0)).json()["response"]
    assert (await ask(server, input_ids="same?", temperature=0)).text == f"same?<br/>{second}"
