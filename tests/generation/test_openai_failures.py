"""What a remote engine can do to us, a row each: which error, in which words, after how many questions."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from generation.base import EngineFailed, GenerationError, Message, ModelNotReady, Piece, PromptTooLong, Sampling
from generation.openai_backend import OpenAIBackend
from generation.openai_generator import OpenAIGenerator
from generation.settings import GenerationSettings
from tests.generation.openai_server import EchoServer
from tests.generation.rude_server import (
    DONE,
    MODEL,
    WHOLE,
    Answer,
    RudeServer,
    answer,
    event,
    hang_up,
    rude,
    silent,
    stream,
    text,
)

KEY = "sk-very-secret-0123456789"
ERROR = {"error": {"message": f"something broke for {KEY}.\nTraceback", "type": "server_error", "code": 500}}
UNKNOWN = {"error": {"message": "Unrecognized request argument supplied: {}", "type": "invalid_request_error"}}
LENGTHS = "This model's maximum context length is 1000 tokens. However, you requested 1300 tokens (1200 in the messages, 100 in the completion)."  # noqa: E501  # fmt: skip
BEGUN = text("be")
Parts = tuple[str | bytes | float, ...]
SIGNS_OF_LIFE: Parts = (": ping\n\n", event({"choices": [{"delta": {"role": "assistant"}}]}), 0.2)
THOUGHTS: Parts = (event({"choices": [{"delta": {"reasoning": "hm"}}]}), 0.1)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generation.openai_stream.FIRST_PAUSE", 0.01)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(KEY + "\n")
    return path


@asynccontextmanager
async def generator_of(url: str, key_file: Path, **more: Any) -> AsyncIterator[OpenAIGenerator]:
    quick = {"remote_first_token_seconds": 1.0, "remote_next_token_seconds": 0.2, "remote_key_file": key_file}
    settings = GenerationSettings.model_validate({"backend": "openai", "api_base": url, "model_path": MODEL, **quick, **more})
    generator = await asyncio.to_thread(OpenAIBackend(settings).load, lambda *_: None)
    try:
        yield generator
    finally:
        await generator.close()


async def ask(generator: OpenAIGenerator, **sampling: Any) -> list[Piece]:
    prompt = generator.render([Message("user", "Hello")])
    async with aclosing(generator.stream(prompt, Sampling(**{"max_tokens": 100, **sampling}))) as pieces:
        return [piece async for piece in pieces]


FAILURES: dict[str, tuple[Sequence[Answer], type[GenerationError], str, int]] = {
    "the key is refused": ([answer(401, ERROR)], EngineFailed, r"refuses the key \(401\).*--remote-key-file", 1),
    "the key may not": ([answer(403, ERROR)], EngineFailed, r"refuses the key \(403\)", 1),
    "no path": ([answer(404, "no such page", kind="text/plain")], EngineFailed, r"\(404\): no such page\.", 1),
    "its own error": ([answer(500, ERROR)], EngineFailed, r"\(500\): something broke for \*\*\*\.", 1),
    "a page of a proxy": ([answer(500, "<html>oops", kind="text/html")], EngineFailed, r"the question \(500\)\.$", 1),
    "pydantic": (
        [answer(422, {"detail": [{"loc": ["body", "stop"], "msg": "too many"}]})], EngineFailed, "body.stop: too many", 1,
    ),
    "always busy": ([answer(429, ERROR, "Retry-After: 0")], ModelNotReady, r"too much to do \(429\)", 3),
    "no quota": ([answer(429, ERROR)], ModelNotReady, r"too much to do \(429\).*something broke", 1),
    "busy for long": ([answer(429, ERROR, "Retry-After: 60")], ModelNotReady, "429", 1),
    "busy until a date": (
        [answer(503, ERROR, "Retry-After: Wed, 21 Oct 2099 07:28:00 GMT")], ModelNotReady, r"not ready \(503\)", 1,
    ),
    "never ready": ([answer(503, "")], ModelNotReady, r"not ready \(503\)", 3),
    "a bad gateway": ([answer(502, "<html>")], ModelNotReady, r"not ready \(502\)", 3),
    "hangs up": ([hang_up], EngineFailed, "lost before it answered", 3),
    "no HTTP": ([lambda writer: _send(writer, b"SSH-2.0-OpenSSH\r\n")], EngineFailed, "lost before it answered", 3),
    "a redirect": (
        [answer(307, "", "Location: https://u:pw@evil.example/v1?key=1")], EngineFailed, "to https://evil.example/v1", 1,
    ),
    "a redirect to nowhere": ([answer(302, "")], EngineFailed, r"sends us elsewhere \(302\)", 1),
    "HTML": ([answer(200, "<html>login", kind="text/html")], EngineFailed, "answers with text/html instead of a stream", 1),
    "JSON, no stream": ([answer(200, {"choices": []})], EngineFailed, "application/json instead of a stream", 1),
    "an error as 200": ([answer(200, ERROR)], EngineFailed, r"refuses the question: something broke for \*\*\*\.", 1),
    "no type": ([answer(200, "x", kind="")], EngineFailed, "something instead of a stream", 1),
    "too long": ([answer(400, {"error": {"message": LENGTHS}})], PromptTooLong, "needs 1200 tokens.*reads 1000", 1),
    "unknown and needed": ([answer(400, {"error": {"message": "Unknown parameter: 'stop'"}})], EngineFailed, "'stop'", 1),
    "silence": ([silent], EngineFailed, "no first token within 1 s", 1),
    "silence after the head": ([stream(then="wait")], EngineFailed, "no first token within 1 s", 1),
    "signs of life alone": (
        [stream(*SIGNS_OF_LIFE * 9)], EngineFailed, "no first token within 1 s", 1,
    ),
    "silence in the middle": ([stream(BEGUN, then="wait")], EngineFailed, "silent for 0.2 s in the middle", 1),
    "lost in the middle": ([lambda writer: _cut(writer)], EngineFailed, "lost in the middle", 1),
    "an error in the middle": ([stream(BEGUN, event(ERROR))], EngineFailed, r"broke off: something broke for \*\*\*\.$", 1),
    "a bare error in the middle": ([stream(BEGUN, event({"error": True}))], EngineFailed, "does not say why", 1),
    "broken JSON": ([stream(BEGUN, 'data: {"choices": [{"del\n\n')], EngineFailed, "a line that is not JSON", 1),
    "deep JSON": ([stream("data: " + "[" * 100_000 + "\n\n")], EngineFailed, "a line that is not JSON", 1),
    "no object": ([stream("data: [1, 2]\n\n")], EngineFailed, "no piece of an answer", 1),
    "no UTF-8": ([stream(BEGUN, b"data: \xff\xfe\n\n")], EngineFailed, "text that is not UTF-8", 1),
    "a huge line": ([stream(BEGUN, b"data: " + b"x" * 2_000_000)], EngineFailed, "a line longer than a MiB", 1),
    "a huge event": ([stream(*[b"data: " + b"x" * 100_000 + b"\n"] * 20)], EngineFailed, "an event larger than a MiB", 1),
    "no end": ([stream(BEGUN)], EngineFailed, "in the middle, without a reason", 1),
    "done without a reason": ([stream(BEGUN, DONE)], EngineFailed, "in the middle, without a reason", 1),
    "empty choices": ([stream(event({"choices": []}), DONE)], EngineFailed, "without a reason", 1),
    "odd types": ([stream(event({"choices": ["x"], "usage": 3}), event({"choices": [{"delta": 1}]}), DONE)], EngineFailed, "without a reason", 1),  # noqa: E501
    "a filter": ([stream(BEGUN, text("", "content_filter"))], EngineFailed, r"before it was whole \(content_filter\)", 1),
    "aborted": ([stream(BEGUN, text("", "abort"))], EngineFailed, "abort", 1),
}  # fmt: skip


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()
    writer.close()


async def _cut(writer: asyncio.StreamWriter) -> None:
    await _send(writer, b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\nContent-Length: 9999\r\n\r\n" + BEGUN.encode())


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failure_is_told(name: str, key_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    script, kind, words, questions = FAILURES[name]
    async with rude(*script) as (server, url), generator_of(url, key_file) as generator:
        with pytest.raises(kind, match=words) as caught:
            await ask(generator)
        assert len(server.questions) == questions
        assert generator.active_generations == 0
        assert KEY not in str(caught.value)
        assert KEY not in caplog.text
        assert all(f"authorization: bearer {KEY}" in head.lower() for head in server.headers)
        server.script = [WHOLE]
        assert (await ask(generator))[-1].finish_reason == "stop"  # the engine lives on


WHOLE_IN_THE_END: dict[str, tuple[Sequence[Answer], int]] = {
    "at once": ([WHOLE], 1),
    "busy once": ([answer(429, ERROR, "Retry-After: 0.01"), WHOLE], 2),
    "busy until a date that is over": ([answer(429, ERROR, "Retry-After: Wed, 21 Oct 2015 07:28:00 -0000"), WHOLE], 2),
    "not ready twice": ([answer(503, ""), answer(504, ""), WHOLE], 3),
    "hung up once": ([hang_up, WHOLE], 2),
    "without the last line": ([stream(text("fine", "stop"))], 1),
    "without the last empty line": ([stream(text("fine", "stop").rstrip())], 1),
    "lost after the end": ([stream(text("fine", "stop"), "data: {broken\n\n")], 1),
    "silent after the end": ([stream(text("fine", "stop"), then="wait")], 1),
    "more after the end": ([stream(text("fine", "stop"), DONE, then="wait")], 1),
    "other line ends, comments, names": (
        [stream(": hi\r\n\r\nevent: x\r\nid: 1\r\n" + text("fine", "stop").replace("\n", "\r\n"), DONE)], 1,
    ),
    "in one piece and in bytes": ([stream(*[bytes([byte]) for byte in (text("fine") + text("", "eos") + DONE).encode()])], 1),
    "an event on two lines": ([stream('data: {"choices": [{"delta": {"content":\ndata: "fine"}, "finish_reason": "stop"}]}\n\n')], 1),  # noqa: E501
    "thinking first": (
        [stream(*THOUGHTS * 4, text("fine", "stop"), DONE)], 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE_IN_THE_END)
async def test_a_whole_answer_in_the_end(name: str, key_file: Path) -> None:
    script, questions = WHOLE_IN_THE_END[name]
    async with rude(*script) as (server, url), generator_of(url, key_file, remote_first_token_seconds=5) as generator:
        pieces = await ask(generator)
        assert "".join(piece.text for piece in pieces) == "fine"
        assert (pieces[-1].finish_reason, len(server.questions)) == ("stop", questions)


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("top_k", {"error": {"message": "Unrecognized request argument supplied: top_k"}}),
        ("repetition_penalty", {"message": "Unknown parameter: 'repetition_penalty'.", "object": "error"}),
        ("stream_options", {"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]}),
        ("seed", {"error": "seed is not supported"}),
        ("temperature", {"error": {"message": "Unsupported value: 'temperature' does not support 0 with this model."}}),
    ],
)
async def test_a_refused_parameter_is_left_out_from_then_on(name: str, refusal: Any, key_file: Path) -> None:
    asked = {"top_k": 3, "repetition_penalty": 1.2, "seed": 1}
    async with rude(answer(400, refusal), WHOLE) as (server, url), generator_of(url, key_file) as generator:
        await ask(generator, **asked)
        await ask(generator, **asked)
        assert [name in body for body in server.questions] == [True, False, False]
        assert server.questions[0].keys() - server.questions[1].keys() == {name}


async def test_the_newer_name_of_max_tokens(key_file: Path) -> None:
    words = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    async with (
        rude(answer(400, {"error": {"message": words}}), WHOLE) as (server, url),
        generator_of(url, key_file) as generator,
    ):
        await ask(generator)
        assert server.questions[0]["max_tokens"] == server.questions[1]["max_completion_tokens"] == 100
        assert "max_tokens" not in server.questions[1]


async def test_a_template_without_system_turns(key_file: Path) -> None:
    refusal = answer(400, {"message": "Conversation roles must alternate user/assistant/user/assistant/..."})
    async with rude(refusal, WHOLE) as (server, url), generator_of(url, key_file) as generator:
        prompt = generator.render([Message("system", "Be brief."), Message("user", "Hi")])
        async with aclosing(generator.stream(prompt, Sampling())) as pieces:
            assert "".join([piece.text async for piece in pieces]) == "fine"
        assert server.questions[1]["messages"] == [{"role": "user", "content": "Be brief.\n\nHi"}]


async def test_an_answer_that_is_too_long_for_the_rest_of_the_context_is_asked_for_shorter(key_file: Path) -> None:
    words = "This model's maximum context length is 1000 tokens. However, your request has 950 input tokens."
    async with rude(answer(400, {"message": words}), WHOLE) as (server, url), generator_of(url, key_file) as generator:
        await ask(generator)
        assert [body["max_tokens"] for body in server.questions] == [100, 50]


async def test_a_model_that_is_gone(key_file: Path) -> None:
    async with rude(answer(404, ERROR)) as (server, url), generator_of(url, key_file) as generator:
        server.models = answer(200, {"data": [{"id": "other"}, {"id": "another"}]})
        with pytest.raises(EngineFailed, match="has no model 'rude'; it has another, other"):
            await ask(generator)


async def test_nobody_listens_any_more(key_file: Path) -> None:
    async with rude(WHOLE) as (_, url), generator_of(url, key_file) as generator:
        await ask(generator)
        generator._remote._connection.base = "http://127.0.0.1:9/v1"
        with pytest.raises(ModelNotReady, match="cannot be reached"):
            await ask(generator)


async def test_tls_on_a_plain_port(key_file: Path, echo_server: EchoServer) -> None:
    async with rude(WHOLE) as (_, url), generator_of(url, key_file, remote_first_token_seconds=60) as generator:
        generator._remote._connection.base = echo_server.url.replace("http:", "https:")
        with pytest.raises(EngineFailed, match="no TLS that can be trusted"):
            await ask(generator)


@pytest.mark.parametrize("begun", [True, False])
async def test_closing_the_stream_closes_the_connection(begun: bool, key_file: Path) -> None:
    script = stream(BEGUN, then="wait") if begun else silent
    async with rude(script) as (server, url), generator_of(url, key_file, remote_next_token_seconds=60) as generator:
        task = asyncio.create_task(ask(generator))
        await _until_asked(server)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.left.wait(), 10)
        assert generator.active_generations == 0


async def test_close_ends_a_stream_that_waits(key_file: Path) -> None:
    async with rude(silent) as (server, url), generator_of(url, key_file, remote_first_token_seconds=60) as generator:
        task = asyncio.create_task(ask(generator))
        await _until_asked(server)
        await generator.close()
        assert [piece.finish_reason for piece in await task] == ["cancelled"]
        await asyncio.wait_for(server.left.wait(), 10)


async def _until_asked(server: RudeServer) -> None:
    while not server.questions:
        await asyncio.sleep(0.005)


async def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setitem(os.environ, name, "http://127.0.0.1:9")
    async with rude(WHOLE) as (_, url), generator_of(url, key_file) as generator:
        await ask(generator)
