"""Rebuilds over the API: begun, followed to their end, given up, and for administrators only."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.live import Live
from tests.assistant.conftest import until
from tests.knowledge.stubs import StubEmbedder

PATH = "/v1/vector_stores/default/rebuild"
Make = Callable[..., Any]


def outdate(server: Live) -> StubEmbedder:
    """Let the base be made by a model that is gone; returns the present one."""
    server.fill()
    with server.library._store.write() as connection:
        connection.execute("UPDATE bases SET embedder = 'old (256)'")
    embedder = server.library._embedder
    assert isinstance(embedder, StubEmbedder)
    return embedder


async def state(server: Live) -> dict[str, Any]:
    answer = await server.client.get(PATH)
    assert answer.status_code == 200
    return dict(answer.json())


async def test_a_store_of_the_present_model_needs_none(server: Live) -> None:
    server.fill()
    found = await state(server)
    assert found["id"].startswith("vs_")
    assert (found["object"], found["status"], found["last_error"]) == ("vector_store.rebuild", "completed", None)


async def test_a_rebuild_is_begun_and_followed_until_the_new_vectors_count(server: Live) -> None:
    embedder = outdate(server)
    before = await state(server)
    assert (before["status"], before["made_by"], before["wanted"], before["by_words"]) == ("needed", "old", "stub", True)
    assert before["passage_counts"]["completed"] == 0 < before["passage_counts"]["total"] and before["seconds_left"] >= 0
    embedder.gate = threading.Event()
    begun = await server.client.post(PATH)
    assert begun.status_code == 200 and begun.json()["status"] == "in_progress" and "openai-poll-after-ms" in begun.headers
    embedder.gate.set()
    await until(lambda: not server.library.rebuilds())
    assert (await state(server))["status"] == "completed"
    assert (await server.client.post("/v1/vector_stores/default/search", json={"query": "tiger"})).status_code == 200


async def test_a_rebuild_is_given_up(server: Live) -> None:
    embedder = outdate(server)
    assert (await state(server))["status"] == "needed"  # which tries how long it takes
    embedder.gate = threading.Event()
    await server.client.post(PATH)
    given_up = await server.client.post(f"{PATH}/cancel")
    embedder.gate.set()
    assert given_up.status_code == 200 and given_up.json()["status"] == "needed"
    assert (await state(server))["status"] == "needed"


async def test_a_store_that_is_not_there(server: Live) -> None:
    for asked in (server.client.get, server.client.post):
        answer = await asked("/v1/vector_stores/nowhere/rebuild")
        assert answer.status_code == 404 and answer.json()["error"]["code"] == "unknown_knowledge_base"


@pytest.mark.parametrize(("method", "path"), [("GET", PATH), ("POST", PATH), ("POST", f"{PATH}/cancel")])
async def test_only_administrators(make: Make, method: str, path: str) -> None:
    server = await make(api_key=("user",), admin_key=("admin",))
    for key, status in (("user", 403), ("admin", 200)):
        answer = await server.client.request(method, path, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == status
        if status == 403:
            assert answer.json()["error"]["code"] == "not_administrator"
    assert (await server.client.request(method, path)).status_code == 401
