"""How far a question about whole documents has come, and how much of them its answer has read. Knows no run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """The step (from 1) that is being done, of all `steps`; the first `parts` of them read, the others put answers together."""

    step: int
    steps: int
    parts: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """Passages `read` of all `passages` of the documents asked for, in so many `parts`.

    `listed`: the answers to the parts stand side by side as they came, because they were too short to be made one.
    """

    read: int
    passages: int
    parts: int = 1
    listed: bool = False
