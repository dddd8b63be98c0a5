"""Settings of a room that there is not, with one field of each kind."""

from pathlib import Path
from typing import ClassVar, Literal

import pytest
from pydantic import Field

from configs.loading import load
from configs.settings import ENVIRONMENT_PREFIX, Settings, SettingsError

SECRET = "sesame-4711"


class Toy(Settings):
    """A room with one setting of each kind."""

    title: ClassVar[str] = "toy"

    port: int = Field(8000, ge=1, le=65535, description="a number, 100% of the time")
    heat: float = Field(0.5, ge=0, le=2, description="a fraction")
    listen: bool = Field(False, description="a switch")
    backend: str = Field("echo", description="a word")
    precision: Literal["fp32", "bf16"] | None = Field(None, description="a choice")
    folder: Path = Field(Path("data"), description="a path")
    served_name: tuple[str, ...] = Field((), description="a list")
    api_key: tuple[str, ...] = Field((), description="a secret", json_schema_extra={"secret": True})
    pin: int | None = Field(None, description="a secret number", json_schema_extra={"secret": True})


def toy(*arguments: str, **environment: str) -> Toy:
    return load(Toy, arguments, {ENVIRONMENT_PREFIX + name: value for name, value in environment.items()}, "toy.py")


def refusal(*arguments: str, **environment: str) -> str:
    with pytest.raises(SettingsError) as caught:
        toy(*arguments, **environment)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith((".", "?"))
    return sentence
