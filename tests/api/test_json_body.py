"""JSON is read strictly, and no message repeats it."""

from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from api import json_body
from api.errors import BadRequest

CANARY = "canary4711"


class Body(BaseModel):
    text: str
    numbers: list[int] = []
    either: Annotated[str, Field(max_length=3)] | list[str] = ""


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "1", "null", f'"{CANARY}"', f'{{"text": {CANARY}}}', '{"text": NaN}', '{"text": -Infinity}',
        '{"text": ' + "9" * 5000 + "}", "[" * 100_000, '{"text":' * 100_000, f'{{"{CANARY}": 1, "{CANARY}": 2}}',
        f'{{"text": "{CANARY}\\ud800"}}', f'{{"{CANARY}\\udc00": 1}}', '{"a": [{"b": "\\ud83d"}]}',
    ],
)  # fmt: skip
def test_what_is_not_sound_json_is_refused(text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        json_body.parse(text)
    assert CANARY not in str(caught.value)


def test_whole_pairs_of_surrogates_are_characters() -> None:
    assert json_body.parse('{"text": "\\ud83d\\ude00"}') == {"text": "\U0001f600"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "text"),
        ({"text": 1}, "text"),
        ({"text": "a", "numbers": ["1"]}, "numbers.0"),
        ({"text": "a", "numbers": 1}, "numbers"),
    ],
)
def test_the_wrong_field_is_named(fields: dict[str, object], param: str) -> None:
    with pytest.raises(BadRequest, match=f"^{param}: ") as caught:
        json_body.validate(Body, fields)
    assert caught.value.param == param


def test_a_form_has_nothing_but_strings() -> None:
    assert json_body.validate(Body, {"text": "a", "numbers": ["1"]}, strict=False) == Body(text="a", numbers=[1])


@given(st.binary(max_size=200))
def test_bytes_are_fields_or_a_bad_request(body: bytes) -> None:
    try:
        fields = json_body.parse(json_body.decode(body))
    except BadRequest:
        return
    assert isinstance(fields, dict)


def test_a_field_of_several_kinds_is_named_by_its_name() -> None:
    for wrong in ("long", 5, [5]):
        with pytest.raises(BadRequest) as caught:
            json_body.validate(Body, {"text": "x", "either": wrong})
        assert caught.value.param == "either" and str(caught.value).startswith("either: ")
