"""The limits that are shown are those in force."""

import json
import re

from api.settings import ServerSettings
from tests.api.live import Live, Make
from tests.server_process import ROOT


async def test_what_is_shown_on_loopback(server: Live) -> None:
    shown = (await server.client.get("/v1/limits")).json()
    assert set(shown["calls_per_minute"].values()) == {None}
    assert shown["requests"]["body_bytes"] == 1024 * 1024
    assert shown["answers"]["running"] == 16


async def test_what_is_shown_to_others(make: Make) -> None:
    server = await make(listen=True, api_key=["key"], rate_search=0, rate_generate=2, max_waiting=7, request_timeout=9)
    assert (await server.client.get("/v1/limits")).status_code == 401
    key = {"Authorization": "key"}
    shown = (await server.client.get("/v1/limits", headers=key)).json()
    assert shown["calls_per_minute"] == {
        "generate": 2, "upload": 20, "search": None, "other": 300, "page": 1200, "wrong_keys": 10,
    }  # fmt: skip
    assert shown["answers"]["waiting"] == 7 and shown["seconds"]["answer"] == 9
    asked = [(await server.client.post("/", json={"prompt": "x"}, headers=key)).status_code for _ in range(3)]
    assert asked == [200, 200, 429]


def test_the_page_in_the_docs_names_the_defaults() -> None:
    text = (ROOT / "docs" / "api" / "limits.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`--[^|]*) \| ([0-9, ]+) \|", text, re.MULTILINE)
    named = [(name, value) for names, values in rows for name, value in zip(names.split(", "), values.split(", "), strict=True)]
    assert len(named) > 10
    for name, value in named:
        field = name.strip("`-").replace("-", "_")
        assert float(value) == ServerSettings.model_fields[field].default, name


async def test_every_status_of_the_server_is_explained(server: Live) -> None:
    from api.errors import ERRORS

    text = (ROOT / "docs" / "api" / "limits.md").read_text(encoding="utf-8")
    explained = {int(status) for status in re.findall(r"^\| ([0-9]{3}) \|", text, re.MULTILINE)}
    assert explained >= {row.status for row in ERRORS.values()} | {401, 403, 405, 413, 431}
    assert json.loads((await server.client.get("/v1/limits")).text)
