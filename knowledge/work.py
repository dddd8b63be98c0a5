"""The job in work: its stage, its clock, and the event that stops it. What is done in a stage, it does not know."""

import dataclasses
import threading
import time
from collections.abc import Callable

from knowledge.base import Job, Stage
from knowledge.jobs import Task


class Stopped(Exception):
    """The job is to be given up: cancelled by someone, or by the end of the process."""


class Work:
    """A task in work; `note` writes a job down, and raises `Stopped` when it was done already."""

    def __init__(self, task: Task, note: Callable[[Job], None]) -> None:
        self.task = task
        self.job = task.job
        self.stop = threading.Event()
        self._note = note
        self._began: float | None = None

    def begin(self) -> None:
        """Start its clock."""
        self._began = time.monotonic()

    def seconds(self) -> float:
        """Return how long it has been worked on."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    def check(self) -> None:
        """Raise `Stopped` when it is to be given up."""
        if self.stop.is_set():
            raise Stopped

    def to(self, stage: Stage, part: float, detail: str) -> None:
        """Enter a stage, and write it down."""
        self.check()
        self.job = dataclasses.replace(self.job, stage=stage, part=part, detail=detail, seconds=self.seconds())
        self._note(self.job)

    def at(self, part: float, detail: str) -> None:
        """Come forward within a stage."""
        self.check()
        self.job = dataclasses.replace(self.job, part=min(part, 1.0), detail=detail)

    def as_ready(self) -> Job:
        """Return the job as it will be once its document is stored; raises `Stopped`."""
        self.check()
        passages = "passage" if self.job.chunks == 1 else "passages"
        return self.as_final("ready", f"{self.job.chunks:,} {passages}", "")

    def as_final(self, stage: Stage, detail: str, code: str) -> Job:
        """Return the job as it will be when it ends."""
        part = 1.0 if stage == "ready" else self.job.part
        return dataclasses.replace(self.job, stage=stage, part=part, detail=detail, code=code, seconds=self.seconds())
