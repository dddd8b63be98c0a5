"""Two servers of ours in a row: the second asks the first with `--backend=openai`, and tells what it told."""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai import OpenAI

from tests.server_process import API, PATIENCE, Server, serving


@pytest.fixture(scope="module")
def second(echo_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    folder: Path = tmp_path_factory.mktemp("second")
    flags = ("--backend=openai", f"--api-base={echo_server.url}/v1", "--model-path=echo", "--served-model-name=far")
    with (
        serving(folder, API, *flags) as server,
        OpenAI(base_url=f"{server.url}/v1", api_key="x", timeout=PATIENCE, max_retries=0) as client,
    ):
        yield client


def test_the_answer_comes_through(second: OpenAI) -> None:
    done = second.chat.completions.create(
        model="far", messages=[{"role": "user", "content": "hello"}], presence_penalty=0.5, frequency_penalty=0.5, seed=-1
    )
    assert done.choices[0].message.content == "You said: hello"
    assert done.usage is not None and done.usage.completion_tokens == 4
    stream = second.chat.completions.create(
        model="far", messages=[{"role": "user", "content": "[[count 40]]"}], stream=True, max_tokens=30
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == " ".join(map(str, range(1, 31)))
    assert chunks[-1].choices[0].finish_reason == "length"


def test_it_knows_how_much_the_first_reads(second: OpenAI) -> None:
    assert second.models.retrieve("far").to_dict()["max_model_len"] == 4096
    with pytest.raises(openai.BadRequestError) as caught:
        second.chat.completions.create(model="far", messages=[{"role": "user", "content": "x " * 6000}])
    assert caught.value.code == "context_length_exceeded"


def test_the_numbers_of_the_first_come_through(second: OpenAI) -> None:
    """Its estimate of tokens lets this one through; the first counts exactly, and says so in words that are understood."""
    with pytest.raises(openai.BadRequestError) as caught:
        second.chat.completions.create(model="far", messages=[{"role": "user", "content": "a " * 4085}])
    assert caught.value.code == "context_length_exceeded"


def test_without_a_template_there_is_no_way(second: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        second.completions.create(model="far", prompt="once")
    assert caught.value.code == "not_supported"
