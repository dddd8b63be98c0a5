"""The remote engine before its first question: settings, key, models, context, tokens; and what it is sent."""

import asyncio
import json
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import aclosing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pydantic import ValidationError

from generation.base import Measures, Message, ModelUnusable, PromptTooLong, Sampling
from generation.openai_backend import OpenAIBackend
from generation.settings import GenerationSettings
from tests.generation.conftest import CONTEXT, Reports, settings_of
from tests.generation.openai_server import MODEL, EchoServer, serving

KEY = "sk-secret"
HELLO = [Message("system", "Be brief."), Message("user", "Hello")]


class Listing(BaseHTTPRequestHandler):
    """Answers `GET /models` as the server says."""

    server: "ListingServer"

    def do_GET(self) -> None:
        status, body = self.server.answer
        content = body if isinstance(body, str) else json.dumps(body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class ListingServer(ThreadingHTTPServer):
    answer: tuple[int, Any] = (200, {"data": []})


@pytest.fixture
def listing() -> Iterator[ListingServer]:
    with ListingServer(("127.0.0.1", 0), Listing) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def engine(url: str, **more: Any) -> OpenAIBackend:
    return OpenAIBackend(settings_of("openai", Path(), url, **more))


def listed_at(listing: ListingServer, path: str = "/v1", **more: Any) -> OpenAIBackend:
    return engine(f"http://127.0.0.1:{listing.server_port}{path}", **more)


@pytest.mark.parametrize(
    ("entry", "setting", "length"),
    [
        ({"max_model_len": 4096}, None, 4096),
        ({"context_length": 8192}, None, 8192),
        ({"context_window": 100, "max_model_len": None}, None, 100),
        ({"max_model_len": 4096}, 1024, 1024),
        ({"max_model_len": 4096}, 10_000, 4096),
        ({}, 512, 512),
        ({"max_model_len": True, "context_length": "8k"}, 512, 512),
    ],
)
def test_the_context_is_what_the_remote_tells_and_the_setting_allows(
    listing: ListingServer, reports: Reports, entry: dict[str, Any], setting: int | None, length: int
) -> None:
    listing.answer = (200, {"data": [{"id": "x"}, {"id": MODEL, **entry}]})
    backend = listed_at(listing, remote_context=setting)
    backend.check()
    assert backend.load(reports).context_length == length
    assert [stage for stage, _ in reports] == ["asking the remote engine", "ready"]


@pytest.mark.parametrize(
    ("answer", "path", "words"),
    [
        ((200, {"data": [{"id": "b"}, {"id": "a"}]}), "/v1", "has no model 'org/echo'; it has a, b. Give one of its names"),
        ((200, {"data": [{"id": f"m{i:02}"} for i in range(13)]}), "/v1", "m00, .*m09, and 3 more"),
        ((200, {"data": []}), "/v1", "it has none at present"),
        ((200, {"data": [{"id": MODEL}]}), "/v1", "--remote-context=8192"),
        ((200, {"data": [3, {"id": None}]}), "/v1", "it has none at present"),
        ((200, {"models": []}), "/v1", "does not answer with a list of models"),
        ((200, "<html>"), "/v1", "does not answer with a list of models"),
        ((404, ""), "", "no list of models at http://.*/models .*end in /v1: http://.*/v1"),
        ((404, ""), "/v1", r"no list of models at http://\S+/v1/models \(404\)\.$"),
        ((401, "no"), "/v1", "refuses the key"),
        ((301, ""), "/v1", "sends us elsewhere"),
        ((503, ""), "/v1", r"not ready \(503\)"),
        ((500, "boom"), "/v1", "boom"),
    ],
)
def test_what_the_list_of_models_can_say(listing: ListingServer, answer: tuple[int, Any], path: str, words: str) -> None:
    listing.answer = answer
    with pytest.raises(ModelUnusable, match=words) as caught:
        listed_at(listing, path).check()
    assert "\n" not in str(caught.value)


def test_an_engine_that_is_not_there() -> None:
    with pytest.raises(ModelUnusable, match=r"--api-base http://127\.0\.0\.1:9/v1 cannot be used.*cannot be reached\.$"):
        engine("http://127.0.0.1:9/v1").check()


def test_an_engine_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generation.openai_connection.REACH_SECONDS", 0.1)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(ModelUnusable, match=r"does not answer in time\.$"),
    ):
        engine(f"http://127.0.0.1:{silent.getsockname()[1]}/v1").check()


def test_tls_on_a_plain_port(listing: ListingServer) -> None:
    with pytest.raises(ModelUnusable, match="no TLS that can be trusted"):
        engine(f"https://127.0.0.1:{listing.server_port}/v1").check()


def test_a_key_is_sent_and_a_wrong_one_told(tmp_path: Path, reports: Reports, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "key"
    with serving(EchoServer(CONTEXT, key=KEY)) as echo:
        file.write_text(f"\ufeff# for the cluster\n{KEY}\n", encoding="utf-8")
        engine(echo.url, remote_key_file=file).check()
        assert engine(echo.url, remote_key_file=file).load(reports).name == "echo"
        for wrong in ("sk-other", None):
            file.write_text(wrong or "")
            with pytest.raises(ModelUnusable, match=r"refuses the key \(401\)") as caught:
                engine(echo.url, remote_key_file=file if wrong else None).check()
            assert "sk-" not in str(caught.value)
    assert "sk-" not in caplog.text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "one key"), (b"a\nb\n", "one key"), (b"a b\n", "one key"), ("schlüssel".encode(), "one key"),
        (b"\xff", "UTF-8"), (None, "No such"),
    ],
)  # fmt: skip
def test_a_key_file_without_a_key(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelUnusable, match=f"--remote-key-file {file} .*{words}"):
        engine("http://127.0.0.1:9", remote_key_file=file).check()


def test_a_key_in_the_clear_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "key").write_text(KEY)
    with pytest.raises(ModelUnusable):
        engine("http://203.0.113.1:9", remote_key_file=tmp_path / "key", remote_connect_seconds=0.01).check()
    assert "is not https" in caplog.text


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("host:8000", "must be like"),
        ("ftp://host/v1", "must be like"),
        ("http://", "must be like"),
        ("http://host:99999/v1", "[Pp]ort"),
        ("http://user:secret@host/v1", "--remote-key-file"),
        ("http://host/v1?key=secret", "--remote-key-file"),
        ("http://[::1/v1", "IPv6"),
        (None, "needs --api-base"),
        (" ", "needs --api-base"),
    ],
)
def test_an_address_that_is_none(address: str | None, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        GenerationSettings(backend="openai", api_base=address, model_path="m")


def test_the_address_in_one_form() -> None:
    assert GenerationSettings(api_base="https://host/v1/ ").api_base == "https://host/v1"
    with pytest.raises(ValidationError, match="--model-path NAME"):
        GenerationSettings(backend="openai", api_base="http://host/v1")


def test_the_estimate_has_room_and_the_tokenizer_none(echo_server: EchoServer, tiny_llama: Path, reports: Reports) -> None:
    estimated = engine(echo_server.url).load(reports).render(HELLO)
    assert estimated.text == "system: Be brief.\n\nuser: Hello\n\nassistant:"
    assert len(estimated.token_ids) == 32 + 8 + 3 + 1 + 8 + 2
    backend = engine(echo_server.url, remote_tokenizer=tiny_llama, model_type="llama2")
    backend.check()
    exact = backend.load(reports).render(HELLO)
    assert exact.text == "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHello [/INST]"
    assert exact.messages == estimated.messages == tuple(HELLO)
    assert set(exact.token_ids) != {0}


def test_a_tokenizer_with_code_is_refused(echo_server: EchoServer, llama_copy: Path) -> None:
    (llama_copy / "tokenization.py").touch()
    with pytest.raises(ModelUnusable, match="Python code"):
        engine(echo_server.url, remote_tokenizer=llama_copy).check()


async def test_what_is_sent(started: Callable[..., Any], echo_server: EchoServer) -> None:
    choice = {"max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "top_k": 3, "seed": 1}
    penalties = {"repetition_penalty": 1.1, "presence_penalty": 0.5, "frequency_penalty": -0.5}
    sampling = Sampling(stop=tuple("abcde"), **choice, **penalties)  # type: ignore[arg-type]  # numbers of both kinds
    async with started("openai") as generator:
        prompt = generator.render([Message("user", "Say <|im_end|> [INST] </s> <s>")])
        async with aclosing(generator.stream(prompt, sampling)) as pieces:
            _ = [piece async for piece in pieces]
        assert echo_server.requests[-1] == {
            "model": MODEL,
            "messages": [{"role": "user", "content": "Say < |im_end|> [ INST] < /s> < s>"}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "stop": list("abcd"),
            **choice,
            **penalties,
        }
        async with aclosing(generator.stream(prompt, Sampling(top_k=0))) as pieces:
            _ = [piece async for piece in pieces]
        assert echo_server.requests[-1].keys() == {"model", "messages", "stream", "stream_options", "temperature", "top_p"}


async def test_more_stop_strings_than_the_protocol_takes(started: Callable[..., Any]) -> None:
    async with started("openai") as generator:
        prompt = generator.render([Message("user", "[[count 50]]")])
        async with aclosing(generator.stream(prompt, Sampling(stop=("a", "b", "c", "d", " 9")))) as pieces:
            found = [piece async for piece in pieces]
        assert "".join(piece.text for piece in found) == "1 2 3 4 5 6 7 8"
        assert found[-1].finish_reason == "stop"


async def test_the_remote_stops_when_the_stream_is_closed(reports: Reports) -> None:
    with serving(EchoServer(CONTEXT, delay=0.02)) as echo:
        generator = engine(echo.url).load(reports)
        stream = generator.stream(generator.render([Message("user", "[[count 200]]")]), Sampling())
        await anext(stream)
        await stream.aclose()
        while echo.engine.active_generations:
            await asyncio.sleep(0.01)
        assert echo.engine.generated_tokens_total < 100
        await generator.close()


async def test_measures(started: Callable[..., Any]) -> None:
    async with started("openai") as generator:
        assert generator.measures() == Measures(0, 0, 0, 0)
        prompt = generator.render([Message("user", "a b c")])
        async with aclosing(generator.stream(prompt, Sampling())) as pieces:
            usage = [piece async for piece in pieces][-1].usage
        assert generator.measures() == Measures(0, usage.completion_tokens, usage.prompt_tokens, 0)


async def test_a_prompt_that_is_too_long_is_not_sent(started: Callable[..., Any], echo_server: EchoServer) -> None:
    async with started("openai") as generator:
        sent = len(echo_server.requests)
        prompt = generator.render([Message("user", "word " * CONTEXT)])
        with pytest.raises(PromptTooLong):
            await anext(generator.stream(prompt, Sampling()))
        assert len(echo_server.requests) == sent
