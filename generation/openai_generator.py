"""A remote engine that answers. Closing a stream closes its connection, and with it stops the remote.

The remote templates and tokenizes by itself: it is sent the messages, with control tokens in them made harmless. What a
`Prompt` shows is the same by the tokenizer that the settings name; without one its text is readable and its token ids
are zeros, as many as the text may have. `Usage` has the numbers of the remote. Knows no wire.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from generation.answer_limit import answer_limit
from generation.base import (
    EngineFailed,
    Feature,
    FinishReason,
    Measures,
    Message,
    ModelNotReady,
    NotSupported,
    Piece,
    Prompt,
    Sampling,
    Usage,
)
from generation.chat_template import ChatTemplate
from generation.control_markers import ControlMarkers
from generation.openai_connection import Connection
from generation.openai_stream import Closing, RemoteStream
from generation.openai_wire import Dialect
from generation.settings import GenerationSettings
from generation.slots import Slots
from generation.stop_strings import StopStrings
from generation.token_estimate import tokens_of


class OpenAIGenerator:
    """A `Generator`. `active_generations` counts answers on their way, `generated_tokens_total` tokens ever received."""

    def __init__(
        self, name: str, connection: Connection, context: int, template: ChatTemplate | None, settings: GenerationSettings
    ) -> None:
        self.name = name
        self.context_length = context
        self.generated_tokens_total = 0
        self._prompt_tokens_total = 0
        self._cached_tokens_total = 0
        self._template = template
        self._markers = ControlMarkers(template.tokens.control_texts if template else ())
        self._remote = RemoteStream(connection, Dialect(settings.model_path or "", self._markers), settings)
        self._slots = Slots(settings.max_concurrent)

    @property
    def active_generations(self) -> int:
        """Answers on the engine."""
        return self._slots.active

    def render(self, messages: Sequence[Message]) -> Prompt:
        """Return the prompt by the tokenizer of the settings, else readable and with room for the tokens it may have."""
        neutral = [Message(message.role, self._markers.neutral(message.content)) for message in messages]
        if self._template is not None:
            rendered = self._template.render(neutral)
            return Prompt(tuple(messages), rendered.text, rendered.token_ids)
        text = "".join(f"{message.role}: {message.content}\n\n" for message in neutral) + "assistant:"
        return Prompt(tuple(messages), text, (0,) * tokens_of(neutral))

    @property
    def features(self) -> frozenset[Feature]:
        """None: the remote is asked for answers to messages."""
        return frozenset()

    def raw(self, text: str) -> Prompt:
        """Raise `NotSupported`."""
        raise NotSupported("Prompts without a chat template are not sent to a remote engine.")

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """Yield the answer; see `Generator`. Raises `PromptTooLong`, `ModelNotReady`, `EngineFailed`."""
        limit = self._limit(prompt, sampling)
        async with self._slots, aclosing(self._pieces(prompt, sampling, limit)) as pieces:
            async for piece in pieces:
                yield piece

    def measures(self) -> Measures:
        """Return the answers on their way, and the tokens ever sent and received; of the remote's memory nothing is known."""
        return Measures(
            self.active_generations, self.generated_tokens_total, self._prompt_tokens_total, self._cached_tokens_total
        )

    async def close(self) -> None:
        """End all streams (finish reason `cancelled`), and give up all connections."""
        await self._remote.close()

    def _limit(self, prompt: Prompt, sampling: Sampling) -> int | None:
        """Return how many tokens the answer may have, None for as many as there are left; the remote counts exactly."""
        if self._remote.closed:
            raise ModelNotReady("The server is shutting down.")
        limit = answer_limit(prompt, sampling, self.context_length)
        return None if sampling.max_tokens is None else limit

    async def _pieces(self, prompt: Prompt, sampling: Sampling, limit: int | None) -> AsyncGenerator[Piece, None]:
        stops, made = StopStrings(sampling.stop), 0
        reason: FinishReason | None = None
        usage: Usage | None = None
        try:
            async with aclosing(self._remote.deltas(prompt.messages, sampling, limit)) as deltas:
                async for delta in deltas:
                    made += delta.moved
                    self.generated_tokens_total += delta.moved
                    if shown := stops.push(delta.text):
                        yield Piece(shown)
                    reason, usage = delta.finish_reason or reason, delta.usage or usage
                    if stops.found:
                        reason = "stop"
                        break
        except Closing:
            reason = "cancelled"
        if reason is None:
            raise EngineFailed("The remote engine ended its answer in the middle, without a reason.")
        yield Piece(stops.flush(), reason, self._counted(usage or Usage(len(prompt.token_ids), made), made))

    def _counted(self, usage: Usage, made: int) -> Usage:
        """Return `usage` after adding it to the totals, in which `made` pieces are already; a piece can be several tokens."""
        self.generated_tokens_total += max(0, usage.completion_tokens - made)
        self._prompt_tokens_total += usage.prompt_tokens
        self._cached_tokens_total += usage.cached_tokens
        return usage
