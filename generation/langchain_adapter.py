"""An engine of this house as a LangChain chat model, for people who build chains. Nothing of the house uses it.

Text only: content blocks other than text raise `ValueError`, tool calls are not known.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import agenerate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import ConfigDict

from generation.base import Generator, Message, Piece, Role, Sampling

_ROLES: dict[str, Role] = {
    "system": "system",
    "human": "user",
    "user": "user",
    "ai": "assistant",
    "assistant": "assistant",
}


class GeneratorChatModel(BaseChatModel):
    """A `Generator` behind LangChain's interface. Calls without `await` run on an event loop of their own."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    generator: Any
    """The engine (`generation.base.Generator`; a Protocol that pydantic cannot check)."""
    sampling: Sampling = Sampling()

    @property
    def _llm_type(self) -> str:
        return "chat-llm-webui"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        def run() -> ChatResult:
            return asyncio.run(self._agenerate(messages, stop, None, **kwargs))

        # A thread of its own: the caller may stand inside a running event loop.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(run).result()

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop, run_manager, **kwargs))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        generator: Generator = self.generator
        sampling = replace(self.sampling, stop=(*self.sampling.stop, *(stop or ())), **kwargs)
        prompt = await asyncio.to_thread(generator.render, to_messages(messages))
        async with aclosing(generator.stream(prompt, sampling)) as pieces:
            async for piece in pieces:
                chunk = _chunk(piece)
                if run_manager:
                    await run_manager.on_llm_new_token(piece.text, chunk=chunk)
                yield chunk


def to_messages(messages: Sequence[BaseMessage]) -> list[Message]:
    """Return LangChain's messages as ours; raises `ValueError` for a role or a content that is not text."""
    made = []
    for message in messages:
        role = _ROLES.get(getattr(message, "role", message.type))
        blocks = message.content if isinstance(message.content, list) else [message.content]
        if role is None or any(not isinstance(block, str) and block.get("type") != "text" for block in blocks):
            raise ValueError(
                f"A {message.type} message cannot be shown to this model: it reads text of system, user, assistant."
            )
        made.append(Message(role, "".join(block if isinstance(block, str) else str(block["text"]) for block in blocks)))
    return made


def _chunk(piece: Piece) -> ChatGenerationChunk:
    usage = None
    if piece.usage:
        read, written = piece.usage.prompt_tokens, piece.usage.completion_tokens
        usage = UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
    about = {"finish_reason": piece.finish_reason} if piece.finish_reason else {}
    message = AIMessageChunk(content=piece.text, response_metadata=about, usage_metadata=usage)
    return ChatGenerationChunk(message=message, generation_info=about or None)
