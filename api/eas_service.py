"""The service JSON of PAI-EAS as a file of settings: what in it is for this server, under our names.

Reads the command line and the environment of the container that starts this program, its port, and the limits of the
gateway (`metadata.rpc`); the command line wins over the environment, and both over the limits. What is for the platform
alone is named in one line of the log. Source: the platform's reference of its JSON, wire.md section 9. Knows no file and
opens nothing; no value of the environment is ever repeated in a message.
"""

import logging
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from configs.command_line import from_flags
from configs.loading import from_environment
from configs.settings import ENVIRONMENT_PREFIX, Settings, SettingsError, dashed
from configs.settings_file import Given

LOG = logging.getLogger(__name__)
PROGRAMS = ("webui_server.py", "api_server.py")
MARKS = ("containers", "metadata")
"""Keys that no settings of ours have and every service JSON has one of."""
LIMITS = {"keepalive": "request_timeout", "max_queue_size": "max_waiting", "worker_threads": "max_running"}
"""Key of `metadata.rpc` -> setting. `keepalive` is in milliseconds."""
KEEPALIVE = 1000
"""Milliseconds in a second of `request_timeout`."""
SHELL = re.compile(r"""'[^']*'|\\.|"(?:[^"\\]|\\.)*"|[$`|&;<>()\n]""", re.DOTALL)
"""Quoted stretches, and what a shell would do more with than split words."""


def values(kind: type[Settings], document: Mapping[str, Any]) -> Mapping[str, Given] | None:
    """Return the settings in a service JSON, None where `document` is none; raises `SettingsError` naming the key."""
    if not any(mark in document for mark in MARKS):
        return None
    number, container = _own_container(document)
    place = f"containers[{number}]"
    given = _limits(document) | _environment(kind, container, place) | _command(kind, container, place)
    _add_port(given, container, place)
    _check_mounts(document, given)
    if unused := list(_unused(document, number)):
        LOG.warning("service JSON: for the platform alone, and not used by the server: %s", ", ".join(unused))
    return given


def _own_container(document: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
    """Return the container that starts one of our programs, and its number."""
    containers = [_mapping(item, f"containers[{i}]") for i, item in enumerate(_list(document, "containers"))]
    scripts = [_text(item.get("script", ""), f"containers[{i}].script") for i, item in enumerate(containers)]
    own = [i for i, script in enumerate(scripts) if any(program in script for program in PROGRAMS)]
    if len(own) != 1:
        which = "no script" if not own else "more than one script"
        raise SettingsError(f"containers: {which} starts webui/webui_server.py or api/api_server.py; there must be one.")
    return own[0], containers[own[0]]


def _command(kind: type[Settings], container: Mapping[str, Any], place: str) -> dict[str, Given]:
    where = f"{place}.script"
    words = _words(container["script"], where)
    start = next((i for i, word in enumerate(words) if PurePosixPath(word).name in PROGRAMS), None)
    if start is None:
        raise SettingsError(f"{where} must call webui/webui_server.py or api/api_server.py as a word of its own.")
    if any("=" in word for word in words[:start]):
        raise SettingsError(f"{where} sets variables before the command; they belong into {place}.env.")
    flags = words[start + 1 :]
    if {"-h", "--help"} & set(flags):
        raise SettingsError(f"{where} asks for help only.")
    return _read(lambda: from_flags(kind, flags, "the server"), where, lambda name: f"{where}: --{dashed(name)}")


def _words(script: str, where: str) -> list[str]:
    for found in SHELL.finditer(script.strip()):
        text = found[0]
        if len(text) == 1 or (text[0] == '"' and re.search(r"[$`]", text)):
            raise SettingsError(f"{where} must be one plain command: variables and {' '.join('| & ; < > ( )')} are not read.")
    try:
        return shlex.split(script)
    except ValueError:
        raise SettingsError(f"{where} has a quote that is not closed.") from None


def _environment(kind: type[Settings], container: Mapping[str, Any], place: str) -> dict[str, Given]:
    variables: dict[str, str] = {}
    for i, item in enumerate(_list(container, "env", f"{place}.env")):
        entry = _mapping(item, f"{place}.env[{i}]")
        name = _text(entry.get("name"), f"{place}.env[{i}].name")
        variables[name] = _text(entry.get("value"), f"{place}.env[{i}].value")
    return _read(
        lambda: from_environment(kind, variables),
        f"{place}.env",
        lambda name: f"{place}.env: {ENVIRONMENT_PREFIX}{name.upper()}",
    )


def _read(read: Any, where: str, place: Any) -> dict[str, Given]:
    try:
        found: dict[str, Any] = read()
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from error
    if "config" in found:
        raise SettingsError(f"{where}: a service JSON cannot name another file of settings.")
    return {name: Given(value, place(name)) for name, value in found.items()}


def _limits(document: Mapping[str, Any]) -> dict[str, Given]:
    rpc = _mapping(_mapping(document.get("metadata", {}), "metadata").get("rpc", {}), "metadata.rpc")
    given: dict[str, Given] = {}
    for key, name in LIMITS.items():
        if key in rpc:
            number = _whole(rpc[key], f"metadata.rpc.{key}")
            given[name] = Given(max(1, number // KEEPALIVE) if key == "keepalive" else number, f"metadata.rpc.{key}")
    return given


def _add_port(given: dict[str, Given], container: Mapping[str, Any], place: str) -> None:
    if "port" not in container:
        return
    port = _whole(container["port"], f"{place}.port")
    if "port" in given and str(given["port"].value) != str(port):
        raise SettingsError(f"{place}.port is {port}, but {given['port'].where} is another port.")
    given["port"] = Given(port, f"{place}.port")


def _check_mounts(document: Mapping[str, Any], given: Mapping[str, Given]) -> None:
    """Raise `SettingsError` for a model that lies nowhere: in no mount, and not in the image either."""
    mounts = []
    for i, item in enumerate(_list(document, "storage")):
        entry = _mapping(item, f"storage[{i}]")
        if "mount_path" in entry:
            mounts.append(Path(_text(entry["mount_path"], f"storage[{i}].mount_path")))
    model = Path(str(given["model_path"].value)) if "model_path" in given else Path()
    if mounts and model.is_absolute() and not any(model.is_relative_to(mount) for mount in mounts) and not model.exists():
        raise SettingsError(f"{given['model_path'].where} is not there, and below no mount_path of storage.")


def _unused(document: Mapping[str, Any], number: int) -> Iterator[str]:
    """Yield the keys that no setting came from."""
    for key, value in document.items():
        if key == "containers":
            yield from (f"containers[{i}]" for i in range(len(value)) if i != number)
            container = value[number]
            yield from (f"containers[{number}].{name}" for name in container if name not in ("script", "env", "port"))
            ours = ENVIRONMENT_PREFIX
            foreign = [entry["name"] for entry in container.get("env", []) if not entry["name"].startswith(ours)]
            yield from (f"containers[{number}].env {name}" for name in foreign)
        elif key == "metadata":
            yield from (f"metadata.{name}" for name in value if name != "rpc")
            yield from (f"metadata.rpc.{name}" for name in value.get("rpc", {}) if name not in LIMITS)
        else:
            yield str(key)


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"{where} must be an object like {{...}}.")
    return value


def _list(owner: Mapping[str, Any], key: str, where: str = "") -> list[Any]:
    value = owner.get(key, [])
    if not isinstance(value, list):
        raise SettingsError(f"{where or key} must be a list like [...].")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise SettingsError(f"{where} must be a text.")
    return value


def _whole(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise SettingsError(f"{where} must be a whole number, 0 or more.")
    return value
