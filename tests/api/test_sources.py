"""The source of a citation over HTTP: behind the guard, one base's documents only, and nothing but text and pictures."""

import secrets
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.knowledge.make_files import pdf
from tests.server_process import Server

NOTES = b"# Notes\n\nThe rent of the orchard is 900 euros a month.\n"


def put(client: httpx.Client, store: str, name: str, data: bytes) -> str:
    file = client.post("/v1/files", files={"file": (name, data)}, data={"purpose": "assistants"}).json()["id"]
    assert client.post(f"/v1/vector_stores/{store}/files", json={"file_id": file}).status_code == 200
    while client.get(f"/v1/vector_stores/{store}/files/{file}").json()["status"] == "in_progress":
        pass  # the server tells when; asking costs it nothing
    return str(file)


@pytest.fixture
def client(echo_server: Server) -> Any:
    with httpx.Client(base_url=echo_server.url, timeout=120) as made:
        yield made


@pytest.fixture
def store(client: httpx.Client) -> Any:
    made = client.post("/v1/vector_stores", json={"name": f"test {secrets.token_hex(4)}"}).json()
    yield made["id"]
    client.delete(f"/v1/vector_stores/{made['id']}")


def test_a_text_and_a_page_are_opened(client: httpx.Client, store: str) -> None:
    notes, leaf = put(client, store, "notes.md", NOTES), put(client, store, "leaf.pdf", pdf(["", "The second page."]))
    address = f"/v1/vector_stores/{store}/files"
    text = client.post(f"{address}/{notes}/source", json={"text": "the rent of the orchard is 900 euros", "line": 3}).json()
    assert text["object"] == "source" and text["found"] and text["name"] == "notes.md" and text["pages"] == 0
    assert text["text"][0]["headings"] == ["Notes"] and text["text"][0]["marks"] == [[0, 36]]
    page = client.post(f"{address}/{leaf}/source", json={"text": "The second page.", "page": 2}).json()
    assert page["found"] and page["pages"] == 2 and page["places"][0]["page"] == 2 and len(page["places"][0]["boxes"]) == 1
    picture = client.get(f"{address}/{leaf}/pages/2")
    assert picture.headers["content-type"] == "image/png" and picture.content[:4] == b"\x89PNG"
    assert picture.headers["cache-control"] == "no-store" and "default-src 'none'" in picture.headers["content-security-policy"]


def test_what_is_not_in_this_base_is_not_found(client: httpx.Client, store: str) -> None:
    file = put(client, store, "leaf.pdf", pdf(["A page."]))
    for base, one in (("default", file), (store, "file-none"), ("none", file), ("..", file)):
        assert client.post(f"/v1/vector_stores/{base}/files/{one}/source", json={"text": "A page."}).status_code == 404
        assert client.get(f"/v1/vector_stores/{base}/files/{one}/pages/1").status_code == 404
    assert client.get(f"/v1/vector_stores/{store}/files/{file}/pages/2").status_code == 404
    assert client.get(f"/v1/vector_stores/{store}/files/{file}/pages/x").status_code == 400


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": "a", "page": 0}, {"text": "a", "headings": "b"}, {"text": 1}])
def test_a_wrong_question_is_refused(client: httpx.Client, store: str, body: dict[str, Any]) -> None:
    answer = client.post(f"/v1/vector_stores/{store}/files/file-none/source", json=body)
    assert answer.status_code == 400


async def test_without_the_key_nothing_is_shown(make: Callable[..., Any]) -> None:
    live = await make(api_key=("secret-" + "x" * 20,))
    address = "/v1/vector_stores/default/files/file-none"
    assert (await live.client.post(f"{address}/source", json={"text": "a"})).status_code == 401
    assert (await live.client.get(f"{address}/pages/1")).status_code == 401
