"""Trains the built-in model. The same code on a GPU and on a CPU: the budget is minutes, and a run can be continued.

`python -m starter.train --work DIR --data DIR --minutes 90` reads DIR/texts.jsonl and DIR/model/tokenizer.json, keeps
DIR/checkpoint.pt, and logs to DIR/train.log. Run it again with more minutes to go on. Loss is computed at answers only.
"""

import argparse
import json
import queue
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerBase

from starter import material
from starter.beginning import model as beginning
from starter.examples import Material, Segments, conversations
from starter.heads import CIRCUIT_HEADS
from starter.tokenizer import CONTEXT

LONGEST = 1536
"""Tokens of a conversation; longer ones are left out."""
POOL = 96
"""Conversations sorted by length at a time, so that a batch holds little padding."""
CHOOSING, COPYING = 9, 0.2
"""Tokens at the beginning of an answer that always count, and the share of the others that do."""
SLOWER = 0.1
"""What begins with circuits (the embeddings, and the heads of `CIRCUIT_HEADS`) learns at this share of the rate: the
optimizers move every weight alike, and at the full rate they trample the circuits before the rest makes use of them."""
WARM_UP = 40
PLATEAU = 0.55
"""Share of the budget at the full learning rate; then it falls to 3 % of it."""


@dataclass(frozen=True)
class Batch:
    """Token ids, labels (-100 where no loss is taken), positions and branches, all of shape (conversations, tokens)."""

    ids: torch.Tensor
    labels: torch.Tensor
    positions: torch.Tensor
    branches: torch.Tensor

    def mask(self) -> torch.Tensor:
        """Return which tokens see which, shape (conversations, 1, tokens, tokens): earlier ones of the same or of no branch."""
        own, other = self.branches[:, :, None], self.branches[:, None, :]
        size = self.ids.shape[1]
        earlier = torch.ones(size, size, dtype=torch.bool).tril()
        return (earlier & ((other == own) | (other == 0)))[:, None]


@dataclass(frozen=True)
class Encoded:
    """One conversation as a batch holds it, each of length (tokens)."""

    ids: list[int]
    labels: list[int]
    positions: list[int]
    branches: list[int]


class Budget:
    """How far training is, in [0, 1], by the time spent in this run and the ones before."""

    def __init__(self, minutes: float, spent: float) -> None:
        self._total, self._before, self._start = minutes * 60, spent, time.monotonic()

    @property
    def spent(self) -> float:
        """Seconds of training so far."""
        return self._before + time.monotonic() - self._start

    @property
    def progress(self) -> float:
        """Share of the budget that is spent."""
        return min(1.0, self.spent / self._total)


def encode(tokenizer: PreTrainedTokenizerBase, segments: Segments, rng: random.Random) -> Encoded:
    """Return a conversation as tokens; each branch goes on at the position where branch 0 ends.

    The beginning of a grounded answer chooses, and its end stops: those tokens all count. The rest mostly copies, which is
    easy, while the head and its softmax are a third of the work: of those a share is enough.
    """
    made = Encoded([], [], [], [])
    ends: dict[int, int] = {}
    for text, learned, branch in segments:
        part = tokenizer(text, add_special_tokens=False).input_ids
        begin = ends.get(branch, ends.get(0, 0))
        ends[branch] = begin + len(part)
        last = len(part) - 4  # the citation and the end
        made.ids.extend(part)
        made.labels.extend(
            token if learned and (not branch or i < CHOOSING or i >= last or rng.random() < COPYING) else -100
            for i, token in enumerate(part)
        )
        made.positions.extend(range(begin, begin + len(part)))
        made.branches.extend([branch] * len(part))
    return made


def batches(tokenizer: PreTrainedTokenizerBase, source: Iterator[Segments], tokens: int, seed: int) -> Iterator[Batch]:
    """Yield batches of about `tokens` tokens."""
    rng = random.Random(seed)
    while True:
        pool = [made for made in (encode(tokenizer, next(source), rng) for _ in range(POOL)) if len(made.ids) <= LONGEST]
        pool.sort(key=lambda made: len(made.ids))
        batched, begin = [], 0
        for end in range(1, len(pool) + 1):
            if end == len(pool) or (end + 1 - begin) * len(pool[end].ids) > tokens:
                batched.append(padded(pool[begin:end]))
                begin = end
        rng.shuffle(batched)
        yield from batched


def padded(rows: list[Encoded]) -> Batch:
    """Return `rows` as one batch; padding stands at the end, where nothing sees it."""
    width = max(len(row.ids) for row in rows)

    def filled(name: str, empty: int) -> torch.Tensor:
        return torch.tensor([getattr(row, name) + [empty] * (width - len(row.ids)) for row in rows])

    return Batch(filled("ids", 0), filled("labels", -100), filled("positions", 0), filled("branches", 0))


def ahead(source: Iterator[Batch]) -> Iterator[Batch]:
    """Make batches in a thread while the model computes; what goes wrong there is raised here."""
    waiting: queue.Queue[Batch | Exception] = queue.Queue(8)

    def fill() -> None:
        try:
            for batch in source:
                waiting.put(batch)
        except Exception as error:
            waiting.put(error)

    threading.Thread(target=fill, daemon=True).start()
    while True:
        made = waiting.get()
        if isinstance(made, Exception):
            raise made
        yield made


def loss_of(model: LlamaForCausalLM, batch: Batch, device: str) -> torch.Tensor:
    """Return the mean loss over the answer tokens; the head is computed at those alone."""
    ids, labels = batch.ids.to(device), batch.labels.to(device)
    with torch.autocast(device.split(":")[0], torch.bfloat16):
        hidden = model.model(
            input_ids=ids, attention_mask=batch.mask().to(device), position_ids=batch.positions.to(device), use_cache=False
        ).last_hidden_state[:, :-1]
        wanted = labels[:, 1:]
        chosen = wanted != -100
        logits = model.lm_head(hidden[chosen])
    return functional.cross_entropy(logits.float(), wanted[chosen])


def optimizers(model: LlamaForCausalLM, rate: float) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices of the layers and AdamW for the rest."""

    def groups(matrices: bool) -> list[dict[str, Any]]:
        named = [pair for pair in model.named_parameters() if (pair[1].ndim == 2 and "embed" not in pair[0]) == matrices]
        # Apart, so that checkpoints keep their order: heads that begin with circuits are held back by `Brake`.
        slow = [weight for name, weight in named if "embed" in name or _layer(name) in CIRCUIT_HEADS]
        fast = [weight for name, weight in named if not ("embed" in name or _layer(name) in CIRCUIT_HEADS)]
        return [{"params": fast, "share": 1.0}, {"params": slow, "share": 1.0 if matrices else SLOWER}]

    return [
        torch.optim.Muon(groups(True), lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(groups(False), lr=rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def _layer(name: str) -> int:
    """Return the number of the layer whose attention holds the weight `name`, or -1."""
    return int(name.split("layers.")[1].split(".")[0]) if "self_attn" in name else -1


class Brake:
    """Holds back the heads that begin with circuits: `with brake:` around the steps leaves them `SLOWER` of their way."""

    def __init__(self, model: LlamaForCausalLM) -> None:
        size = model.config.head_dim
        self._held: list[tuple[torch.Tensor, torch.Tensor]] = []
        for number, heads in CIRCUIT_HEADS.items():
            for name, weight in model.model.layers[number].self_attn.named_parameters():
                inputs = torch.cat([torch.arange(head * size, (head + 1) * size) for head in heads])
                share = torch.ones_like(weight)
                # A head has rows of the first three matrices and columns of the last.
                (share.T if name.startswith("o_proj") else share)[inputs] = SLOWER
                self._held.append((weight, share))

    def __enter__(self) -> None:
        self._before = [weight.detach().clone() for weight, _ in self._held]

    @torch.no_grad()
    def __exit__(self, *_: object) -> None:
        for before, (weight, share) in zip(self._before, self._held, strict=True):
            weight.copy_(before + share * (weight - before))


def rate_at(step: int, progress: float) -> float:
    """Return the share of the learning rate to use."""
    falling = 1.0 if progress < PLATEAU else max(0.03, 1 - (progress - PLATEAU) / (1 - PLATEAU))
    return min(1.0, (step + 1) / WARM_UP) * falling


def train(stock: Material, work: Path, minutes: float, rate: float, tokens: int, device: str, seed: int) -> None:
    """Train until the budget is spent, going on from DIR/checkpoint.pt if there is one."""
    tokenizer = AutoTokenizer.from_pretrained(work / "model")
    model = beginning(tokenizer, CONTEXT, seed).to(device)
    making = optimizers(model, rate)
    checkpoint, step, seen, spent = work / "checkpoint.pt", 0, 0, 0.0
    if checkpoint.exists():
        kept: dict[str, Any] = torch.load(checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(kept["model"])
        for optimizer, state in zip(making, kept["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        step, seen, spent = kept["step"], kept["seen"], kept["spent"]
    budget, brake = Budget(minutes, spent), Brake(model)
    source = conversations(stock, seed + step, lambda: budget.progress)

    def keep() -> None:
        state = {"model": model.state_dict(), "optimizers": [optimizer.state_dict() for optimizer in making],
                 "step": step, "seen": seen, "spent": budget.spent}  # fmt: skip
        torch.save(state, checkpoint.with_suffix(".new"))
        checkpoint.with_suffix(".new").replace(checkpoint)

    losses: list[float] = []
    kept_at = shown_at = time.monotonic()
    for batch in ahead(batches(tokenizer, source, tokens, seed + step)):
        share = rate_at(step, budget.progress)
        for optimizer in making:
            for group in optimizer.param_groups:
                group["lr"] = rate * share * group["share"]
        loss = loss_of(model, batch, device)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        with brake:
            for optimizer in making:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        step, seen = step + 1, seen + batch.ids.numel()
        if time.monotonic() - shown_at > 30:
            shown_at = time.monotonic()
            line = {"step": step, "tokens": seen, "seconds": round(budget.spent), "loss": round(sum(losses) / len(losses), 4),
                    "rate": round(rate * share, 6)}  # fmt: skip
            losses.clear()
            with (work / "train.log").open("a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
        if time.monotonic() - kept_at > 240 or budget.progress >= 1:
            kept_at = time.monotonic()
            keep()
        if budget.progress >= 1:
            return


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=90.0)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--tokens", type=int, default=8192, help="tokens of a batch")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    stock = material.load(arguments.work, arguments.data)
    train(stock, arguments.work, arguments.minutes, arguments.rate, arguments.tokens, arguments.device, arguments.seed)


if __name__ == "__main__":
    main()
