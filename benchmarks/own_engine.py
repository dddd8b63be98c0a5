"""What the product's own engine promises beside its speed: a second turn, a long prompt that comes in, guesses.

Measured by `benchmarks.engines`; each prints what it found. Knows no other engine.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from assistant.prompt import fit
from benchmarks.random_llama import prompt
from generation.base import Generator, Message, Prompt, Sampling
from generation.settings import GenerationSettings, backend
from starter.examples import Piece, passage_of

ROOT = Path(__file__).resolve().parent.parent


@asynccontextmanager
async def generator(folder: Path, **settings: Any) -> AsyncIterator[Generator]:
    """Load the model into the product's engine."""
    chosen = {"model_path": str(folder), "precision": "bf16", "kv_memory": 1.0, "prompt_lookup": 0}
    engine = backend(GenerationSettings.model_validate({**chosen, **settings})).load(lambda stage, part=None: None)
    try:
        yield engine
    finally:
        await engine.close()


@dataclass(frozen=True)
class Told:
    """One answer: when it was asked, when its pieces came (a token each, with random weights), what it was.

    `cpu`: the CPU time of this process at each piece, which a busy machine does not stretch.
    """

    asked: float
    times: list[float]
    cpu: list[float]
    text: str
    tokens: int
    cached: int

    @property
    def first(self) -> float:
        """Seconds to the first piece."""
        return self.times[0] - self.asked


async def told(engine: Generator, ids: Sequence[int], new: int) -> Told:
    """Ask the engine, greedily."""
    asked, times, cpu, text, tokens, cached = time.perf_counter(), list[float](), list[float](), "", 0, 0
    async with aclosing(engine.stream(Prompt((), "", tuple(ids)), Sampling(max_tokens=new, temperature=0))) as pieces:
        async for piece in pieces:
            times.append(time.perf_counter())
            cpu.append(time.process_time())
            text += piece.text
            if piece.usage:
                tokens, cached = piece.usage.completion_tokens, piece.usage.cached_tokens
    return Told(asked, times[:-1] or times, cpu[:-1] or cpu, text, tokens, cached)


async def second_turn(folder: Path, repeats: int) -> None:
    """the first token of a second turn beside that of the first, after 1,000 tokens"""
    ratios = []
    async with generator(folder) as engine:
        for number in range(repeats + 1):
            ids = prompt(1000, 10_000 + number)
            first = await told(engine, ids, 1)
            again = await told(engine, [*ids, *prompt(30, number)], 1)
            ratios.append(again.first / first.first)
            print(f"first turn {first.first:.3f} s, second {again.first:.3f} s, {again.cached} tokens kept")
    print(f"second turn: {statistics.median(ratios[1:]):.2f} of the first")


async def prefill(folder: Path, repeats: int) -> None:
    """the time between tokens of four answers while a prompt of 2,000 tokens comes in, beside without it"""
    ratios: dict[str, list[float]] = {"wall": [], "CPU": []}
    async with generator(folder) as engine:
        for number in range(repeats + 1):
            writing = [asyncio.create_task(told(engine, prompt(128, 100 * number + place), 400)) for place in range(4)]
            await asyncio.sleep(3.0)
            arrived = await told(engine, prompt(2000, 20_000 + number), 1)
            answers = await asyncio.gather(*writing)
            for clock, found in ratios.items():
                beside, idle = _between(answers, arrived, clock)
                found.append(beside / idle)
                print(f"between tokens, p95, {clock}: idle {idle * 1000:.0f} ms, beside {beside * 1000:.0f} ms")
    for clock, found in ratios.items():
        print(f"time between tokens, p95, {clock}, while a prompt comes in: {statistics.median(found[1:]):.2f} of idle")


def _between(answers: Sequence[Told], arrived: Told, clock: str) -> tuple[float, float]:
    """Return the 95th percentile of the time between two tokens while `arrived` was read, and after it."""
    beside, idle = list[float](), list[float]()
    for answer in answers:
        times = answer.times if clock == "wall" else answer.cpu
        for place, (early, late) in enumerate(pairwise(times)):
            if answer.times[place] > arrived.times[0]:
                idle.append(late - early)
            elif answer.times[place + 1] > arrived.asked:
                beside.append(late - early)
    return _p95(beside), _p95(idle)


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


async def lookup(folder: Path, repeats: int) -> None:
    """answers about passages with and without guesses from the prompt (give a trained --model)"""
    passages = [text for text in (ROOT / "README.md").read_text().split("\n\n") if len(text.split()) > 25][:24]
    seconds: dict[int, list[float]] = {}
    for most in (0, 4, 8, 16) * repeats:
        async with generator(folder, prompt_lookup=most) as engine:
            cpu, tokens = time.process_time(), 0
            for place in range(0, len(passages), 4):
                offered = [passage_of(Piece("README.md", (), text)) for text in passages[place : place + 4]]
                question = Message("user", f"What is said about {' '.join(passages[place].split()[:6])}?")
                asked = fit(engine, [question], offered, 128, True).prompt
                tokens += (await told(engine, asked.token_ids, 128)).tokens
            seconds.setdefault(most, []).append((time.process_time() - cpu) / tokens)
    for most, found in seconds.items():
        print(f"at most {most} guessed: {statistics.median(found) * 1000:.2f} CPU ms a token")
