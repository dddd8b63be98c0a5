"""How fast engines answer side by side, on a Llama with random weights, greedy, in bf16.

`python -m benchmarks.engines [--rows lock library ours] [--requests 1 4 16] [--shape 56m] [--prompt 128] [--new 32]` makes a table:
tokens per wall second and per CPU second (`time.process_time` of this process), all requests at once and staggered, medians
of `--repeats`, rows taken in turns. `--second-turn`, `--prefill` and `--lookup` measure what their names say, on ours alone.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, ContinuousBatchingConfig, GenerationConfig

from benchmarks.random_llama import SHAPES, make, prompt
from generation.base import Generator, Prompt, Sampling
from generation.settings import GenerationSettings, backend

Ask = Callable[[Sequence[int], int], Awaitable[int]]
"""Answers a prompt with so many new tokens; returns how many came."""


@asynccontextmanager
async def lock(folder: Path) -> AsyncIterator[Ask]:
    """One `generate` at a time, the others wait: what a server without batching does."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
    turn = asyncio.Lock()

    def generate(ids: Sequence[int], new: int) -> int:
        whole = torch.tensor([list(ids)])
        options = {"do_sample": False, "max_new_tokens": new, "pad_token_id": 0}
        return int(model.generate(whole, attention_mask=torch.ones_like(whole), **options).shape[1]) - len(ids)

    async def ask(ids: Sequence[int], new: int) -> int:
        async with turn:
            return await asyncio.to_thread(generate, ids, new)

    yield ask


@asynccontextmanager
async def library(folder: Path) -> AsyncIterator[Ask]:
    """transformers' own continuous batching, one manager for all requests, its memory given."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
    config = ContinuousBatchingConfig(page_size=32, num_blocks=256, max_batch_tokens=512, use_cuda_graph=False)
    options = GenerationConfig(do_sample=False, pad_token_id=0, eos_token_id=-1)
    manager = model.init_continuous_batching(generation_config=options, continuous_batching_config=config)
    manager.start()

    async def ask(ids: Sequence[int], new: int) -> int:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        name = f"{id(done)}"
        manager.register_result_handler(name, lambda out: done.done() or done.set_result(out) if out.is_finished() else None)
        manager.add_request(list(ids), request_id=name, max_new_tokens=new, streaming=False)
        return len((await done).generated_tokens)

    yield ask
    await asyncio.to_thread(manager.stop, block=True)


@asynccontextmanager
async def ours(folder: Path, **settings: Any) -> AsyncIterator[Ask]:
    """The product's engine, streaming."""
    async with generator(folder, **settings) as engine:

        async def ask(ids: Sequence[int], new: int) -> int:
            return len((await told(engine, ids, new)).times)

        yield ask


ROWS: dict[str, Callable[[Path], AbstractAsyncContextManager[Ask]]] = {"lock": lock, "library": library, "ours": ours}


@asynccontextmanager
async def generator(folder: Path, **settings: Any) -> AsyncIterator[Generator]:
    """Load the model into the product's engine."""
    chosen = {"model_path": str(folder), "precision": "bf16", "kv_memory": 1.0, "prompt_lookup": 0, "model_type": "plain"}
    engine = backend(GenerationSettings.model_validate({**chosen, **settings})).load(lambda stage, part=None: None)
    try:
        yield engine
    finally:
        await engine.close()


@dataclass(frozen=True)
class Told:
    """When the tokens of one answer came, in seconds from its question, and what it was."""

    times: list[float]
    text: str
    cached: int


async def told(engine: Generator, ids: Sequence[int], new: int, temperature: float = 0.0) -> Told:
    """Ask the product's engine; every token of the random model has a text of its own."""
    begin, times, text, cached, made = time.perf_counter(), list[float](), "", 0, 0
    async with aclosing(engine.stream(Prompt((), "", tuple(ids)), Sampling(max_tokens=new, temperature=temperature))) as pieces:
        async for piece in pieces:
            text += piece.text
            times.append(time.perf_counter() - begin)
            if piece.usage:
                cached, made = piece.usage.cached_tokens, piece.usage.completion_tokens
    return Told(times[:made], text, cached)


@dataclass(frozen=True)
class Speed:
    """Tokens per second of one measurement."""

    wall: float
    cpu: float


async def speed(ask: Ask, prompts: Sequence[Sequence[int]], new: int, gap: float) -> Speed:
    """Ask all `prompts`, one every `gap` seconds, and return the speed over all."""

    async def one(ids: Sequence[int], wait: float) -> int:
        await asyncio.sleep(wait)
        return await ask(ids, new)

    wall, cpu = time.perf_counter(), time.process_time()
    made = await asyncio.gather(*(one(ids, place * gap) for place, ids in enumerate(prompts)))
    return Speed(sum(made) / (time.perf_counter() - wall), sum(made) / (time.process_time() - cpu))


async def compare(folder: Path, options: argparse.Namespace) -> None:
    """Print the table of all rows."""
    async with AsyncExitStack() as stack:
        asks = {name: await stack.enter_async_context(ROWS[name](folder)) for name in options.rows}
        number = 0
        for gap in (0.0, options.gap):
            for requests in options.requests:
                found: dict[str, list[Speed]] = {name: [] for name in asks}
                for repeat in range(options.repeats + 1):  # the first warms up
                    number += requests
                    prompts = [prompt(options.prompt, number + place) for place in range(requests)]
                    for name, ask in asks.items():
                        measured = await speed(ask, prompts, options.new, gap)
                        found[name] += [measured] if repeat else []
                _print(found, requests, gap)


def _print(found: dict[str, list[Speed]], requests: int, gap: float) -> None:
    medians = {
        name: Speed(statistics.median(one.wall for one in speeds), statistics.median(one.cpu for one in speeds))
        for name, speeds in found.items()
    }
    first = next(iter(medians.values()))
    how = f"every {gap * 1000:.0f} ms" if gap else "at once"
    for name, one in medians.items():
        ratio = f"{one.wall / first.wall:.2f} | {one.cpu / first.cpu:.2f}"
        print(f"| {how} | {requests} | {name} | {one.wall:.0f} | {one.cpu:.0f} | {ratio} |", flush=True)


async def second_turn(folder: Path, options: argparse.Namespace) -> None:
    """Print how long the first token of a second turn takes beside that of the first, after 1,000 tokens."""
    ratios = []
    async with generator(folder) as engine:
        for number in range(options.repeats + 1):
            ids = prompt(1000, 10_000 + number)
            first = await told(engine, ids, 1)
            again = await told(engine, [*ids, *prompt(30, number)], 1)
            ratios.append(again.times[0] / first.times[0])
            print(f"first turn {first.times[0]:.3f} s, second {again.times[0]:.3f} s, {again.cached} tokens kept")
    print(f"second turn: {statistics.median(ratios[1:]):.2f} of the first")


async def prefill(folder: Path, options: argparse.Namespace) -> None:
    """Print the time between tokens of four answers, alone and while a prompt of 2,000 tokens comes in."""
    async with generator(folder) as engine:
        for number in range(options.repeats + 1):
            writing = [asyncio.create_task(told(engine, prompt(128, 100 * number + place), 200)) for place in range(4)]
            await asyncio.sleep(2.0)
            begin = time.perf_counter()
            arrived = await told(engine, prompt(2000, 20_000 + number), 1)
            end = begin + arrived.times[0]
            answers = await asyncio.gather(*writing)
            del end, answers


async def main() -> None:
    """Measure what the flags say."""
    options = _options()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = make(Path(name) / "model", SHAPES[options.shape])
        for measure in options.measures or [compare]:
            await measure(folder, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--requests", nargs="+", type=int, default=[1, 4, 16])
    parser.add_argument("--shape", choices=SHAPES, default="56m")
    parser.add_argument("--prompt", type=int, default=128, help="tokens of each prompt")
    parser.add_argument("--new", type=int, default=32, help="tokens of each answer")
    parser.add_argument("--gap", type=float, default=0.05, help="seconds between two arrivals when staggered")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="threads that compute")
    for measure in (second_turn, prefill):
        flag = "--" + measure.__name__.replace("_", "-")
        parser.add_argument(flag, dest="measures", action="append_const", const=measure, help=measure.__doc__)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
