"""What can go wrong with a run before and beside the engine; each text is a sentence for the person who asked.

Error tree::

    RunError
    ├── UnknownRun          no run of this id (never was, or long forgotten)
    ├── TooManyRuns         as many answers are running and waiting as the server takes
    │   └── TooManyOfOne    as many of one person's answers as it takes
    ├── AnswerTimeout       the answer took longer than the server's limit
    ├── WaitedTooLong       the turn did not come within the time that one may wait
    ├── ModelChanged        the model was changed before the answer was finished
    └── Stopping            the server is being stopped
"""


class RunError(Exception):
    """Base of the errors of runs: a sentence for the person who asked; `retry_after` in seconds, where it is known."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class UnknownRun(RunError):
    """There is no such run."""


class TooManyRuns(RunError):
    """The server is full; try again later."""


class TooManyOfOne(TooManyRuns):
    """One person has too many answers running and waiting."""


class AnswerTimeout(RunError):
    """The answer took too long."""


class WaitedTooLong(RunError):
    """The turn did not come in time."""


class ModelChanged(RunError):
    """The model that began the answer has gone."""


class Stopping(RunError):
    """The server is being stopped."""
