"""The names of the model: served names, its path as given, and the base behind an @."""

from collections.abc import Callable
from typing import Any

import pytest

from api.errors import UnknownModel
from api.model_names import base_of, names


async def test_the_names(make: Callable[..., Any]) -> None:
    own = (await make(model_path="/models/a@b", served_model_name=("chat", "gpt"))).app.assistant
    assert names(own) == ("chat", "gpt", "/models/a@b")
    assert [base_of(own, model) for model in names(own)] == ["", "", ""]
    assert base_of(own, "chat@laws") == "laws"
    assert base_of(own, "/models/a@b@laws") == "laws"


@pytest.mark.parametrize("model", ["", "other", "chat@", "@laws", "other@laws", "CHAT"])
async def test_other_names_are_unknown(make: Callable[..., Any], model: str) -> None:
    own = (await make(served_model_name=("chat",))).app.assistant
    with pytest.raises(UnknownModel, match="Models: chat"):
        base_of(own, model)
