"""Metrics: what happens is counted once, labels are bounded, and nobody without a key reads them."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from generation.base import Piece, Usage
from tests.api.live import Live, Make
from tests.assistant.conftest import until


async def metrics(server: Live, **headers: str) -> dict[str, float]:
    """Return every sample by its name and labels, as it is written."""
    answer = await server.client.get("/metrics", headers=headers)
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/plain")
    return {
        sample.name + "".join(f"{{{key}={value}}}" for key, value in sample.labels.items()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_an_answer_is_counted_and_timed(server: Live) -> None:
    answer = await server.ask(prompt="[[count 5]]")
    found = await metrics(server)
    usage = answer.json()["usage"]
    assert found["chat_runs_ended_total{state=finished}"] == 1
    assert found["chat_prompt_tokens_total"] == usage["prompt_tokens"]
    assert found["chat_generated_tokens_total"] == usage["completion_tokens"] == 5
    assert found["chat_time_to_first_token_seconds_count"] == 1
    assert found["chat_inter_token_seconds_count"] == 4
    assert found["chat_queue_wait_seconds_count"] == 1
    assert (found["chat_runs_active"], found["chat_queue_depth"], found["chat_generations_active"]) == (0, 0, 0)
    assert found["chat_engine_restarts_total"] == 0
    assert found["process_resident_memory_bytes"] > 0
    assert found["process_cpu_seconds_total"] > 0


async def test_retrieval_is_no_generation(server: Live) -> None:
    server.fill()
    await server.ask(prompt="fox", mode="retrieval")
    found = await metrics(server)
    assert found["chat_runs_ended_total{state=finished}"] == 1
    assert found["chat_prompt_tokens_total"] == found["chat_time_to_first_token_seconds_count"] == 0


async def test_running_waiting_and_refused(make: Make) -> None:
    server = await make(echo_delay=0.01, max_concurrent=1, max_waiting=1)
    asking = [asyncio.create_task(server.ask(prompt="[[count 4000]]")) for _ in range(2)]
    await until(lambda: (server.runs.active, server.runs.waiting) == (2, 1))
    assert (await server.ask(prompt="too many")).status_code == 450
    assert (await server.ask(prompt="why?", langchain=True, knowledge_base="nowhere")).status_code == 450
    found = await metrics(server)
    assert found["chat_runs_active"] == 2
    assert found["chat_queue_depth"] == found["chat_generations_active"] == 1
    assert found["chat_refusals_total{reason=queue_full}"] == 2
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)
    await until(lambda: server.runs.active == 0)
    found = await metrics(server)
    assert found["chat_cancellations_total{when=running}"] == found["chat_cancellations_total{when=waiting}"] == 1


async def test_a_reason_is_a_code_and_never_text_of_a_request(server: Live) -> None:
    for number in range(20):
        await server.ask(prompt="why?", langchain=True, knowledge_base=f"nowhere {number}")
    found = await metrics(server)
    assert {name: value for name, value in found.items() if "refusals_total" in name} == {
        "chat_refusals_total{reason=unknown_knowledge_base}": 20
    }


async def test_two_applications_count_apart(make: Make, tmp_path_factory: pytest.TempPathFactory) -> None:
    one, two = await make(), await make(data_dir=tmp_path_factory.mktemp("two"))
    await one.ask(prompt="hello")
    assert (await metrics(one))["chat_runs_ended_total{state=finished}"] == 1
    assert "chat_runs_ended_total{state=finished}" not in await metrics(two)


async def test_without_an_engine_the_rest_is_told(make: Make) -> None:
    server = await make(backend="transformers", model_path="none")
    found = await metrics(server)
    assert "chat_generations_active" not in found
    assert found["chat_runs_active"] == 0


async def test_keys_keep_metrics_to_those_who_have_one(make: Make) -> None:
    server = await make(api_key=("secret-key",))
    assert (await server.client.get("/metrics")).status_code == 401
    assert "chat_runs_active" in await metrics(server, authorization="Bearer secret-key")


async def test_what_answers_from_documents_rest_on_is_counted(server: Live) -> None:
    server.fill()
    await server.ask(prompt="What does the red fox weigh?", langchain=True)
    await server.ask(prompt="Who invented the steam engine?", langchain=True)
    found = await metrics(server)
    assert found["chat_document_answers_total{support=cited}"] == found["chat_document_answers_total{support=refused}"] == 1
    assert found["chat_citations_invented_total"] == 0


async def test_invented_citations_are_counted(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    async def inventing(*_: Any) -> AsyncGenerator[Piece, None]:
        yield Piece("The fox weighs [7] seven kilograms [1, 9].")
        yield Piece("", "stop", Usage(1, 1))

    server.fill()
    monkeypatch.setattr(server.echo, "stream", inventing)
    answer = (await server.ask(prompt="What does the red fox weigh?", langchain=True)).json()
    assert (answer["response"], answer["invalid_citations"]) == ("The fox weighs seven kilograms [1].", 2)
    assert (answer["support"], answer["grounded"], answer["matched"]) == ("cited", True, [])
    assert (await metrics(server))["chat_citations_invented_total"] == 2
