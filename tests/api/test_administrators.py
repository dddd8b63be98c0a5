"""Who is an administrator: whoever has such a key; without keys whoever is on this machine."""

import pytest

from api.administrators import Administrators
from api.keys import COOKIE, Keys
from api.settings import ServerSettings
from tests.api.live import Make


def administrators(**values: object) -> Administrators:
    return Administrators(ServerSettings.model_validate(values))


def cookie(key: str) -> str:
    return f"{COOKIE}={Keys((key,)).session(key)}"


def test_without_keys_everybody_on_this_machine() -> None:
    assert administrators().admit([], "")


@pytest.mark.parametrize(
    "values",
    [
        {"listen": True},
        {"allowed_host": ("chat.example",)},
        {"allowed_origin": ("https://chat.example",)},
        {"root_path": "/api/predict/chat"},
        {"api_key": ("user",)},
    ],
)
def test_without_keys_nobody_from_elsewhere(values: dict[str, object]) -> None:
    assert not administrators(**values).admit([], "")


def test_an_administrators_key_and_no_other() -> None:
    found = administrators(api_key=("user",), admin_key=("admin",))
    assert found.admit(["Bearer admin"], "")
    assert found.admit([], cookie("admin"))
    for authorization, cookies in ([], ""), (["Bearer user"], ""), ([], cookie("user")), (["admin", "admin"], ""):
        assert not found.admit(authorization, cookies)


async def test_an_administrators_key_lets_in(make: Make) -> None:
    server = await make(admin_key=("admin",))
    assert (await server.client.get("/metrics")).status_code == 401
    assert (await server.client.get("/metrics", headers={"Authorization": "admin"})).status_code == 200
