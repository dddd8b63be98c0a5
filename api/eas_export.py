"""Settings as the service JSON of PAI-EAS that starts a server with them. The way back of `eas_service`; no secrets.

Source: wire.md section 9. Knows no file and no command line of its own.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api.eas_service import KEEPALIVE, LIMITS
from api.settings import ServerSettings
from configs.settings import dashed, is_secret

ELSEWHERE = frozenset({"config", "port", *LIMITS.values()})
"""Settings that have a place of their own in the JSON, or none."""


def service(settings: ServerSettings, name: str, image: str, program: str) -> dict[str, Any]:
    """Return the JSON: `program` with the flags that differ from the defaults, the port, and the gateway's limits."""
    rpc = {key: getattr(settings, setting) for key, setting in LIMITS.items()}
    rpc["keepalive"] *= KEEPALIVE
    return {
        "name": name,
        "containers": [
            {"image": image, "port": settings.port, "script": shlex.join(["python", program, *_flags(settings)])},
        ],
        "metadata": {
            "name": name,
            "instance": max(1, settings.min_workers),
            "rpc": {key: value for key, value in rpc.items() if value is not None},
        },
    }


def mount(folder: str, oss: str) -> dict[str, Any]:
    """Return an entry of `storage`: the model at `oss`, mounted at `folder`, not to be written."""
    return {"oss": {"path": oss, "readOnly": True}, "properties": {"resource_type": "model"}, "mount_path": folder}


def secrets(settings: ServerSettings) -> list[str]:
    """Return the names of the settings that are given and were left out, because they are secret."""
    return [name for name in _changed(settings) if is_secret(ServerSettings, name)]


def _changed(settings: ServerSettings) -> Iterator[str]:
    plain = ServerSettings()
    plain = plain.model_copy(update={"data_dir": plain.data})
    yield from (name for name in ServerSettings.model_fields if getattr(settings, name) != getattr(plain, name))


def _flags(settings: ServerSettings) -> Iterator[str]:
    for name in _changed(settings):
        if name in ELSEWHERE or is_secret(ServerSettings, name):
            continue
        value = getattr(settings, name)
        for one in value if isinstance(value, tuple) else (value,):
            yield f"--{dashed(name)}={_written(one)}"


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    # None differs from a default only where the word `none` is what takes it away (--model-path).
    return "none" if value is None else value.as_posix() if isinstance(value, Path) else str(value)
