"""The knobs of an autoscaler, as EverAI names them; checked and shown here. Knows nobody who starts a server.

Source: wire.md section 8. Nothing in this program starts or stops servers by them yet.
"""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from configs.settings import Settings


class ScalingSettings(Settings):
    """How many servers like this one there should be."""

    title: ClassVar[str] = "scaling (checked and shown; nothing scales by itself yet)"

    min_workers: int = Field(1, ge=0, le=1024, description="autoscaler: servers that always run")
    max_workers: int = Field(5, ge=1, le=1024, description="autoscaler: servers that run at most")
    max_queue_size: int = Field(2, ge=0, le=4096, description="autoscaler: waiting questions above which servers are added")
    max_idle_time: int = Field(
        60, ge=1, le=86400, description="autoscaler: time without a question after which a server ends, in seconds"
    )
    scale_up_step: int = Field(1, ge=1, le=1024, description="autoscaler: servers added at once")

    @model_validator(mode="after")
    def _least_is_not_most(self) -> Self:
        if self.min_workers > self.max_workers:
            raise ValueError(f"--min-workers {self.min_workers} is more than --max-workers {self.max_workers}")
        return self
