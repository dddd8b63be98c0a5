"""Which encoder computes an embedding model: by what the model is, what this machine has, and what the settings ask for.

Nothing heavy is imported before one is chosen, and only those libraries that the chosen one needs. How it computes, and what
becomes of its vectors, this module does not know.
"""

import logging
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from knowledge import bert_folder

if TYPE_CHECKING:
    from knowledge.bert_folder import BertShape
    from knowledge.encoder_base import Encoder
    from knowledge.settings import Engine

log = logging.getLogger(__name__)

EncoderOf = Callable[[str, Path], "Encoder"]
"""Loads the model of this name in this folder; raises what its libraries raise."""

CPU = Path("/proc/cpuinfo")
GPU = Path("/proc/driver/nvidia/version")
"""There where NVIDIA's driver is loaded. Both are read as files because asking torch would cost its import."""


def for_documents(name: str, folder: Path, engine: "Engine" = "auto") -> "Encoder":
    """Return the encoder of a model, loaded; blocks for seconds. Raises `ValueError` where `engine` cannot compute it here."""
    shape = bert_folder.shape_of(folder)
    found = None if shape is None else _by_openvino(name, shape, engine) or _packed(name, shape)
    if found is not None:
        return found
    if engine == "openvino":
        log.warning("%s is computed by torch: OpenVINO computes plain BERT models only", name)
    from knowledge.library_encoder import LibraryEncoder

    return LibraryEncoder(folder)


def for_a_question(name: str, folder: Path) -> "Encoder":
    """Return an encoder that is loaded in milliseconds, and slow for documents; of what is no plain BERT, the usual one."""
    shape = bert_folder.shape_of(folder)
    if shape is None:
        return for_documents(name, folder, "torch")
    from knowledge.numpy_encoder import NumpyEncoder

    return NumpyEncoder(shape)


def _by_openvino(name: str, shape: "BertShape", engine: "Engine") -> "Encoder | None":
    """Return the encoder by OpenVINO where it is asked for, or of use: measured, it is slower than torch without AMX."""
    if engine == "openvino":
        return _openvino(name, shape)
    if engine == "torch" or find_spec("openvino") is None or GPU.exists() or not _has_amx():
        return None
    try:
        return _openvino(name, shape)
    except Exception as error:  # a library that does not fit this machine, or is broken: torch computes it otherwise
        log.warning("%s is computed by torch, for OpenVINO fails: %s", name, error)
        return None


def _openvino(name: str, shape: "BertShape") -> "Encoder":
    if find_spec("openvino") is None:
        install = "pip install -c constraints.txt -e '.[openvino]'"
        raise ValueError(f"--embedding-engine is openvino, and the extra openvino is not installed: {install}")
    from knowledge.openvino_encoder import OpenVinoEncoder

    encoder = OpenVinoEncoder(shape)
    _try(encoder)
    log.info("%s is computed by OpenVINO in %s", name, encoder.precision)
    return encoder


def _packed(name: str, shape: "BertShape") -> "Encoder | None":
    """Return the encoder of a plain BERT on a CPU by torch; None where there is a GPU, and where it fails."""
    import torch

    if torch.cuda.is_available():
        return None
    from knowledge.packed_bert import fastest
    from knowledge.packed_encoder import PackedEncoder

    precision = fastest()
    try:
        encoder = PackedEncoder(shape, precision)
        _try(encoder)
    except Exception as error:  # torch on a CPU that we never saw: the library computes it otherwise
        log.warning("%s is computed by sentence-transformers, for in %s it fails: %s", name, precision, error)
        return None
    log.info("%s is computed in %s", name, precision)
    return encoder


def _try(encoder: "Encoder") -> None:
    """Compute a short and a long text; raises whatever that raises, and `ValueError` for what are no vectors."""
    for batch in encoder.documents(["ready", "ready " * encoder.max_tokens]):
        found = batch.compute()
        if found.shape != (len(batch.places), encoder.dimension) or not np.isfinite(found).all():
            raise ValueError("it gives what are no vectors")


def _has_amx() -> bool:
    """Return whether this CPU multiplies bfloat16 in tiles, and the kernel lets us; only Linux tells."""
    try:
        return " amx_bf16" in CPU.read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
