"""Settings of the generation room and the table of backends. Imports no engine."""

from importlib import import_module
from pathlib import Path
from typing import ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from configs.settings import Settings
from generation.base import Backend, ModelUnusable
from generation.families import FAMILIES

BACKENDS = {
    "transformers": "generation.transformers_backend:TransformersBackend",
    "vllm": "generation.vllm_backend:VllmBackend",
    "echo": "generation.echo_backend:EchoBackend",
    "openai": "generation.openai_backend:OpenAIBackend",
}
"""name -> "module:Class"; imported only when chosen. A new engine is one file and one line here."""
STARTER, NONE = "starter", "none"
STARTER_FOLDER = Path(__file__).resolve().parent.parent / "starter" / "model"


class GenerationSettings(Settings):
    """Which model answers, and how."""

    title: ClassVar[str] = "model"

    model_path: str | None = Field(
        STARTER,
        description="directory of a Hugging Face model, or a hub id like meta-llama/Llama-2-7b-chat-hf; "
        f"{STARTER}: the small model that comes with the program; {NONE}: no model, retrieval only",
    )
    backend: str = Field("transformers", description=f"engine that runs the model: {', '.join(BACKENDS)}")
    model_type: str | None = Field(
        None, description="prompt family for a model without a chat template of its own: " + ", ".join(sorted(FAMILIES))
    )
    precision: Literal["fp32", "fp16", "bf16", "int8", "int4"] | None = Field(
        None, description="number format of the weights; unset: chosen by the device"
    )
    served_model_name: tuple[str, ...] = Field((), description="name the model answers to on every protocol, beside its path")
    tensor_parallel_size: int = Field(1, ge=1, le=1024, description="vllm engine: GPUs that share each layer of the model")
    pipeline_parallel_size: int = Field(1, ge=1, le=1024, description="vllm engine: groups of GPUs that share the layers")
    gpu_memory_utilization: float | None = Field(
        None, gt=0, le=1, description="vllm engine: part of each GPU's memory that it takes; unset: vLLM's own (0.92)"
    )
    max_model_len: int | None = Field(
        None, ge=16, le=100_000_000, description="vllm engine: tokens of prompt and answer together; unset: the model's"
    )
    quantization: str | None = Field(None, description="vllm engine: method of quantization, like fp8; unset: the model's own")
    speculative_tokens: int = Field(
        0, ge=0, le=64, description="vllm engine: tokens guessed at once where the answer repeats the prompt (n-grams); 0: off"
    )
    enable_lora: bool = Field(False, description="vllm engine: make room for LoRA adapters; --lora-path implies it")
    lora_path: tuple[str, ...] = Field((), description="vllm engine: NAME=FOLDER of a LoRA adapter")
    served_lora: str | None = Field(
        None, description="vllm engine: name of the adapter that answers; unset: the first of --lora-path"
    )
    engine_arg: tuple[str, ...] = Field((), description="vllm engine: NAME=VALUE, any further argument of its AsyncEngineArgs")
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
    api_base: str | None = Field(
        None,
        description="address of an OpenAI-compatible engine for --backend=openai, like http://host:8000/v1",
        json_schema_extra={"secret": True},  # somebody may have put a key into it
    )
    remote_key_file: Path | None = Field(None, description="file that holds the key for --api-base, alone on its line")
    remote_context: int | None = Field(
        None,
        ge=64,
        le=100_000_000,
        description="tokens that the model behind --api-base reads in all; unset: what it says itself",
    )
    remote_tokenizer: Path | None = Field(
        None, description="folder with the tokenizer of the model behind --api-base, to count tokens exactly; unset: estimated"
    )
    remote_connect_seconds: float = Field(10.0, gt=0, le=600, description="longest time to reach --api-base, in seconds")
    remote_first_token_seconds: float = Field(
        120.0, gt=0, le=86400, description="longest time until --api-base begins an answer, attempts included, in seconds"
    )
    remote_next_token_seconds: float = Field(
        60.0, gt=0, le=86400, description="longest silence of --api-base within an answer, in seconds"
    )
    remote_retries: int = Field(
        2, ge=0, le=100, description="attempts after a failed one, while --api-base has not begun to answer"
    )
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
        return value if value and value.strip() and value.strip() != NONE else None

    @field_validator("lora_path", "engine_arg")
    @classmethod
    def _pairs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(name.strip() and equals and text.strip() for name, equals, text in (pair.partition("=") for pair in value)):
            raise ValueError("must be NAME=VALUE")
        return value

    @field_validator("model_type")
    @classmethod
    def _known_family(cls, value: str | None) -> str | None:
        if value is not None and value not in FAMILIES:
            raise ValueError(f"there is no prompt family of this name; choose one of: {', '.join(sorted(FAMILIES))}")
        return value

    @field_validator("api_base")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None or not value.strip():
            return None
        parts = urlsplit(value.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or not value.isprintable():
            raise ValueError("must be like http://host:8000/v1")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("must be an address alone, without a name, a key or a question mark (a key: --remote-key-file)")
        return value.strip().rstrip("/")

    @model_validator(mode="after")
    def _remote_is_whole(self) -> Self:
        if self.backend == "openai" and (not self.api_base or self.model_path in (None, STARTER)):
            raise ValueError("--backend=openai needs --api-base URL and --model-path NAME, the name of a model there")
        return self

    @property
    def model(self) -> str | None:
        """The folder or hub id of the model, None where there is to be none."""
        return str(STARTER_FOLDER) if self.model_path == STARTER else self.model_path

    @property
    def needed_model(self) -> str:
        """The same, for an engine that cannot do without; raises `ModelUnusable` where there is none."""
        if self.model is None:
            raise ModelUnusable("No model is configured. Start with --model-path FOLDER (or a hub id like Qwen/Qwen3-0.6B).")
        return self.model

    @property
    def model_name(self) -> str:
        """What the model is called towards people and clients."""
        if self.served_model_name:
            return self.served_model_name[0]
        if self.model_path is None or (self.backend == "echo" and self.model_path == STARTER):
            return self.backend
        return Path(self.model_path).expanduser().resolve().name


def backend(settings: GenerationSettings) -> Backend:
    """Return the chosen backend, not yet loaded; importing its module is the first heavy import of the program."""
    module, _, name = BACKENDS[settings.backend].partition(":")
    made: Backend = getattr(import_module(module), name)(settings)
    return made
