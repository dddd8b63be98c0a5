"""The types of generation and the contract every engine keeps. Knows no engine.

Error tree::

    GenerationError
    ├── ModelNotReady       still loading, failed to load, or no model configured
    ├── ModelUnusable       the model folder (or hub id) cannot be served; told before the port opens where possible
    ├── PromptTooLong       the prompt does not fit the context
    ├── NotSupported        this engine cannot do what the request asks for
    └── EngineFailed        the engine broke while it generated
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "cancelled"]
Feature = Literal["beams", "raw"]
"""What not every engine can: beam search (`Sampling.num_beams`), prompts without a chat template (`Generator.raw`)."""


class GenerationError(Exception):
    """Base of all errors of this room; its text is a sentence for the person who asked."""


class ModelNotReady(GenerationError):
    """No answer can be generated at present; the text says why and what to do."""


class ModelUnusable(GenerationError):
    """The model cannot be served at all; the text names the path, what is wrong and the next step."""


class PromptTooLong(GenerationError):
    """The prompt and the room for its answer do not fit the context; carries the numbers, in tokens."""

    def __init__(self, prompt_tokens: int, context_length: int, reserved: int = 1) -> None:
        self.prompt_tokens, self.context_length, self.reserved = prompt_tokens, context_length, reserved
        super().__init__(
            f"The question needs {prompt_tokens} tokens and {reserved} more for an answer, "
            f"but this model reads {context_length} in all. Shorten the question."
        )


class NotSupported(GenerationError):
    """The engine cannot do what was asked for; the text says what, and which can."""


class EngineFailed(GenerationError):
    """The engine stopped in the middle of this answer; other requests go on."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next tokens are chosen. Ranges are checked where the outside comes in.

    `max_tokens` None: as many as the context has left. `temperature` 0: greedy. `top_k` 0: off. `top_p` in (0, 1].
    `repetition_penalty` 1.0: off (Keskar et al. 2019, CTRL). `stop`: strings that end the answer and are not part of it.
    `seed`: the same seed and prompt give the same text on the same engine and machine, up to rounding where requests
    share the model. `num_beams` above 1: beam search, which does not sample; the answer comes when it is whole.
    `presence_penalty`, `frequency_penalty`: taken from the logit of each token that the answer holds already, once and as
    often as it does (OpenAI); 0: off.
    `no_repeat_ngram_size` above 0, for beam search only: no run of so many tokens comes twice, the prompt's included
    (Paulus et al. 2017).
    """

    max_tokens: int | None = None
    temperature: float = 0.95
    top_p: float = 0.8
    top_k: int = 30
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int | None = None
    num_beams: int = 1
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    no_repeat_ngram_size: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written by one request; `cached_tokens` of the prompt were not read again but kept from before."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Measures:
    """What an engine does and holds at this moment; None where it cannot be known. Totals only ever grow.

    `active`: answers being generated. `kv_used`, `kv_total`: tokens of keys and values in memory, and the most there may be.
    """

    active: int
    generated_tokens_total: int
    prompt_tokens_total: int | None = None
    cached_tokens_total: int | None = None
    kv_used: int | None = None
    kv_total: int | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of newly generated text, whole characters only; the last one carries the reason and the usage."""

    text: str
    finish_reason: FinishReason | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model is given: the messages (none: a raw prompt), their text by the chat template, the ids, shape (n,)."""

    messages: tuple[Message, ...]
    text: str
    token_ids: tuple[int, ...]


class Generator(Protocol):
    """An engine that is ready to answer.

    Contract, checked on every backend by `tests/generation/test_contract.py`: closing the stream stops the model and
    frees its slot within one token; streams run side by side; pieces joined are the text; exactly the last piece has a
    `finish_reason` and a `usage`; a prompt that leaves no room raises `PromptTooLong` before the first piece.
    """

    @property
    def name(self) -> str:
        """Name shown to people and clients."""
        ...

    @property
    def context_length(self) -> int:
        """Tokens of prompt and answer together."""
        ...

    def render(self, messages: Sequence[Message]) -> Prompt:
        """Return the prompt by the model's own chat template; text of messages never becomes control tokens."""
        ...

    @property
    def features(self) -> frozenset[Feature]:
        """What this engine can of that which not every engine can; the rest must not be asked of it."""
        ...

    def raw(self, text: str) -> Prompt:
        """Return `text` as the prompt itself, control tokens in it read as such; for engines with the feature `raw`."""
        ...

    def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """Yield the answer; close it (`async with aclosing(...)`) to stop the model."""
        ...

    def measures(self) -> Measures:
        """Return what the engine does and holds at this moment; cheap, and never raises."""
        ...

    async def close(self) -> None:
        """End all streams and give back the memory."""
        ...


@runtime_checkable
class Mortal(Protocol):
    """A `Generator` that can die as a whole while the server lives, because it works in processes of its own."""

    async def died(self) -> str:
        """Return, once the engine can answer no more, a sentence that says so; wait as long as it can."""
        ...


@runtime_checkable
class Abandonable(Protocol):
    """A `Backend` whose `load` can be broken off, because it takes long."""

    def abandon(self) -> None:
        """Make a `load` that runs in another thread raise soon, and every later one at once."""
        ...


class Backend(Protocol):
    """How an engine comes to be: constructed from settings, checked before the port opens, loaded in the background."""

    def check(self) -> None:
        """Raise `ModelUnusable` for whatever can be known to be wrong without loading; takes seconds at most."""
        ...

    def load(self, report: "Report") -> Generator:
        """Block until the engine can answer (run it in a thread); tells `report` what it does and how far it is."""
        ...


class Report(Protocol):
    """Listener of a long work: what is being done, and the part done in [0, 1] or None where nobody can know."""

    def __call__(self, stage: str, part: float | None = None) -> None:
        """Take note."""
        ...
