"""Settings of the assistant room."""

from typing import ClassVar

from pydantic import Field

from configs.settings import Settings


class AssistantSettings(Settings):
    """How a question becomes a prompt, and how many answers are kept."""

    title: ClassVar[str] = "answers"

    top_k: int = Field(4, ge=1, le=20, description="passages retrieved for a question")
    max_new_tokens: int = Field(512, ge=1, le=32768, description="longest answer in tokens, where the question does not say")
    max_runs: int = Field(64, ge=1, le=4096, description="answers running or waiting at the same time; more are refused")
    kept_runs: int = Field(256, ge=1, le=65536, description="finished answers kept in memory, to be read again after a reload")
