"""Requests to files and vector stores that are wrong: a 4xx in OpenAI's shape, small, without the input, nothing changed."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from api import json_body
from api.errors import BadRequest
from api.vector_store_request import ChangedStore, NewBatch, NewFile, NewStore, Searched, SwitchedPassage
from knowledge.attribute_filter import condition
from tests.api.live import Live

CANARY = "canary4711"
HUGE = "9" * 5000
STORE = "/v1/vector_stores/default"
LONG = CANARY * 60


def deep(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"type": "eq", "key": "a", "value": CANARY}
    for _ in range(levels):
        inner = {"type": "and", "filters": [inner]}
    return inner


def fields(path: str, *bodies: dict[str, Any]) -> list[tuple[str, str]]:
    return [(path, json.dumps(body)) for body in bodies]


def literals(path: str, start: str, *texts: str) -> list[tuple[str, str]]:
    return [(path, f"{{{start}{text}}}") for text in texts]


EVERYWHERE = [
    "[1]",
    "null",
    "1",
    f'"{CANARY}"',
    CANARY,
    "{",
    f'{{"name": "{CANARY}",}}',
    "{'a': 1}",
    '{"a": NaN}',
    '{"a": Infinity}',
    f'{{"a": {HUGE}}}',
    '{"a": "\\ud800"}',
    '{"a": 1, "a": 2}',
    "[" * 100_000,
    '{"a":' * 5000,
    '{"a": 01}',
    '{"a": True}',
]
CHUNKING: list[Any] = [
    CANARY,
    [],
    {},
    {"type": CANARY},
    {"type": "static"},
    {"type": "auto", "static": {}},
    {"type": "static", "static": {}},
    {"type": "static", "static": {"max_chunk_size_tokens": 10, "chunk_overlap_tokens": 0}},
    {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 51}},
    {"type": "static", "static": {"max_chunk_size_tokens": "100", "chunk_overlap_tokens": 0}},
    {"type": "static", "static": {"max_chunk_size_tokens": 5000, "chunk_overlap_tokens": 0}},
    {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": -1}},
]
ATTRIBUTES: list[Any] = [
    CANARY,
    [],
    1,
    {"": 1},
    {CANARY * 7: 1},
    {"a": None},
    {"a": [CANARY]},
    {"a": {}},
    {"a": LONG},
    {"a": 10**400},
    {"a": 1e301},
    {str(k): k for k in range(17)},
]
FILTERS: list[Any] = [
    CANARY,
    [],
    {},
    {"type": CANARY},
    {"type": "eq"},
    {"type": "eq", "key": "a"},
    {"type": "eq", "key": "", "value": 1},
    {"type": "eq", "key": CANARY * 7, "value": 1},
    {"type": "eq", "key": 1, "value": 1},
    {"type": "eq", "key": "a", "value": None},
    {"type": "eq", "key": "a", "value": LONG},
    {"type": "eq", "key": "a", "value": [1]},
    {"type": "gt", "key": "a", "value": True},
    {"type": "in", "key": "a", "value": CANARY},
    {"type": "in", "key": "a", "value": []},
    {"type": "nin", "key": "a", "value": [[1]]},
    {"type": "in", "key": "a", "value": [1] * 101},
    {"type": "and"},
    {"type": "and", "filters": []},
    {"type": "or", "filters": {}},
    {"type": "or", "filters": [CANARY]},
    {"type": "and", "filters": [{"type": "eq", "key": "a", "value": 1}] * 101},
    deep(9),
    {"type": ["eq"], "key": "a", "value": 1},
    {"type": "eq", "key": "a", "value": 10**400},
]
POSTS: list[tuple[str, str]] = [
    *((path, text) for path in ("/v1/vector_stores", STORE, f"{STORE}/search", f"{STORE}/files") for text in EVERYWHERE),
    *fields("/v1/vector_stores", {"name": ""}, {"name": 5}, {"name": CANARY * 7}, {"name": f"{CANARY}/x"}, {"name": "default"}),
    *fields("/v1/vector_stores", {"name": "vs_" + "0" * 32}, {"name": ".x"}, {"name": "con"}, {"name": [CANARY]}),
    *fields("/v1/vector_stores", {"metadata": CANARY}, {"metadata": {"a": 1}}, {"metadata": {"a": LONG}}, {"metadata": []}),
    *fields("/v1/vector_stores", {"file_ids": CANARY}, {"file_ids": [CANARY]}, {"file_ids": [5]}, {"file_ids": ["a"] * 501}),
    *fields("/v1/vector_stores", {"expires_after": {"anchor": "last_active_at", "days": 1}}, {"expires_after": CANARY}),
    *fields("/v1/vector_stores", *({"chunking_strategy": one, "file_ids": ["x"]} for one in CHUNKING)),
    *fields(STORE, {"name": CANARY}, {"name": ""}, {"name": 1}, {"metadata": {"": "a"}}, {"metadata": {CANARY * 7: "a"}}),
    *fields(
        f"{STORE}/search", {}, {"query": 5}, {"query": ""}, {"query": " "}, {"query": []}, {"query": [""]}, {"query": None}
    ),
    *fields(f"{STORE}/search", {"query": CANARY * 500}, {"query": [CANARY] * 11}, {"query": [5]}, {"query": {"a": CANARY}}),
    *fields(f"{STORE}/search", *({"query": "x", "max_num_results": n} for n in (0, -1, 51, 1.5, "10", True, None))),
    *literals(f"{STORE}/search", '"query": "x", "max_num_results": ', "NaN", "1e999", HUGE),
    *fields(f"{STORE}/search", *({"query": "x", "ranking_options": {"score_threshold": n}} for n in (-0.1, 1.1, "0.5", None))),
    *literals(f"{STORE}/search", '"query": "x", "ranking_options": {"score_threshold": ', "NaN}", "1e999}", "Infinity}"),
    *fields(
        f"{STORE}/search", {"query": "x", "ranking_options": CANARY}, {"query": "x", "ranking_options": {"ranker": CANARY}}
    ),
    *fields(f"{STORE}/search", {"query": "x", "rewrite_query": CANARY}, {"query": "x", "rewrite_query": 1}),
    *fields(f"{STORE}/search", {"query": "x", "history": CANARY}, {"query": "x", "history": [{"role": CANARY, "content": ""}]}),
    *fields(f"{STORE}/search", *({"query": "x", "filters": one} for one in FILTERS)),
    *fields(f"{STORE}/files", {}, {"file_id": 5}, {"file_id": ""}, {"file_id": LONG}, {"file_id": CANARY}, {"file_id": None}),
    *fields(f"{STORE}/files", *({"file_id": "x", "attributes": one} for one in ATTRIBUTES)),
    *fields(f"{STORE}/files", *({"file_id": "x", "chunking_strategy": one} for one in CHUNKING)),
    *fields(f"{STORE}/files/{CANARY}", {"attributes": {}}, {}, {"attributes": CANARY}),
    *fields(f"{STORE}/file_batches", {}, {"file_ids": []}, {"file_ids": [CANARY]}, {"file_ids": ["a", "a"]}, {"files": []}),
    *fields(f"{STORE}/file_batches", {"file_ids": ["a"], "files": [{"file_id": "a"}]}, {"file_ids": ["a"] * 501}),
    *fields(f"{STORE}/file_batches", {"files": [{}]}, {"files": [CANARY]}, {"file_ids": "a"}, {"files": [{"file_id": 5}]}),
    *fields(f"{STORE}/file_batches/{CANARY}/cancel", {}),
    *fields(f"/v1/vector_stores/{CANARY}/search", {"query": "x"}),
    *fields(f"/v1/vector_stores/{CANARY}", {"name": "x"}),
    *fields(f"/v1/vector_stores/{CANARY}/files", {"file_id": "x"}),
]
GETS = [
    *(
        f"{path}?{query}"
        for path in ("/v1/files", "/v1/vector_stores", f"{STORE}/files")
        for query in (
            "limit=0",
            "limit=-1",
            f"limit={CANARY}",
            "limit=1.5",
            "limit=NaN",
            "limit=",
            f"limit={HUGE}",
            f"order={CANARY}",
            f"after={CANARY}",
            f"before={CANARY}",
            f"after={LONG}",
            "limit=10001",
        )
    ),
    f"{STORE}/files?filter={CANARY}",
    f"/v1/files?purpose={LONG}",
    f"/v1/files/{CANARY}",
    f"/v1/files/{CANARY}/content",
    f"/v1/vector_stores/{CANARY}",
    f"{STORE}/files/{CANARY}",
    f"{STORE}/files/{CANARY}/content",
    f"/v1/files/{CANARY}/{CANARY}",
    f"{STORE}/file_batches/{CANARY}",
    f"{STORE}/file_batches/{CANARY}/files",
    f"/v1/vector_stores/{CANARY}/files",
    "/v1/files/%00",
    "/v1/files/%ff%fe",
    "/v1/vector_stores/%00",
    f"/v1/vector_stores/{CANARY * 100}",
]


def form(*parts: tuple[str, str, str], boundary: str = "b", end: str = "--b--\r\n") -> bytes:
    """Return a multipart body of (name, parameters behind it, value)."""
    made = "".join(f'--{boundary}\r\nContent-Disposition: form-data; name="{n}"{more}\r\n\r\n{v}\r\n' for n, more, v in parts)
    return (made + end).encode()


FILE = ("file", '; filename="canary4711.txt"', "text")
PURPOSE = ("purpose", "", "assistants")
MULTIPART = "multipart/form-data; boundary=b"
FORMS: list[tuple[str, bytes]] = [
    ("", form(FILE, PURPOSE)),
    ("application/json", b"{}"),
    ("multipart/form-data", form(FILE, PURPOSE)),
    ("multipart/form-data; boundary=", form(FILE, PURPOSE)),
    ("multipart/form-data; boundary=other", form(FILE, PURPOSE)),
    (MULTIPART, b""),
    (MULTIPART, b"canary4711"),
    (MULTIPART, b"\xff\xfe"),
    (MULTIPART, form()),
    (MULTIPART, form(FILE)),
    (MULTIPART, form(PURPOSE)),
    (MULTIPART, form(("file", "", "text"), PURPOSE)),
    (MULTIPART, form(FILE, ("purpose", "", CANARY))),
    (MULTIPART, form(FILE, FILE, PURPOSE)),
    (MULTIPART, form(FILE, PURPOSE, PURPOSE)),
    (MULTIPART, form(FILE, PURPOSE, *((f"f{k}", "", "x") for k in range(30)))),
    (MULTIPART, form(FILE, ("purpose", "", "a" * 100_000))),
    (MULTIPART, form(FILE, ("purpose", '; filename="a"', "assistants"))),
    (MULTIPART, form(FILE, PURPOSE, ("expires_after[anchor]", "", "created_at"))),
    (MULTIPART, form(("file", '; filename=""', "text"), PURPOSE)),
    (MULTIPART, form(("file", '; filename="."', "x"), PURPOSE)),
    (MULTIPART, form(("file", '; filename="a.canary4711"', "x"), PURPOSE)),
    (MULTIPART, form(("file", '; filename="a.exe"', ""), PURPOSE)),
    (MULTIPART, form(("file", '; filename="canary4711.docm"', "x"), PURPOSE)),
    (MULTIPART, form(("file", f'; filename="{LONG}.txt"', "x"), PURPOSE)),
    (MULTIPART, form(("file", '; filename="a\u202e.txt"', "x"), PURPOSE)),
    (MULTIPART, form(("file", '; filename="a\x07.txt"', "x"), PURPOSE)),
    (MULTIPART, b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"),
    (MULTIPART, b"--b\r\n\r\nx\r\n--b--\r\n"),
    (MULTIPART, b"--b\r\ncanary4711\r\n\r\nx\r\n--b--\r\n"),
    (f"{MULTIPART}; charset=canary4711", form(PURPOSE)),
    ("multipart/form-data; boundary=" + "b" * 1000, form(FILE, PURPOSE)),
    ("application/x-www-form-urlencoded", b"file=x&purpose=assistants"),
]


def test_the_tables_are_long_enough() -> None:
    assert len(set(POSTS)) + len(set(GETS)) + len(FORMS) >= 250


@pytest.fixture
async def quiet(server: Live) -> AsyncIterator[Live]:
    """A server in which nothing may have changed in the end."""
    yield server
    assert server.made == (0, 0)
    assert [base.name for base in server.library.bases()] == ["default"] and server.library.jobs("default") == []
    assert (await server.client.get("/v1/files")).json()["data"] == []
    assert not list((server.library._originals.folder / "incoming").iterdir()) and server.library._originals.kept() == []


def check(answer: Any, what: object) -> None:
    told = f"{str(what)[:200]}: {answer.status_code} {answer.text[:300]}"
    assert 400 <= answer.status_code < 500 and len(answer.content) < 2048, told
    assert answer.headers["content-type"] == "application/json", told
    body = answer.json()
    assert body.keys() == {"error"} and body["error"].keys() == {"message", "type", "param", "code"}, told
    assert body["error"]["message"] and body["error"]["type"] == "invalid_request_error", told
    for word in (CANARY, "999999", "Traceback", "pydantic", "/work/", "\\ud800"):
        assert word not in answer.text, told


async def test_bodies(quiet: Live) -> None:
    for path, text in POSTS:
        check(await quiet.client.post(path, content=text.encode()), (path, text))
    for data in (b"\xff\xfe", b'{"name": "\xff"}', "{}".encode("utf-16"), b"\xed\xa0\x80"):
        check(await quiet.client.post("/v1/vector_stores", content=data), data)


async def test_queries_and_paths(quiet: Live) -> None:
    for path in GETS:
        check(await quiet.client.get(path), path)
    for path in (f"/v1/files/{CANARY}", f"/v1/vector_stores/{CANARY}", f"{STORE}/files/{CANARY}"):
        check(await quiet.client.delete(path), path)
    for method, path in [("PUT", "/v1/files"), ("PATCH", STORE), ("DELETE", "/v1/files"), ("GET", f"{STORE}/search")]:
        check(await quiet.client.request(method, path), (method, path))


async def test_forms(quiet: Live) -> None:
    for label, data in FORMS:
        headers = {"Content-Type": label} if label else {}
        check(await quiet.client.post("/v1/files", content=data, headers=headers), (label, data))


async def test_a_form_that_grows_over_the_limit_is_stopped(make: Any) -> None:
    server: Live = await make(max_file_size=1)
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        for _ in range(400):
            sent += 1
            yield b"a" * 65536

    answer = await server.client.post("/v1/files", content=body(), headers={"Content-Type": MULTIPART})
    check(answer, "a body of unknown length")
    assert answer.status_code == 413 and "1 MiB" in answer.text


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["type", "key", "value", "filters", "query", "file_id", "file_ids", "files", "attributes", "static"]
            ),
            inner,
        )
    ),
    max_leaves=12,
)
MODELS: list[type[BaseModel]] = [NewStore, ChangedStore, NewFile, NewBatch, Searched, SwitchedPassage]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(MODELS), st.dictionaries(st.sampled_from(sorted({f for m in MODELS for f in m.model_fields})), JSON))
def test_any_object_is_a_request_or_a_bad_request(model: Any, given_fields: dict[str, Any]) -> None:
    try:
        json_body.validate(model, json_body.parse(json.dumps(given_fields)))
    except BadRequest as error:
        assert 0 < len(str(error)) < 1000


@settings(max_examples=300, deadline=None)
@given(JSON, st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=3) | st.booleans() | st.floats(-5, 5)))
def test_any_filter_is_a_condition_or_refused(filters: Any, attributes: dict[str, Any]) -> None:
    try:
        wanted = condition(filters)
    except ValueError as error:
        assert 0 < len(str(error)) < 300
    else:
        assert wanted(attributes) in (True, False)


VALUES = st.text(max_size=2) | st.booleans() | st.integers(-3, 3)


@given(VALUES, st.dictionaries(st.just("a"), VALUES))
def test_each_condition_and_its_opposite(value: Any, attributes: dict[str, Any]) -> None:
    def holds(kind: str, given_value: Any) -> bool:
        return condition({"type": kind, "key": "a", "value": given_value})(attributes)

    assert holds("eq", value) != holds("ne", value)
    assert holds("in", [value]) == holds("eq", value) and holds("nin", [value]) == holds("ne", value)
    if not isinstance(value, bool):
        comparable = "a" in attributes and isinstance(attributes["a"], str) == isinstance(value, str)
        comparable = comparable and not isinstance(attributes["a"], bool)
        assert holds("gt", value) == (comparable and not holds("lte", value))
        assert holds("gte", value) == (holds("gt", value) or (comparable and holds("eq", value)))
