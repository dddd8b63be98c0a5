"""Routes for administrators only: a dependency that refuses everybody else. Who is one, `administrators.py` knows."""

from collections.abc import Callable

from fastapi import Request

from api.administrators import Administrators
from api.errors import NotAdministrator
from api.settings import ApiSettings


def required(settings: ApiSettings) -> Callable[[Request], None]:
    """Return the check that raises `NotAdministrator` for a request that is no administrator's."""
    administrators = Administrators(settings)

    def check(request: Request) -> None:
        if not administrators.admit(request.headers.getlist("authorization"), request.headers.get("cookie", "")):
            raise NotAdministrator("This needs the key of an administrator (--admin-key-file).")

    return check
