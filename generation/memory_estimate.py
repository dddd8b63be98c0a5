"""Does a model fit into memory beside the one that is loaded, or only instead of it? Reads headers; loads nothing."""

from dataclasses import dataclass

from generation import hub
from generation.base import ModelUnusable
from generation.machine import Accelerators, accelerators, memory, weight_bytes
from generation.safetensors_header import BrokenSafetensors
from generation.settings import GenerationSettings, backend

SPARE = 1.2
"""Weights are not all that a model takes: keys and values, activations, the libraries."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes that a model needs, that are free (None: not to be told beforehand), and that unloading the present one frees."""

    needed: int
    free: int | None
    freed: int

    @property
    def beside(self) -> bool:
        """Whether both fit, so that the present model answers until the new one does."""
        return self.free is not None and self.needed <= self.free

    @property
    def instead(self) -> bool:
        """Whether it fits when the present model has been unloaded, as far as one can tell."""
        return self.free is None or self.needed <= self.free + self.freed


def with_model(present: GenerationSettings, model_path: str) -> GenerationSettings:
    """Return `present` for another model; what belonged to the old one by name does not go with it."""
    return present.model_copy(update={"model_path": model_path, "served_model_name": (), "model_type": None})


def estimate(present: GenerationSettings, wanted: GenerationSettings) -> Estimate:
    """Return what `wanted` takes while `present` is loaded. Blocks for seconds.

    Raises `ModelUnusable` for a model that cannot be served or is not on this machine.
    """
    if wanted.backend == "transformers":
        needed = _weights(wanted, seen := accelerators())
        backend(wanted).check()
        return Estimate(int(needed * SPARE), _free(seen), int(_weights_or_none(present, seen) * SPARE))
    backend(wanted).check()
    # vLLM takes a share of the GPU whatever the model is; the others load nothing here.
    return Estimate(0, None if wanted.backend == "vllm" else 0, 0)


def _free(seen: Accelerators) -> int | None:
    if seen.gpus:
        return seen.gpus[0].free
    found = memory()
    return None if found is None else found[0]


def _weights_or_none(settings: GenerationSettings, seen: Accelerators) -> int:
    if settings.backend != "transformers" or settings.model is None:
        return 0
    try:
        return _weights(settings, seen)
    except ModelUnusable:  # its folder has gone; it is loaded all the same
        return 0


def _weights(settings: GenerationSettings, seen: Accelerators) -> int:
    folder = hub.locate(settings.model or "", settings.hub_cache)
    if folder is None:
        raise ModelUnusable(f"{settings.model_path} is not on this machine yet. Download it first: `hf download`.")
    try:
        return weight_bytes(folder, settings.precision or seen.precision)
    except (BrokenSafetensors, OSError) as error:
        raise ModelUnusable(f"{folder} cannot be read: {error}") from error
