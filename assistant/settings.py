"""Settings of the assistant room."""

from typing import ClassVar, Literal

from pydantic import Field

from configs.settings import Settings


class AssistantSettings(Settings):
    """How a question becomes a prompt, and how many answers are kept."""

    title: ClassVar[str] = "answers"

    top_k: int = Field(4, ge=1, le=20, description="passages retrieved for a question")
    min_evidence: float = Field(
        0.34, ge=0, le=1,
        description="least evidence (0 to 1) in the passages found for a question to be answered; under it the answer is that "
        "the documents do not tell; 0: always answer",
    )  # fmt: skip
    max_parts: int = Field(
        16, ge=0, le=1000,
        description="parts in which a question about whole documents reads them at most, one generation each; of longer ones "
        "an even sample is read, and the answer says so; 0: never read whole, only search",
    )  # fmt: skip
    whole_context: int = Field(
        4096, ge=0, le=10_000_000,
        description="least context length, in tokens, of a model that is given whole documents; smaller models cannot "
        "summarise: the answer is then an extract, sentences of the documents themselves",
    )  # fmt: skip
    refusal: str | None = Field(
        None, min_length=1, max_length=1000,
        description="sentence that says that the documents do not tell; unset: in English or Chinese, as the question",
    )  # fmt: skip
    rewrite: Literal["rule", "engine"] = Field(
        "rule", description="who makes a question within a conversation one that can be searched for: rule, engine"
    )
    rewrite_seconds: float = Field(
        5, gt=0, le=600, description="longest time for the engine to rewrite, in seconds; then: rule"
    )
    max_new_tokens: int = Field(512, ge=1, le=32768, description="longest answer in tokens, where the question does not say")
    max_running: int | None = Field(
        None, ge=1, le=1024, description="answers given to the engine at the same time; unset: as many as --max-concurrent"
    )
    max_waiting: int = Field(128, ge=0, le=4096, description="questions that wait for their turn; more are refused")
    max_waiting_tokens: int = Field(500_000, ge=1, description="tokens of all prompts that wait; more are refused")
    max_wait_seconds: float = Field(120, gt=0, le=86400, description="longest wait for a turn, in seconds")
    max_runs_each: int = Field(
        64, ge=1, le=4096, description="answers of one user (page session, key or address) running or waiting; more are refused"
    )
    kept_runs: int = Field(256, ge=1, le=65536, description="finished answers kept in memory, to be read again after a reload")
