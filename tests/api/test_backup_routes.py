"""Backups over the API: made while the server answers, fetched, restored, deleted, and for administrators only."""

import io
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from knowledge import backup, restore, verify
from knowledge.library import Library
from tests.api.live import Live
from tests.assistant.conftest import until
from tests.knowledge.stubs import StubEmbedder, read_text, settings

PATH = "/v1/backups"
Make = Callable[..., Any]


async def made(server: Live) -> dict[str, Any]:
    """Make a backup; returns it when it is whole."""
    begun = await server.client.post(PATH)
    assert begun.status_code == 200 and begun.json()["object"] == "backup"
    name = begun.json()["id"]
    await until(lambda: server.library.backups.get(name).status != "in_progress")
    return dict((await server.client.get(f"{PATH}/{name}")).json())


async def test_a_backup_is_made_fetched_and_restored(server: Live, tmp_path: Path) -> None:
    server.fill()
    one = await made(server)
    assert one["status"] == "completed" and one["bytes"] > 0 and one["last_error"] is None
    assert (await server.client.get(PATH)).json()["data"] == [one]
    fetched = await server.client.get(f"{PATH}/{one['id']}/content")
    assert fetched.headers["content-disposition"] == f'attachment; filename="{one["id"]}.tar"'
    assert len(fetched.content) == int(fetched.headers["content-length"])
    with tarfile.open(fileobj=io.BytesIO(fetched.content)) as archive:
        archive.extractall(tmp_path / "fetched", filter="data")
    assert not [finding for finding in verify.findings(tmp_path / "fetched" / one["id"]) if not finding.harmless]
    restore.put(tmp_path / "fetched" / one["id"], tmp_path / "restored")
    library = Library(settings(tmp_path / "restored"), read=read_text, embedder=StubEmbedder(max_tokens=8))
    library.open()
    library.load(lambda what, part: None)
    assert [document.name for document in library.documents("default")] == ["animals.txt"] and library.verify() == []
    library.close()


async def test_a_backup_is_deleted(server: Live) -> None:
    one = await made(server)
    assert (await server.client.delete(f"{PATH}/{one['id']}")).json() == {"id": one["id"], "object": "backup", "deleted": True}
    for answer in (await server.client.get(f"{PATH}/{one['id']}"), await server.client.delete(f"{PATH}/{one['id']}")):
        assert answer.status_code == 404 and answer.json()["error"]["code"] == "unknown_backup"
    assert (await server.client.get(PATH)).json()["data"] == []


async def test_one_at_a_time_and_it_says_how_far_it_is(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    server.fill()
    going, go = threading.Event(), threading.Event()
    copy = backup.copy_evaluation

    def slow(source: Path, target: Path) -> None:
        going.set()
        assert go.wait(60)
        copy(source, target)

    monkeypatch.setattr(backup, "copy_evaluation", slow)
    name = (await server.client.post(PATH)).json()["id"]
    await until(going.is_set)
    now = (await server.client.get(f"{PATH}/{name}")).json()
    assert now["status"] == "in_progress" and now["bytes"] > 0
    for refused in (
        await server.client.post(PATH),
        await server.client.delete(f"{PATH}/{name}"),
        await server.client.get(f"{PATH}/{name}/content"),
    ):
        assert refused.status_code == 400
    go.set()
    await until(lambda: server.library.backups.get(name).status == "completed")


async def test_one_that_fails_says_why(server: Live) -> None:
    server.fill()
    server.library._originals.path(server.library.documents("default")[0].sha256).unlink()
    one = await made(server)
    assert one["status"] == "failed" and "missing" in one["last_error"]["message"]
    assert (await server.client.delete(f"{PATH}/{one['id']}")).status_code == 200
    assert (await server.client.get(PATH)).json()["data"] == []


@pytest.mark.parametrize("name", ["..", "%2e%2e", "20260101-000000", "knowledge.db", "..%2f..%2foriginals"])
async def test_only_backups_can_be_named(server: Live, name: str) -> None:
    server.fill()
    for path in (f"{PATH}/{name}", f"{PATH}/{name}/content"):
        assert (await server.client.get(path)).status_code == 404
    assert (await server.client.delete(f"{PATH}/{name}")).status_code in (404, 405)
    assert server.library.verify() == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", PATH), ("GET", PATH), *((how, f"{PATH}/x") for how in ("GET", "DELETE")), ("GET", f"{PATH}/x/content")],
)
async def test_only_administrators(make: Make, method: str, path: str) -> None:
    server = await make(api_key=("user",), admin_key=("admin",))
    answer = await server.client.request(method, path, headers={"Authorization": "Bearer user"})
    assert answer.status_code == 403 and answer.json()["error"]["code"] == "not_administrator"
    answer = await server.client.request(method, path, headers={"Authorization": "Bearer admin"})
    assert answer.status_code == (404 if "/x" in path else 200)
    assert (await server.client.request(method, path)).status_code == 401
