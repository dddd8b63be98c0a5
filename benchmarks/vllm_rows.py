"""vLLM raw and through our engine, side by side in one run: what the adapter costs.

`.venv-vllm/bin/python -m benchmarks.vllm_rows` prints a table: generated tokens a second of wall time and of CPU time (this
process and vLLM's), and the time to the first token; medians over rounds in which the two take turns. Weights are vLLM's
dummy ones, so no model is needed; prompts are random ids, all different, so that no prefix is found.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, PreTrainedTokenizerFast

from generation import vllm_arguments, vllm_machine
from generation.base import Prompt, Sampling
from generation.chat_template import ChatTemplate
from generation.settings import GenerationSettings

VOCABULARY = 32_000
SHAPES = {
    "56m": {"hidden_size": 512, "intermediate_size": 1280, "num_hidden_layers": 8, "num_attention_heads": 8},
    "llama-2-7b": {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32},
}
Ask = Callable[[list[int], int], AsyncIterator[int]]
"""Given prompt and length, yields how many tokens each piece of the answer brought."""


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement: tokens a wall second, tokens a CPU second, and the median time to the first token in seconds."""

    wall: float
    cpu: float
    first: float


async def measure(ask: Ask, count: int, prompt: int, new: int, processes: Sequence[int], dice: random.Random) -> Round:
    """Ask `count` questions at once."""
    prompts = [[dice.randrange(300, VOCABULARY) for _ in range(prompt)] for _ in range(count)]
    before, begin, firsts = _cpu(processes), time.perf_counter(), list[float]()

    async def one(ids: list[int]) -> int:
        made = 0
        async for tokens in ask(ids, new):
            if not made:
                firsts.append(time.perf_counter() - begin)
            made += tokens
        return made

    tokens = sum(await asyncio.gather(*map(one, prompts)))
    wall, cpu = time.perf_counter() - begin, _cpu(processes) - before
    return Round(tokens / wall, tokens / cpu, statistics.median(firsts))


def raw(engine: Any) -> Ask:
    """Return vLLM as its own documentation streams from it, its own text included."""
    from vllm.inputs import tokens_input
    from vllm.sampling_params import RequestOutputKind, SamplingParams

    async def ask(ids: list[int], new: int) -> AsyncIterator[int]:
        how = SamplingParams(max_tokens=new, temperature=0, ignore_eos=True, output_kind=RequestOutputKind.DELTA)
        async with aclosing(engine.generate(tokens_input(ids), how, f"raw-{time.perf_counter_ns()}-{id(ids)}")) as outputs:
            async for output in outputs:
                yield len(output.outputs[0].token_ids)

    return ask


def ours(generator: Any) -> Ask:
    """Return our engine; a piece may bring several tokens or none, so the tokens are counted at the end."""

    async def ask(ids: list[int], new: int) -> AsyncIterator[int]:
        prompt, told = Prompt((), "", tuple(ids)), 0
        async with aclosing(generator.stream(prompt, Sampling(temperature=0, max_tokens=new))) as pieces:
            async for piece in pieces:
                told += piece.usage is None
                yield 1 if piece.usage is None else piece.usage.completion_tokens - told

    return ask


async def main(options: argparse.Namespace) -> None:
    """Start vLLM, let both ways of asking it take turns, print the table."""
    from generation.vllm_generator import VllmGenerator, start

    with tempfile.TemporaryDirectory() as name:
        folder = make_folder(Path(name), options.shape, 2 * (options.prompt + options.new))
        settings = GenerationSettings(
            precision="bf16", max_concurrent=max(options.requests), engine_arg=("load_format=dummy", *options.engine_arg)
        )
        arguments = vllm_arguments.arguments(settings, vllm_arguments.fields(), vllm_machine.runs_on_cpu())
        # One engine for both: two of them differ by more than the adapter costs.
        running = await asyncio.to_thread(start, {"model": str(folder), **arguments})
        template = ChatTemplate(PreTrainedTokenizerFast.from_pretrained(folder), LlamaConfig.from_pretrained(folder))
        generator = VllmGenerator("ours", running, template, frozenset(), settings.max_concurrent)
        print("| requests | engine | tokens/s | tokens/CPU s | first token, ms |\n|---|---|---|---|---|")
        for count in options.requests:
            await _rows({"raw": raw(running.engine), "ours": ours(generator)}, count, options)
        await generator.close()


async def _rows(rows: dict[str, Ask], count: int, options: argparse.Namespace) -> None:
    dice, found, processes = random.Random(count), {name: list[Round]() for name in rows}, sorted(_children())
    for number in range(options.rounds + 1):
        # Who begins takes turns too; the first round warms up.
        for name, ask in rows.items() if number % 2 else reversed(rows.items()):
            result = await measure(ask, count, options.prompt, options.new, processes, dice)
            if number:
                found[name].append(result)
    middle = {
        name: Round(*(statistics.median(getattr(r, part) for r in rounds) for part in ("wall", "cpu", "first")))
        for name, rounds in found.items()
    }
    for name, row in middle.items():
        print(f"| {count} | {name} | {row.wall:.0f} | {row.cpu:.0f} | {1000 * row.first:.0f} |")
    a, b = middle["ours"], middle["raw"]
    print(f"| {count} | ours / raw | {a.wall / b.wall:.3f} | {a.cpu / b.cpu:.3f} | {a.first / b.first:.2f} |", flush=True)


def make_folder(folder: Path, shape: str, context: int) -> Path:
    """Write a Llama's config and a tokenizer of made-up words, without weights."""
    alphabet = ["<unk>", "<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    dice = random.Random(0)
    words = {word: number for number, word in enumerate(alphabet)}
    while len(words) < VOCABULARY:
        word = dice.choice(["", "\u0120"]) + "".join(dice.choices("etaoinshrdlu", k=dice.randint(2, 6)))
        words.setdefault(word, len(words))
    whole = Tokenizer(models.BPE(vocab=words, merges=[], unk_token="<unk>"))
    whole.pre_tokenizer, whole.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=whole, bos_token="<s>", eos_token="</s>", unk_token="<unk>").save_pretrained(
        folder
    )
    config = LlamaConfig(vocab_size=VOCABULARY, max_position_embeddings=context, dtype="bfloat16", **SHAPES[shape])
    config.architectures = ["LlamaForCausalLM"]
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    return folder


def _children() -> set[int]:
    """Return the processes below this one."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended meanwhile
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def _cpu(processes: Sequence[int]) -> float:
    """Return the CPU seconds of this process and of `processes` so far."""
    ticks = 0
    for pid in processes:
        parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(parts[11]) + int(parts[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--shape", choices=SHAPES, default="56m")
    line.add_argument("--prompt", type=int, default=128)
    line.add_argument("--new", type=int, default=32)
    line.add_argument("--requests", type=int, nargs="+", default=[1, 4, 16])
    line.add_argument("--rounds", type=int, default=20)
    line.add_argument("--engine-arg", action="append", default=[], help="NAME=VALUE, for both engines")
    asyncio.run(main(line.parse_args()))
