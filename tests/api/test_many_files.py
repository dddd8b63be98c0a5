"""Many files from several clients at once: every one acknowledged is found, in the order of each client, and none is lost."""

import asyncio

from tests.api.live import Live
from tests.assistant.conftest import until

CLIENTS, EACH = 8, 10
FILES = "/v1/vector_stores/default/files"


async def test_files_from_eight_clients_are_all_taken_in_in_the_order_of_each(server: Live) -> None:
    acknowledged: list[list[str]] = [[] for _ in range(CLIENTS)]

    async def hand_in(client: int) -> None:
        for number in range(EACH):
            file = (f"{client}-{number}.md", f"word{client}x{number} in a file".encode())
            sent = await server.client.post("/v1/files", files={"file": file}, data={"purpose": "assistants"})
            put = await server.client.post(FILES, json={"file_id": sent.json()["id"]})
            assert put.status_code == 200 and put.json()["status"] in ("in_progress", "completed")
            acknowledged[client].append(sent.json()["id"])

    await asyncio.gather(*(hand_in(client) for client in range(CLIENTS)))
    library = server.library
    await until(lambda: not library._shelf.jobs.unfinished(), seconds=120)
    listed = (await server.client.get(FILES, params={"limit": 100, "order": "asc"})).json()["data"]
    assert {entry["status"] for entry in listed} == {"completed"}
    order = [entry["id"] for entry in listed]
    assert sorted(order) == sorted(file for files in acknowledged for file in files)
    for files in acknowledged:
        assert [file for file in order if file in files] == files
    for client in range(CLIENTS):
        assert library.search("default", f"word{client}x7", 1)[0].source.name == f"{client}-7.md"
    assert library.verify() == []
