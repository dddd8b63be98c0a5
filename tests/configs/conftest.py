"""Fixtures: where a file of settings may be."""

from pathlib import Path

import pytest


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"
