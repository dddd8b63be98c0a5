"""OpenAI's files and vector stores, judged by its official client against a server with the real embedding model."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from openai.types import FileObject, VectorStore

from tests.server_process import API, Server, serving

TIGER = b"# Tigers\n\nA tiger is the largest living cat. Its stripes are unique to each animal.\n"
RIVER = b"# Rivers\n\nThe Amazon carries more water than any other river on Earth.\n"
STAR = b"# Stars\n\nThe Sun is a star of the spectral class G2. Its light needs eight minutes to reach us.\n"


@pytest.fixture(scope="module")
def client(echo_server: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{echo_server.url}/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture
def store(client: OpenAI) -> Iterator[VectorStore]:
    made = client.vector_stores.create(name=f"test {secrets.token_hex(4)}")
    yield made
    for file in client.vector_stores.files.list(made.id):
        client.files.delete(file.id)
    client.vector_stores.delete(made.id)


def upload(client: OpenAI, name: str, data: bytes) -> FileObject:
    return client.files.create(file=(name, data), purpose="assistants")


def add(client: OpenAI, store: VectorStore, name: str, data: bytes, **values: Any) -> str:
    file = upload(client, name, data)
    made = client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id, **values)
    assert made.status == "completed" and made.id == file.id
    return file.id


def found(client: OpenAI, store: VectorStore, query: str, **values: Any) -> list[str]:
    return [result.filename for result in client.vector_stores.search(store.id, query=query, **values)]


def test_a_file_is_uploaded_read_back_and_deleted(client: OpenAI) -> None:
    file = client.files.create(file=("Größe 日本.md", TIGER), purpose="user_data")
    assert file.id.startswith("file-") and (file.bytes, file.filename) == (len(TIGER), "Größe 日本.md")
    assert (file.object, file.purpose, file.status) == ("file", "user_data", "processed")
    assert client.files.retrieve(file.id) == file
    assert client.files.content(file.id).read() == TIGER
    assert client.files.wait_for_processing(file.id).id == file.id
    assert file.id in [one.id for one in client.files.list(purpose="user_data")]
    assert file.id not in [one.id for one in client.files.list(purpose="assistants")]
    gone = client.files.delete(file.id)
    assert (gone.id, gone.deleted, gone.object) == (file.id, True, "file")
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError, match="no file of this id"):
            call(file.id)
    assert file.id not in [one.id for one in client.files.list()]


def test_lists_page_by_themselves_in_both_orders_and_while_they_are_deleted(client: OpenAI) -> None:
    files = [upload(client, f"{k}.txt", f"page {k}".encode()).id for k in range(7)]
    mine = set(files)
    assert [file.id for file in client.files.list(limit=2, order="asc") if file.id in mine] == files
    assert [file.id for file in client.files.list(limit=3) if file.id in mine] == files[::-1]
    first = client.files.list(limit=2)
    assert [file.id for file in first.data] == files[:-3:-1] and first.has_more
    assert [file.id for file in client.files.list(limit=2, extra_query={"before": files[0]}).data] == [files[2], files[1]]
    for file in client.files.list(limit=2):
        if file.id in mine:
            client.files.delete(file.id)
    assert not mine & {file.id for file in client.files.list()}


def test_the_life_of_a_vector_store(client: OpenAI) -> None:
    name = f"life {secrets.token_hex(4)}"
    store = client.vector_stores.create(name=name, metadata={"team": "cats"})
    assert store.id.startswith("vs_") and (store.name, store.metadata, store.status) == (name, {"team": "cats"}, "completed")
    assert store.file_counts.total == 0 and store.usage_bytes == 0
    assert client.vector_stores.retrieve(store.id) == store
    assert client.vector_stores.retrieve(name) == store
    changed = client.vector_stores.update(store.id, name=f"{name} new", metadata={"a": "b"})
    assert (changed.id, changed.name, changed.metadata) == (store.id, f"{name} new", {"a": "b"})
    assert client.vector_stores.update(store.id, metadata=None).metadata == {}
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.retrieve(name)
    assert store.id in [one.id for one in client.vector_stores.list(limit=1)]
    assert client.vector_stores.delete(store.id).deleted
    with pytest.raises(openai.NotFoundError, match="no knowledge base"):
        client.vector_stores.retrieve(store.id)


def test_stores_are_listed_in_order(client: OpenAI) -> None:
    made = [client.vector_stores.create(name=f"order {secrets.token_hex(4)}").id for _ in range(5)]
    assert [one.id for one in client.vector_stores.list(limit=2) if one.id in made] == made[::-1]
    assert [one.id for one in client.vector_stores.list(limit=2, order="asc") if one.id in made] == made
    for one in client.vector_stores.list(limit=2):
        if one.id in made:
            client.vector_stores.delete(one.id)
    assert not set(made) & {one.id for one in client.vector_stores.list()}


def test_a_store_without_a_name_gets_one_and_names_are_given_once(client: OpenAI) -> None:
    store = client.vector_stores.create()
    assert store.name
    with pytest.raises(openai.BadRequestError, match="already"):
        client.vector_stores.create(name=store.name)
    client.vector_stores.delete(store.id)


def test_a_store_is_made_with_files(client: OpenAI) -> None:
    file = upload(client, "tiger.md", TIGER)
    store = client.vector_stores.create(name=f"with {secrets.token_hex(4)}", file_ids=[file.id])
    assert store.file_counts.total == 1
    assert client.vector_stores.files.poll(file.id, vector_store_id=store.id).status == "completed"
    name = f"without {secrets.token_hex(4)}"
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.create(name=name, file_ids=[file.id, "file-unknown"])
    assert name not in [one.name for one in client.vector_stores.list()]
    client.vector_stores.delete(store.id)
    assert client.files.retrieve(file.id).id == file.id
    client.files.delete(file.id)


def test_the_default_base_is_a_store_and_begins_anew_when_deleted(tmp_path: Path) -> None:
    with serving(tmp_path, API, "--backend=echo") as server, OpenAI(base_url=f"{server.url}/v1", api_key="x") as client:
        store = client.vector_stores.retrieve("default")
        with pytest.raises(openai.BadRequestError, match="keeps its name"):
            client.vector_stores.update(store.id, name="other")
        add(client, store, "tiger.md", TIGER)
        assert client.vector_stores.delete(store.id).id == store.id
        with pytest.raises(openai.NotFoundError):
            client.vector_stores.retrieve(store.id)
        assert client.vector_stores.retrieve("default").file_counts.total == 0


def test_a_file_in_a_store(client: OpenAI, store: VectorStore) -> None:
    file = upload(client, "tiger.md", TIGER)
    made = client.vector_stores.files.create(store.id, file_id=file.id, attributes={"kind": "cat", "legs": 4, "wild": True})
    assert (made.id, made.vector_store_id, made.object) == (file.id, store.id, "vector_store.file")
    assert made.status in ("in_progress", "completed")
    done = client.vector_stores.files.poll(file.id, vector_store_id=store.id)
    assert (done.status, done.last_error) == ("completed", None) and done.usage_bytes > 384 * 2
    assert done.attributes == {"kind": "cat", "legs": 4, "wild": True}
    assert done.chunking_strategy is not None and done.chunking_strategy.type == "static"
    assert done.chunking_strategy.static.max_chunk_size_tokens == 200
    assert client.vector_stores.files.retrieve(file.id, vector_store_id=store.name) == done
    changed = client.vector_stores.files.update(file.id, vector_store_id=store.id, attributes={"kind": "tiger"})
    assert changed.attributes == {"kind": "tiger"}
    text = client.vector_stores.files.content(file.id, vector_store_id=store.id)
    assert "largest living cat" in "".join(part.text or "" for part in text)
    now = client.vector_stores.retrieve(store.id)
    assert (now.file_counts.completed, now.file_counts.total, now.usage_bytes) == (1, 1, done.usage_bytes)
    again = client.vector_stores.files.create(store.id, file_id=file.id)
    assert (again.status, again.attributes) == ("completed", {"kind": "tiger"})
    gone = client.vector_stores.files.delete(file.id, vector_store_id=store.id)
    assert (gone.id, gone.deleted) == (file.id, True)
    assert found(client, store, "largest cat") == []
    with pytest.raises(openai.NotFoundError, match="in this knowledge base"):
        client.vector_stores.files.retrieve(file.id, vector_store_id=store.id)
    assert client.files.content(file.id).read() == TIGER
    client.files.delete(file.id)


def test_upload_and_poll_lists_and_filters(client: OpenAI, store: VectorStore) -> None:
    files = client.vector_stores.files
    names = ("a.md", "b.md", "c.md")
    made = [
        files.upload_and_poll(vector_store_id=store.id, file=(name, data))
        for name, data in zip(names, (TIGER, RIVER, STAR), strict=True)
    ]
    made.append(files.upload_and_poll(vector_store_id=store.id, file=("broken.pdf", b"%PDF-1.4 this is none")))
    assert [one.status for one in made] == ["completed", "completed", "completed", "failed"]
    error = made[-1].last_error
    assert error is not None and error.code == "invalid_file" and error.message
    ids = [one.id for one in made]
    assert [one.id for one in files.list(store.id, limit=1, order="asc")] == ids
    assert [one.id for one in files.list(store.id, limit=3)] == ids[::-1]
    assert [one.id for one in files.list(store.id, filter="failed")] == ids[3:]
    assert [one.id for one in files.list(store.id, filter="completed", order="asc", limit=2)] == ids[:3]
    assert [one.id for one in files.list(store.id, filter="in_progress")] == []
    counts = client.vector_stores.retrieve(store.id).file_counts
    assert (counts.completed, counts.failed, counts.total) == (3, 1, 4)


def test_two_files_of_one_name_are_two_documents(client: OpenAI, store: VectorStore) -> None:
    first, second = add(client, store, "same.md", TIGER), add(client, store, "same.md", RIVER)
    assert {one.id for one in client.vector_stores.files.list(store.id)} == {first, second}
    results = {one.file_id: one for one in client.vector_stores.search(store.id, query="largest cat or river")}
    assert set(results) == {first, second} and {one.filename for one in results.values()} == {"same.md"}
    client.vector_stores.files.delete(first, vector_store_id=store.id)
    assert {one.file_id for one in client.vector_stores.search(store.id, query="largest cat or river")} == {second}
    client.files.delete(first)


def test_a_deleted_file_is_in_no_store_any_more(client: OpenAI, store: VectorStore) -> None:
    file = add(client, store, "tiger.md", TIGER)
    assert found(client, store, "cat") == ["tiger.md"]
    client.files.delete(file)
    assert found(client, store, "cat") == []
    assert client.vector_stores.retrieve(store.id).file_counts.total == 0
    assert list(client.vector_stores.files.list(store.id)) == []


def test_search(client: OpenAI, store: VectorStore) -> None:
    add(client, store, "tiger.md", TIGER)
    add(client, store, "river.md", RIVER)
    page = client.vector_stores.search(store.id, query="Which cat is the largest?")
    assert page.object == "vector_store.search_results.page" and page.to_dict()["search_query"] == ["Which cat is the largest?"]
    best = page.data[0]
    assert best.filename == "tiger.md" and best.content[0].type == "text" and "largest living cat" in best.content[0].text
    assert all(0 <= one.score <= 1 for one in page.data)
    assert [one.score for one in page.data] == sorted((one.score for one in page.data), reverse=True)
    extra: Any = best.to_dict()
    assert extra["locator"] == {"page": None, "headings": ["Tigers"], "lines": [3, 3]} and "dense" in extra["scores"]
    assert len(client.vector_stores.search(store.id, query="cat", max_num_results=1).data) == 1
    assert found(client, store, "cat", ranking_options={"score_threshold": 1.0}) == []
    several = client.vector_stores.search(store.id, query=["the largest cat", "water of the Amazon"], max_num_results=2)
    assert {one.filename for one in several.data} == {"tiger.md", "river.md"}
    asked = client.vector_stores.search(
        store.id,
        query="And how long?",
        rewrite_query=True,
        extra_body={"history": [{"role": "user", "content": "Tell me of the Amazon."}]},
    )
    assert len(asked.to_dict()["search_query"]) == 1  # type: ignore[arg-type]  # ours, a list of texts


FILTERS: list[tuple[dict[str, Any], set[str]]] = [
    ({"type": "eq", "key": "kind", "value": "cat"}, {"tiger.md"}),
    ({"type": "ne", "key": "kind", "value": "cat"}, {"river.md", "star.md"}),
    ({"type": "gt", "key": "size", "value": 3}, {"river.md"}),
    ({"type": "gte", "key": "size", "value": 3}, {"tiger.md", "river.md"}),
    ({"type": "lt", "key": "size", "value": 3.5}, {"tiger.md"}),
    ({"type": "lte", "key": "size", "value": 2}, set()),
    ({"type": "in", "key": "kind", "value": ["cat", "water"]}, {"tiger.md", "river.md"}),
    ({"type": "nin", "key": "kind", "value": ["cat", "water"]}, {"star.md"}),
    ({"type": "eq", "key": "wet", "value": True}, {"river.md"}),
    ({"type": "eq", "key": "wet", "value": 1}, set()),
    ({"type": "gt", "key": "date", "value": "2026-01-31"}, {"river.md"}),
    (
        {
            "type": "and",
            "filters": [{"type": "eq", "key": "kind", "value": "cat"}, {"type": "gt", "key": "size", "value": 1}],
        },
        {"tiger.md"},
    ),
    (
        {
            "type": "or",
            "filters": [{"type": "eq", "key": "kind", "value": "cat"}, {"type": "eq", "key": "wet", "value": True}],
        },
        {"tiger.md", "river.md"},
    ),
    ({"type": "eq", "key": "nothing", "value": "x"}, set()),
]


def test_search_with_filters(client: OpenAI, store: VectorStore) -> None:
    add(client, store, "tiger.md", TIGER, attributes={"kind": "cat", "size": 3, "date": "2025-12-01"})
    add(client, store, "river.md", RIVER, attributes={"kind": "water", "size": 4.5, "wet": True, "date": "2026-02-01"})
    add(client, store, "star.md", STAR)
    for filters, names in FILTERS:
        assert set(found(client, store, "the largest", filters=filters)) == names, filters


def test_chunking_is_a_matter_of_each_file(client: OpenAI, store: VectorStore) -> None:
    text = "\n\n".join(f"Sentence number {k} tells of animals, rivers, stars and more." for k in range(40)).encode()
    static: Any = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
    usual = add(client, store, "usual.md", text)
    small = add(client, store, "small.md", text, chunking_strategy=static)
    parts = {file: len(list(client.vector_stores.files.content(file, vector_store_id=store.id))) for file in (usual, small)}
    assert parts[small] > parts[usual]
    made = client.vector_stores.files.retrieve(small, vector_store_id=store.id)
    assert made.chunking_strategy is not None and made.chunking_strategy.to_dict() == static
    with pytest.raises(openai.BadRequestError, match="cut otherwise"):
        client.vector_stores.files.create(store.id, file_id=usual, chunking_strategy=static)
    too_long: Any = {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}
    with pytest.raises(openai.BadRequestError, match="reads at most 254 tokens"):
        client.vector_stores.files.create(store.id, file_id=usual, chunking_strategy=too_long)
    auto = client.vector_stores.files.create(store.id, file_id=usual, chunking_strategy={"type": "auto"})
    assert auto.status == "completed"


def test_batches(client: OpenAI, store: VectorStore) -> None:
    batches = client.vector_stores.file_batches
    files = [upload(client, f"{k}.md", data).id for k, data in enumerate((TIGER, RIVER, STAR))]
    batch = batches.create_and_poll(store.id, file_ids=files, attributes={"batch": 1})
    assert batch.id.startswith("vsfb_") and (batch.status, batch.file_counts.completed) == ("completed", 3)
    assert batches.retrieve(batch.id, vector_store_id=store.id) == batch
    listed = list(batches.list_files(batch.id, vector_store_id=store.id, limit=2, order="asc"))
    assert [one.id for one in listed] == files and {str(one.attributes) for one in listed} == {"{'batch': 1.0}"}
    assert batches.cancel(batch.id, vector_store_id=store.id).status == "completed"
    more = batches.upload_and_poll(store.id, files=[("x.md", TIGER), ("broken.pdf", b"%PDF-1.4 none")])
    assert (more.status, more.file_counts.completed, more.file_counts.failed) == ("completed", 1, 1)
    each = batches.create(store.id, files=[{"file_id": files[0], "attributes": {"one": "a"}}, {"file_id": files[1]}])
    assert each.file_counts.total == 2
    assert client.vector_stores.files.retrieve(files[0], vector_store_id=store.id).attributes == {"one": "a"}
    with pytest.raises(openai.NotFoundError):
        batches.create(store.id, file_ids=[upload(client, "y.md", TIGER).id, "file-unknown"])
    assert "y.md" not in found(client, store, "cat")
    with pytest.raises(openai.NotFoundError, match="no file batch"):
        batches.retrieve("vsfb_unknown", vector_store_id=store.id)


def test_a_cancelled_batch_stays_out(client: OpenAI, store: VectorStore) -> None:
    long = "\n\n".join(f"Paragraph {k}: of cats and what they do in the night of day {k}." for k in range(3000)).encode()
    files = [upload(client, f"long{k}.md", long + str(k).encode()).id for k in range(3)]
    batches = client.vector_stores.file_batches
    batch = batches.create(store.id, file_ids=files)
    assert batch.status == "in_progress"
    assert client.vector_stores.retrieve(store.id).status == "in_progress"
    stopped = batches.cancel(batch.id, vector_store_id=store.id)
    assert stopped.status == "cancelled" and stopped.file_counts.in_progress == 0 and stopped.file_counts.cancelled >= 1
    gone = [one.id for one in client.vector_stores.files.list(store.id, filter="cancelled")]
    assert gone and not {one.file_id for one in client.vector_stores.search(store.id, query="cats")} & set(gone)
    with pytest.raises(openai.BadRequestError, match="status is cancelled"):
        client.vector_stores.files.content(gone[0], vector_store_id=store.id)
    client.files.delete(gone[0])
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.files.retrieve(gone[0], vector_store_id=store.id)


def test_a_passage_is_switched_off_and_on(client: OpenAI, store: VectorStore) -> None:
    tiger, star = add(client, store, "tiger.md", TIGER), add(client, store, "star.md", STAR)
    place = f"/vector_stores/{store.id}/files/{tiger}/passages"
    listed = client.get(place, cast_to=httpx.Response).json()["data"]
    assert [one["switched_off"] for one in listed] == [False] * len(listed) and listed[0]["tokens"] > 0

    def switch(file: str, passage: str, off: object) -> dict[str, object]:
        path = f"/vector_stores/{store.id}/files/{file}/passages/{passage}"
        made: dict[str, object] = client.post(path, body={"switched_off": off}, cast_to=httpx.Response).json()
        return made

    def found() -> set[str | None]:
        return {one.file_id for one in client.vector_stores.search(store.id, query="tiger star cat", max_num_results=50)}

    for one in listed:
        assert switch(tiger, one["id"], True) == {**one, "switched_off": True}
    assert found() == {star} and list(client.vector_stores.files.content(tiger, vector_store_id=store.id)) == []
    assert [one["switched_off"] for one in client.get(place, cast_to=httpx.Response).json()["data"]] == [True] * len(listed)
    for one in listed:
        assert switch(tiger, one["id"], False) == one
    assert found() == {tiger, star}
    for file, passage in ((star, listed[0]["id"]), (tiger, "99999"), (tiger, "x"), (tiger, "9" * 40)):
        with pytest.raises(openai.NotFoundError):
            switch(file, passage, True)
    for wrong in ("yes", 1, None):
        with pytest.raises(openai.BadRequestError, match="switched_off"):
            switch(tiger, listed[0]["id"], wrong)


def test_what_is_refused(client: OpenAI, store: VectorStore) -> None:
    with pytest.raises(openai.APIStatusError) as unsupported:
        upload(client, "table.xls", b"x")
    assert unsupported.value.status_code == 415 and "save it as .xlsx" in str(unsupported.value)
    with pytest.raises(openai.APIStatusError) as large:
        upload(client, "large.txt", b"a" * (21 * 1024 * 1024))
    assert large.value.status_code == 413
    with pytest.raises(openai.BadRequestError, match="purpose"):
        client.files.create(file=("a.txt", b"a"), purpose="fine-tune")
    with pytest.raises(openai.BadRequestError, match="do not expire"):
        client.vector_stores.create(expires_after={"anchor": "last_active_at", "days": 1})
    with pytest.raises(openai.NotFoundError, match="after"):
        list(client.files.list(after="file-000000000000000000000000"))
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.search("vs_unknown", query="x")
    assert list(client.vector_stores.search(store.id, query="x")) == []


def test_what_was_promised_survives_a_kill(tmp_path: Path) -> None:
    with serving(tmp_path, API, "--backend=echo") as server, OpenAI(base_url=f"{server.url}/v1", api_key="x") as client:
        store = client.vector_stores.create(name="kept", metadata={"a": "b"})
        alone = upload(client, "alone.md", RIVER)
        file = add(client, store, "tiger.md", TIGER, attributes={"kind": "cat"})
        gone = add(client, store, "star.md", STAR)
        client.files.delete(gone)
    with serving(tmp_path, API, "--backend=echo") as server, OpenAI(base_url=f"{server.url}/v1", api_key="x") as client:
        assert client.vector_stores.retrieve("kept").id == store.id
        assert client.files.content(alone.id).read() == RIVER
        assert [one.id for one in client.vector_stores.files.list(store.id)] == [file]
        results = client.vector_stores.search(store.id, query="cat", filters={"type": "eq", "key": "kind", "value": "cat"})
        assert [one.file_id for one in results] == [file]
        with pytest.raises(openai.NotFoundError):
            client.files.retrieve(gone)
        originals = [path for path in (tmp_path / "data" / "originals").glob("*/*") if path.is_file()]
        assert sorted(path.read_bytes() for path in originals) == sorted([RIVER, TIGER])


def test_the_key_of_the_server_is_asked_for(tmp_path: Path) -> None:
    with serving(tmp_path, API, "--backend=echo", "--api-key=secret") as server:
        wrong = OpenAI(base_url=f"{server.url}/v1", api_key="wrong", max_retries=0)
        with wrong, pytest.raises(openai.AuthenticationError):
            wrong.files.list()
        with OpenAI(base_url=f"{server.url}/v1", api_key="secret") as client:
            assert list(client.files.list()) == []


def test_a_page_of_an_allowed_origin_may_delete(tmp_path: Path) -> None:
    with serving(tmp_path, API, "--backend=echo", "--allowed-origin=https://page.example") as server:
        asks = {"Origin": "https://page.example", "Access-Control-Request-Method": "DELETE"}
        answer = httpx.options(f"{server.url}/v1/files/x", headers=asks)
        assert answer.status_code == 200 and "DELETE" in answer.headers["access-control-allow-methods"]
