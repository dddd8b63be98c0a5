"""How fast engines answer side by side, on a Llama with random weights, greedy, in bf16.

`python -m benchmarks.engines [--rows lock library ours] [--requests 1 4 16] [--shape 56m]` prints a table: tokens per wall
second and per CPU second (`time.process_time` of this process), all requests at once and staggered, medians of `--repeats`,
rows taken in turns. `--second-turn`, `--prefill` and `--lookup` measure what their names say on ours alone
(`benchmarks.own_engine`). A further engine is one function and its line in `ROWS`.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, ContinuousBatchingConfig, GenerationConfig

from benchmarks.own_engine import generator, lookup, prefill, second_turn, told
from benchmarks.random_llama import SHAPES, make, prompt
from benchmarks.served import served

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

        def take(out: Any) -> None:
            if out.is_finished() and not done.done():
                done.set_result(out)

        manager.register_result_handler(name, take)
        manager.add_request(list(ids), request_id=name, max_new_tokens=new, streaming=False)
        while not (await asyncio.wait([done], timeout=1))[0]:
            if not manager.is_running():
                raise SystemExit("transformers' batching has ended (without the package psutil it finds no memory on a CPU)")
        return len(done.result().generated_tokens)

    yield ask
    await asyncio.to_thread(manager.stop, block=True)


@asynccontextmanager
async def ours(folder: Path, **settings: Any) -> AsyncIterator[Ask]:
    """The product's engine, streaming."""
    async with generator(folder, **settings) as engine:

        async def ask(ids: Sequence[int], new: int) -> int:
            return (await told(engine, ids, new)).tokens

        yield ask


ROWS: dict[str, Callable[[Path], AbstractAsyncContextManager[Ask]]] = {
    "lock": lock,
    "library": library,
    "ours": ours,
    "served": served,
}


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
        print("| arrivals | requests | row | tokens/s | tokens/CPU s | to the first row, wall | CPU |")
        print("|---|---|---|---|---|---|---|")
        number = 0
        for gap in dict.fromkeys((0.0, options.gap)):
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
        print(f"| {how} | {requests} | {name} | {one.wall:.3g} | {one.cpu:.3g} | {ratio} |", flush=True)


async def main() -> None:
    """Measure what the flags say."""
    options = _options()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = options.model or make(Path(name) / "model", SHAPES[options.shape])
        if options.measures is None:
            await compare(folder, options)
        for measure in options.measures or ():
            await measure(folder, options.repeats)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--requests", nargs="+", type=int, default=[1, 4, 16])
    parser.add_argument("--shape", choices=SHAPES, default="56m")
    parser.add_argument("--prompt", type=int, default=128, help="tokens of each prompt")
    parser.add_argument("--new", type=int, default=32, help="tokens of each answer")
    parser.add_argument("--gap", type=float, default=0.05, help="seconds between two arrivals when staggered; 0: at once only")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="threads that compute")
    parser.add_argument("--model", type=Path, help="a model folder instead of random weights (for --lookup)")
    for measure in (second_turn, prefill, lookup):
        flag = "--" + measure.__name__.replace("_", "-")
        parser.add_argument(flag, dest="measures", action="append_const", const=measure, help=measure.__doc__)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
