"""The reference: a valid OpenAPI document of every route, and a page that needs nothing from elsewhere."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from schemathesis import openapi

from tests.api.live import Live


async def test_the_document_is_valid_and_whole(server: Live) -> None:
    made = (await server.client.get("/openapi.json")).json()
    openapi.from_dict(made).validate()
    assert {"/", "/healthz", "/readyz", "/metrics"} <= set(made["paths"])
    assert made["tags"][0] == {"name": "native"}
    assert made["paths"]["/"]["post"]["summary"].startswith("Ask a question")
    body = made["paths"]["/"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert {"prompt", "history", "temperature"} <= set(body["properties"])


@pytest.mark.parametrize("prefix", ["", "/api/predict/chat"])
async def test_the_page_and_its_files(make: Callable[..., Any], prefix: str) -> None:
    client = (await make(root_path=prefix)).client
    page = await client.get(f"{prefix}/docs")
    links = re.findall(r'(?:src|href)="([^"]+)"|url: \'([^\']+)\'', page.text)
    names = [link or url for link, url in links]
    assert len(names) == 4
    for name in names:
        assert "://" not in name
        assert (await client.get(f"{prefix}/{name}")).status_code == 200
    assert (await client.get(f"{prefix}/docs/static/other.js")).status_code == 404


async def test_a_server_with_keys_shows_it_to_nobody_else(make: Callable[..., Any]) -> None:
    client = (await make(api_key=("secret",))).client
    assert (await client.get("/openapi.json")).status_code == 401
    assert (await client.get("/openapi.json", headers={"Authorization": "Bearer secret"})).status_code == 200
