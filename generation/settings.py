"""Settings of the generation room and the table of backends. Imports no engine."""

from importlib import import_module
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from configs.settings import Settings
from generation.base import Backend
from generation.families import FAMILIES

BACKENDS = {
    "transformers": "generation.transformers_backend:TransformersBackend",
    "echo": "generation.echo_backend:EchoBackend",
}
"""name -> "module:Class"; imported only when chosen. A new engine is one file and one line here."""


class GenerationSettings(Settings):
    """Which model answers, and how."""

    title: ClassVar[str] = "model"

    model_path: str | None = Field(
        None,
        description="directory of a Hugging Face model, or a hub id like meta-llama/Llama-2-7b-chat-hf; unset: retrieval only",
    )
    backend: str = Field("transformers", description=f"engine that runs the model: {', '.join(BACKENDS)}")
    model_type: str | None = Field(
        None, description="prompt family for a model without a chat template of its own: " + ", ".join(sorted(FAMILIES))
    )
    precision: Literal["fp32", "fp16", "bf16", "int8", "int4"] | None = Field(
        None, description="number format of the weights; unset: chosen by the device"
    )
    served_model_name: tuple[str, ...] = Field((), description="name the model answers to on every protocol, beside its path")
    tensor_parallel_size: int = Field(1, ge=1, le=1024, description="GPUs that share one model (engines that can)")
    max_concurrent: int = Field(16, ge=1, le=1024, description="answers generated at the same time; more wait their turn")
    kv_memory: float | None = Field(
        None,
        gt=0,
        le=65536,
        description="memory for keys and values of running and kept answers, in GiB; unset: a quarter of what is free",
    )
    prompt_lookup: int = Field(
        8, ge=0, le=64, description="most tokens guessed at once from the text before, where answers quote it; 0: none"
    )
    hub_cache: Path | None = Field(None, description="folder for models downloaded from the hub; unset: the hub library's own")
    echo_delay: float = Field(0.0, ge=0, le=60, description="echo engine: seconds per token")
    echo_context: int = Field(4096, ge=64, le=1_000_000, description="echo engine: context length in tokens")

    @field_validator("backend")
    @classmethod
    def _known_backend(cls, value: str) -> str:
        if value not in BACKENDS:
            raise ValueError(f"there is no engine of this name; choose one of: {', '.join(BACKENDS)}")
        return value

    @field_validator("model_path")
    @classmethod
    def _some_model(cls, value: str | None) -> str | None:
        return value if value and value.strip() else None

    @field_validator("model_type")
    @classmethod
    def _known_family(cls, value: str | None) -> str | None:
        if value is not None and value not in FAMILIES:
            raise ValueError(f"there is no prompt family of this name; choose one of: {', '.join(sorted(FAMILIES))}")
        return value


def backend(settings: GenerationSettings) -> Backend:
    """Return the chosen backend, not yet loaded; importing its module is the first heavy import of the program."""
    module, _, name = BACKENDS[settings.backend].partition(":")
    made: Backend = getattr(import_module(module), name)(settings)
    return made
