"""Files that a test makes, read by one loader."""

from collections.abc import Callable
from pathlib import Path

import pytest

from knowledge.base import UnreadableFile
from knowledge.loaders.base import Extract, Loader


def reading(load: Loader, name: str) -> tuple[Callable[[Path, bytes], Extract], Callable[[Path, bytes], UnreadableFile]]:
    """Return two functions of a folder and bytes, read as a file `name`: what is found, and the error that refuses it."""

    def extract(tmp_path: Path, content: bytes) -> Extract:
        path = tmp_path / name
        path.write_bytes(content)
        return load(path, lambda *_: None)

    def failure(tmp_path: Path, content: bytes) -> UnreadableFile:
        with pytest.raises(UnreadableFile) as caught:
            extract(tmp_path, content)
        return caught.value

    return extract, failure
