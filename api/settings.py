"""Settings of the api room, and those of the whole server: every room's together."""

import ipaddress
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator

from api import eas_service
from api.scaling_settings import ScalingSettings
from assistant.settings import AssistantSettings
from configs.loading import load
from configs.settings import Settings, SettingsError
from configs.settings_file import write_default
from generation.settings import GenerationSettings
from knowledge.settings import KnowledgeSettings

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: relative paths of settings start here, so that the program works from any directory."""
HOST_NAME = re.compile(r"\*|[A-Za-z0-9._-]+|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:]*")
"""Any, a name or IPv4 address, an IPv6 address."""


class ApiSettings(Settings):
    """Where the server listens and whom it answers."""

    title: ClassVar[str] = "server"

    listen: bool = Field(
        False, description="answer other machines too (bind 0.0.0.0); without it only this machine (127.0.0.1)"
    )
    port: int = Field(8000, ge=1, le=65535, description="port of the page and of every protocol")
    api_key: tuple[str, ...] = Field(
        (),
        description="key that clients must send; better in --api-key-file or the environment: every user sees a command line",
        json_schema_extra={"secret": True},
    )
    api_key_file: Path | None = Field(None, description="file of keys, one a line")
    admin_key: tuple[str, ...] = Field(
        (),
        description="key of an administrator, who may also change the model on the page; better in --admin-key-file",
        json_schema_extra={"secret": True},
    )
    admin_key_file: Path | None = Field(None, description="file of administrators' keys, one a line")
    allowed_host: tuple[str, ...] = Field(
        (), description="host name under which the server may be called, beside this machine's own names; * for any"
    )
    allowed_origin: tuple[str, ...] = Field(
        (), description="web page (https://name:port) that may call the server from a browser"
    )
    root_path: str = Field("", description="path prefix of a gateway in front, like /api/predict/NAME")
    request_timeout: int = Field(600, ge=1, le=86400, description="longest time for one answer over the API, in seconds")
    drain_seconds: float = Field(
        30, ge=0, le=3600, description="time that answers have to end when the server is stopped, in seconds"
    )
    header_seconds: float = Field(10, gt=0, le=3600, description="time for the head of a request to arrive, in seconds")
    body_seconds: float = Field(
        60, gt=0, le=3600, description="time for the body of a request to arrive, in seconds; one more for every 256 KiB"
    )
    keep_alive_seconds: float = Field(
        5, gt=0, le=3600, description="time until the next request on an open connection, in seconds"
    )
    unread_seconds: float = Field(
        60, gt=0, le=3600, description="time that an answer may wait unread before its client counts as gone, in seconds"
    )
    rate_generate: int = Field(
        30, ge=0, le=1_000_000, description="questions a minute from one client (key, or else address); 0: any number"
    )
    rate_upload: int = Field(20, ge=0, le=1_000_000, description="uploads a minute from one client; 0: any number")
    rate_search: int = Field(120, ge=0, le=1_000_000, description="searches a minute from one client; 0: any number")
    rate_other: int = Field(300, ge=0, le=1_000_000, description="other calls a minute from one client; 0: any number")
    rate_page: int = Field(
        1200, ge=0, le=1_000_000, description="calls a minute that open pages make from one address; 0: any number"
    )
    rate_wrong_keys: int = Field(
        10, ge=0, le=1_000_000, description="wrong keys a minute from one address, then 60 s of refusals; 0: any number"
    )
    trusted_proxy: tuple[str, ...] = Field(
        (), description="address of a gateway in front, whose X-Forwarded-For says who the client is"
    )
    max_body: int = Field(1, ge=1, le=64, description="largest request that is not a file upload, in MiB")
    max_message: int = Field(256, ge=1, le=16384, description="largest message of a WebSocket, in KiB")
    max_websockets: int = Field(200, ge=0, le=100_000, description="WebSocket connections at a time")
    max_websockets_each: int = Field(10, ge=1, le=100_000, description="WebSocket connections of one key or address at a time")
    websocket_queue: int = Field(4, ge=1, le=64, description="messages that may wait on one WebSocket behind the one in work")
    websocket_idle: float = Field(
        300, gt=0, le=86400, description="time after which a WebSocket that asks nothing is closed, in seconds"
    )
    max_upload: int = Field(512, ge=1, le=16384, description="largest upload of files at once, in MiB")

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys that let somebody in."""
        return (*self.api_key, *self.admin_key)

    @property
    def counts_calls(self) -> bool:
        """Whether the limits a minute hold: not where everybody is on this machine and nobody needs a key."""
        return self.listen or bool(self.keys) or bool(self.trusted_proxy)

    @field_validator("allowed_host")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(HOST_NAME.fullmatch(host) for host in value):
            raise ValueError("must be a host name alone, without http:// and port, or *")
        return tuple(host.rstrip(".").lower() for host in value)

    @field_validator("allowed_origin")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        origins = tuple(origin.removesuffix("/").lower() for origin in value)
        if not all(re.fullmatch(r"https?://[a-z0-9._-]+(:[0-9]{1,5})?", origin) for origin in origins):
            raise ValueError("must be like https://name:port")
        return origins

    @field_validator("trusted_proxy")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(str(ipaddress.ip_address(address)) for address in value)
        except ValueError:
            raise ValueError("must be an IP address") from None

    @field_validator("root_path")
    @classmethod
    def _slashes(cls, value: str) -> str:
        if value and (not value.startswith("/") or any(c in value for c in "?#\\ ")):
            raise ValueError("must be a path like /api/predict/NAME")
        return value.rstrip("/")


class ServerSettings(ScalingSettings, ApiSettings, AssistantSettings, KnowledgeSettings, GenerationSettings):
    """Ask your own documents with your own model on your own machine."""

    @property
    def address(self) -> str:
        """The address to bind."""
        return "0.0.0.0" if self.listen else "127.0.0.1"  # noqa: S104  # what --listen is for

    @property
    def data(self) -> Path:
        """The data folder, absolute."""
        return ROOT / self.data_dir.expanduser()


def read(arguments: Sequence[str], program: str) -> ServerSettings:
    """Return the settings of this start, paths made absolute; raises `SettingsError`."""
    settings = load(ServerSettings, arguments, os.environ, program, (eas_service.values,))
    keys = {
        "api_key": _keys("--api-key", settings.api_key, settings.api_key_file),
        "admin_key": _keys("--admin-key", settings.admin_key, settings.admin_key_file),
    }
    return settings.model_copy(update={"data_dir": settings.data, **keys})


def _keys(flag: str, given: Sequence[str], file: Path | None) -> tuple[str, ...]:
    keys = [key.strip() for key in given]
    if file is not None:
        try:
            lines = file.expanduser().read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise SettingsError(f"{flag}-file {file} cannot be read: {reason}.") from error
        found = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
        if not found:
            raise SettingsError(f"{flag}-file {file} holds no key.")
        keys += found
    if not all(re.fullmatch(r"[!-~]+", key) for key in keys):
        raise SettingsError(f"{flag}: a key must be letters, digits and marks of ASCII, without spaces, and not empty.")
    return tuple(dict.fromkeys(keys))


if __name__ == "__main__":
    sys.stdout.write(write_default(ServerSettings))
