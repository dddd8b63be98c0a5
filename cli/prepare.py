"""`prepare MODEL --to DIR`: a model brought into a folder and proven by what a start of the server would do with it.

Exit status: 0 it can be served, 2 the line is wrong, 4 the model cannot be served.
"""

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from generation.base import ModelUnusable
from generation.families import FAMILIES

if TYPE_CHECKING:
    from generation.settings import GenerationSettings


def run(arguments: Sequence[str], program: str) -> int:
    """Prepare the model that the line names."""
    given = _line(program).parse_args(list(arguments))
    logging.getLogger("transformers").setLevel(logging.ERROR)
    begin = time.monotonic()
    try:
        folder = _brought(given)
        facts = _proven(folder, given)
    except ModelUnusable as error:
        sys.stderr.write(f"{program}: {error}\n")
        return 4
    sys.stdout.write(
        f"{folder} can be served: {facts}. Files whole, checksums right, tokenizer and template work, "
        f"one pass gives numbers ({time.monotonic() - begin:.0f} s).\n"
        f"Serve it, without a network: make run ARGS=\"--model-path '{folder.resolve()}'\"\n"
    )
    return 0


def _line(program: str) -> argparse.ArgumentParser:
    line = argparse.ArgumentParser(program, description="Download or check a model, so that serving it needs no network.")
    line.add_argument("model", metavar="MODEL", help="folder of a Hugging Face model, or a hub id like Qwen/Qwen3-0.6B")
    line.add_argument(
        "--to", metavar="DIR", type=Path, help="folder to bring the model into; unset: a folder is checked in place"
    )
    line.add_argument(
        "--precision", choices=["fp32", "fp16", "bf16", "int8", "int4"], help="as the server will be started with"
    )
    line.add_argument("--model-type", choices=sorted(FAMILIES), help="as the server will be started with")
    line.add_argument("--hub-cache", metavar="DIR", type=Path, help="folder for models downloaded from the hub")
    return line


def _brought(given: argparse.Namespace) -> Path:
    """Return the folder in which the model lies now."""
    from generation import hub, model_copy

    if given.to is not None:
        return model_copy.bring(given.model, given.to.expanduser(), given.hub_cache, _report)
    return hub.locate(given.model, given.hub_cache) or hub.download(given.model, given.hub_cache, _report)


def _proven(folder: Path, given: argparse.Namespace) -> str:
    """Load the model as the server would, let it go again, and return what is known of it now."""
    from generation.settings import backend

    settings = _settings(folder, given)
    engine = backend(settings)
    engine.check()
    generator = engine.load(_report)
    asyncio.run(generator.close())
    return f"{generator.context_length} tokens of context"


def _settings(folder: Path, given: argparse.Namespace) -> "GenerationSettings":
    from generation.settings import GenerationSettings

    named = {"precision": given.precision, "model_type": given.model_type}
    return GenerationSettings.model_validate({"model_path": str(folder), "max_concurrent": 1, **named})


def _report(stage: str, part: float | None = None) -> None:
    sys.stderr.write(f"{stage} ...\n" if part is None else f"{stage} ({part:.0%})\n")
