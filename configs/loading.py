"""One typed settings object: default < YAML file < environment < flag. Knows no setting by name but `config`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from configs import settings_file
from configs.command_line import from_flags
from configs.settings import ENVIRONMENT_PREFIX, Settings, SettingsError, dashed, is_list, is_secret, nearest, variable_name
from configs.settings_file import Shape

S = TypeVar("S", bound=Settings)


def load(
    kind: type[S], arguments: Sequence[str], environment: Mapping[str, str], program: str, shapes: Sequence[Shape] = ()
) -> S:
    """Return `kind` filled from its defaults, the file, the environment and the flags, later ones winning.

    `shapes`: what the file may be beside YAML of our own keys; the first that knows it reads it.
    Raises `SettingsError` for anything unknown or impossible; `--help` prints and raises `SystemExit(0)`.
    """
    flags = from_flags(kind, arguments, program)
    variables = from_environment(kind, environment)
    path = flags.get("config", variables.get("config"))
    file = (
        settings_file.read(kind, Path(path), "--config" if "config" in flags else variable_name("config"), shapes)
        if path
        else {}
    )
    values = {**{name: given.value for name, given in file.items()}, **variables, **flags}
    origin = {
        **{name: f"{path}: {given.where}" for name, given in file.items()},
        **{name: variable_name(name) for name in variables},
        **{name: f"--{dashed(name)}" for name in flags},
    }
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_sentence(error, kind, origin)) from error


def from_environment(kind: type[Settings], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return name -> value of our variables, not yet checked; raises `SettingsError`."""
    values: dict[str, Any] = {}
    for variable, text in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        if name not in kind.model_fields:
            near = nearest(variable, [variable_name(n) for n in kind.model_fields])
            raise SettingsError(f"the environment variable {variable} is no setting{near}")
        if not text.strip():
            continue  # compose files and charts pass on what nobody has set as an empty string
        listed = is_list(kind.model_fields[name])
        values[name] = [part.strip() for part in text.split(",")] if listed else text
    return values


def _sentence(error: ValidationError, kind: type[Settings], origin: Mapping[str, str]) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    where = origin.get(name, f"--{dashed(name)}" if name else "the settings")
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input ").rstrip(".")
    shown = "" if not name or is_secret(kind, name) else f" (got {str(first['input'])[:80]!r})"
    return f"{where}: {message}{shown}."
