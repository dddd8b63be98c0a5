"""The settings of a room: fields of a `Settings` subclass, and what its flag, variable, key and help are by them.

A room declares its settings as fields; an entry point inherits from the rooms it runs and calls `configs.loading.load`.
From one field follow its flag (`command_line.py`), its environment variable, its YAML key, its help and its line in
`configs/default.yaml` (`settings_file.py`). No setting is known by name here but `config`, the file to read.

Every mistake is a `SettingsError` whose text is one sentence: which key, where it came from, what is allowed.
"""

import difflib
import types
import typing
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

ENVIRONMENT_PREFIX = "CHAT_LLM_WEBUI_"


class SettingsError(ValueError):
    """A setting is unknown, impossible, or not readable; the text is one sentence for the person who started the program."""


class Settings(BaseModel):
    """Base of every room's settings; frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    title: ClassVar[str] = "general"
    """The heading of this room's flags in `--help` and of its lines in `default.yaml`."""

    config: Path | None = Field(
        None,
        description="file of settings: YAML, whose keys are the flags' names without the dashes, or a service JSON of PAI-EAS",
    )

    @field_validator("*")
    @classmethod
    def _somebodys_home(cls, value: Any, field: ValidationInfo) -> Any:
        named = isinstance(value, str) and str(field.field_name).endswith("_path")
        if isinstance(value, Path) or named:
            expanded(Path(value))
        return value


def expanded(path: Path) -> Path:
    """Return a path whose `~` or `~NAME` is the home folder it stands for; raises `ValueError` where there is none."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"there is no home folder {path.parts[0]}") from error


def titles(kind: type[Settings]) -> dict[str, str]:
    """Return field name -> heading, in the order of floors (the general ones first)."""
    found: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        if isinstance(owner, type) and issubclass(owner, Settings):
            found |= {name: owner.title for name in owner.__annotations__ if name in kind.model_fields and name not in found}
    return found


def help_text(field: FieldInfo) -> str:
    """Return what is told of a field: its description, its choices, its default."""
    text = (field.description or "").rstrip(".")
    if choices := choices_of(field):
        text += f" ({', '.join(choices)})"
    default = field.get_default(call_default_factory=True)
    if default not in (None, (), [], "", False):
        text += f"; default: {default}"
    return text + ("; repeatable" if is_list(field) else "")


def types_of(annotation: Any) -> list[Any]:
    """Return the types that a value may have, None left out."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [part for part in typing.get_args(annotation) if part is not type(None)]
    return [annotation]


def choices_of(field: FieldInfo) -> list[str]:
    """Return the only values that a field may have; none where it may have others."""
    found = [part for part in types_of(field.annotation) if typing.get_origin(part) is typing.Literal]
    return [str(value) for part in found for value in typing.get_args(part)]


def is_list(field: FieldInfo) -> bool:
    """Return whether a setting may be given more than once."""
    return typing.get_origin(field.annotation) in (tuple, list)


def dashed(name: str) -> str:
    """Return the name of a setting as its flag has it, without the two hyphens."""
    return name.replace("_", "-")


def variable_name(name: str) -> str:
    """Return the name of a setting as its environment variable has it."""
    return ENVIRONMENT_PREFIX + name.upper()


def is_secret(kind: type[Settings], name: str) -> bool:
    """Return whether the value of this setting must not be shown."""
    field = kind.model_fields.get(name)
    return field is not None and bool((field.json_schema_extra or {}) == {"secret": True})


def nearest(word: str, words: list[str]) -> str:
    """Return the end of a sentence about an unknown `word`: what may have been meant."""
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else " (see --help)."
