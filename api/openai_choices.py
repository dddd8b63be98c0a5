"""The answers to one request, which may want several of them: asked side by side, waited for and stopped together."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from api.answering import deltas
from assistant.assistant import Assistant, Question
from assistant.errors import RunError
from assistant.run import Run
from generation.base import Usage


class Choices:
    """The runs of a request, in the order of their `index`; `Answering` (api.answering) as one run is."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = tuple(runs)
        self.id = runs[0].id if runs else ""

    @property
    def done(self) -> bool:
        """Whether nothing more will come from any."""
        return all(run.done for run in self.runs)

    async def begun(self) -> None:
        """Return when the first no longer waits: the others may need its place."""
        await self.runs[0].begun()

    async def wait(self) -> None:
        """Return when all have ended; raises the error of one that failed."""
        for run in self.runs:
            await run.wait()

    def cancel(self, reason: RunError | None = None) -> None:
        """Stop all."""
        for run in self.runs:
            run.cancel(reason)

    @property
    def usage(self) -> Usage | None:
        """The prompts, each counted once, and all that was written."""
        known = {run.fitted.prompt.text if run.fitted else "": run.usage for run in self.runs if run.usage is not None}
        written = [run.usage.completion_tokens for run in self.runs if run.usage is not None]
        if len(written) != len(self.runs):
            return None
        read = sum(usage.prompt_tokens for usage in known.values())
        return Usage(read, sum(written), sum(usage.cached_tokens for usage in known.values()))

    async def texts(self) -> AsyncGenerator[tuple[int, str | None], None]:
        """Yield the index and new text of whichever answer has some, and None once at the end of each; raises their errors."""
        if len(self.runs) == 1:
            async with aclosing(deltas(self.runs[0])) as texts:
                async for only in texts:
                    yield 0, only
            yield 0, None
            return
        async with aclosing(_merged([deltas(run) for run in self.runs])) as merged:
            async for index, text in merged:
                yield index, text


async def ask(assistant: Assistant, questions: Sequence[Question]) -> Choices:
    """Start the answers to all questions, or to none; raises what `Assistant.ask` raises."""
    runs: list[Run] = []
    try:
        for question in questions:
            runs.append(await assistant.ask(question))
    except BaseException:
        Choices(runs).cancel()
        raise
    return Choices(runs)


async def _merged(streams: Sequence[AsyncGenerator[str, None]]) -> AsyncGenerator[tuple[int, str | None], None]:
    """Yield what comes from whichever stream it comes from."""
    nexts = {index: asyncio.ensure_future(anext(stream, None)) for index, stream in enumerate(streams)}
    try:
        while nexts:
            await asyncio.wait(nexts.values(), return_when=asyncio.FIRST_COMPLETED)
            for index in [index for index, waiting in nexts.items() if waiting.done()]:
                coming = nexts.pop(index).result()
                if coming is not None:
                    nexts[index] = asyncio.ensure_future(anext(streams[index], None))
                yield index, coming
    finally:
        for waiting in nexts.values():
            waiting.cancel()
        if nexts:
            await asyncio.wait(nexts.values())
        for stream in streams:
            await stream.aclose()
