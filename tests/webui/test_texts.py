"""Every language says everything, with the same places for names and numbers."""

import dataclasses
import re
import string
from typing import Any, get_args

import pytest

from knowledge.base import KnowledgeError, Stage, UnreadableFile
from webui.texts import LANGUAGES


def places(text: str) -> int:
    return sum(field is not None for _, field, _, _ in string.Formatter().parse(text))


def leaves(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value
    return [leaf for item in items for leaf in leaves(item)]


@pytest.mark.parametrize("code", LANGUAGES)
def test_nothing_is_empty_and_the_places_agree(code: str) -> None:
    english, other = LANGUAGES["en"], LANGUAGES[code]
    assert other.code == code
    for field in dataclasses.fields(other):
        ours, theirs = leaves(getattr(english, field.name)), leaves(getattr(other, field.name))
        assert [places(text) for text in ours] == [places(text) for text in theirs], field.name
        assert all(text.strip() for text in theirs), field.name


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_stage_and_mode_has_a_name(code: str) -> None:
    assert set(LANGUAGES[code].stages) == set(get_args(Stage))
    assert set(LANGUAGES[code].modes) == {"chat", "retrieval", "knowledge"}


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_reason_why_a_file_fails_has_words(code: str) -> None:
    codes = {kind.code for kind in KnowledgeError.__subclasses__()} - {KnowledgeError.code}
    said = (UnreadableFile.__doc__ or "").rpartition("one of:")[2]
    assert set(LANGUAGES[code].reasons) == {*re.findall(r"[a-z_]+", said), *codes}
