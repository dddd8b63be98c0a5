"""How good the built-in model is, through the product's own prompt and engine, beside two baselines.

`python -m benchmarks.starter --data DIR --model FOLDER [--count 200]` where DIR is the unpacked evaluation data. Prints
one line a figure. Questions are those of SQuAD articles that training never saw.
"""

import argparse
import asyncio
import random
import re
import string
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from assistant.citations import find
from assistant.prompt import fit
from generation.base import Generator, Message, Sampling
from generation.engine import Engine
from generation.settings import GenerationSettings
from knowledge.base import Passage
from knowledge.embeddings import Embedder
from knowledge.library import Library
from knowledge.settings import KnowledgeSettings
from starter.examples import NOT_TOLD, Piece, by_article, passage_of
from starter.material import HELD_OUT_ARTICLES
from starter.questions import Asked, content_words, json_lines, sentences, squad

EXAM = Path(__file__).with_name("guide_questions.yaml")
GREEDY = Sampling(max_tokens=256, temperature=0.0)
ARTICLES = re.compile(r"\b(?:a|an|the)\b")


@dataclass(frozen=True)
class Reply:
    """What came back: its text, its end, and what it took."""

    text: str
    finish: str
    tokens: int
    first: float
    seconds: float


def normal(text: str) -> str:
    """Return `text` as SQuAD's own scorer compares it."""
    kept = "".join(sign for sign in text.lower() if sign not in string.punctuation)
    return " ".join(ARTICLES.sub(" ", kept).split())


def holds(reply: str, answers: Iterable[str]) -> bool:
    """Return whether one of `answers` is in `reply`."""
    return any(normal(answer) in normal(reply) for answer in answers if normal(answer))


async def ask(generator: Generator, question: str, passages: Sequence[Passage], history: Sequence[Message] = ()) -> Reply:
    """Return the greedy answer; without passages the mode is Chat."""
    fitted = fit(generator, [*history, Message("user", question)], passages, GREEDY.max_tokens or 256, bool(passages))
    begin, first, text, finish, tokens = time.perf_counter(), 0.0, "", "", 0
    async with aclosing(generator.stream(fitted.prompt, GREEDY)) as pieces:
        async for piece in pieces:
            first = first or time.perf_counter() - begin
            text += piece.text
            finish = piece.finish_reason or finish
            tokens = piece.usage.completion_tokens if piece.usage else tokens
    return Reply(text, finish, tokens, first, time.perf_counter() - begin)


def offered(asked: Asked, pool: dict[str, list[str]], near: bool, gold: bool, rng: random.Random) -> tuple[list[Passage], int]:
    """Return four passages, the gold one among them if `gold`, and its number (0: none)."""
    own = [text for text in pool[asked.article] if text != asked.passage]
    strange = [text for article, texts in pool.items() if article != asked.article for text in texts]
    chosen = rng.sample(own if near else strange, 3 if gold else 4)
    place = rng.randrange(4) if gold else -1
    if gold:
        chosen.insert(place, asked.passage)
    names = [f"{asked.article}.txt" if near else f"file-{i}.txt" for i in range(len(chosen))]
    return [passage_of(Piece(name, (), text)) for name, text in zip(names, chosen, strict=True)], place + 1


def best_overlap(question: str, passages: Sequence[Passage]) -> str:
    """Return the sentence that shares most words with the question."""
    wanted = content_words(question)
    lines = [line for each in passages for line in sentences(each.text)]
    return max(lines, key=lambda line: (len(wanted & content_words(line)), -len(line)))


def nearest(question: str, passages: Sequence[Passage], embedder: Embedder) -> str:
    """Return the sentence that is nearest to the question by the embedding model."""
    lines = [line for each in passages for line in sentences(each.text)]
    scores = np.asarray(embedder.encode(lines)) @ np.asarray(embedder.encode_query(question)).reshape(-1)
    return lines[int(scores.argmax())]


class Board:
    """Collects replies and prints shares."""

    def __init__(self) -> None:
        self.replies: list[tuple[Reply, int]] = []

    def add(self, reply: Reply, on_offer: int) -> Reply:
        """Keep a reply for the figures over all."""
        self.replies.append((reply, on_offer))
        return reply

    @staticmethod
    def show(name: str, hits: Sequence[bool]) -> None:
        """Print a share."""
        print(f"{name:<74} {np.mean(hits) if hits else float('nan'):.3f}  ({sum(hits)} of {len(hits)})", flush=True)


async def squad_figures(
    generator: Generator, embedder: Embedder, known: list[Asked], count: int, board: Board, near: bool
) -> None:
    """Answers, citations and refusals on the questions of held-out articles."""
    pool = by_article(known)
    rng = random.Random(7)
    right, cited, declined, overlap, vectors = [], [], [], [], []
    chosen = rng.sample(known, min(count, len(known)))
    for asked in chosen:
        passages, place = offered(asked, pool, near, True, rng)
        reply = board.add(await ask(generator, asked.question, passages), 4)
        good = holds(reply.text, asked.answers)
        right.append(good)
        declined.append(NOT_TOLD in reply.text)
        if good:
            cited.append(find(reply.text, 4).used[:1] == (place,))
        overlap.append(holds(best_overlap(asked.question, passages), asked.answers))
        vectors.append(holds(nearest(asked.question, passages, embedder), asked.answers))
    kind = "same article" if near else "other articles"
    board.show(f"SQuAD, gold and 3 of {kind}: answer in the reply", right)
    board.show("    of those, the gold passage cited", cited)
    board.show("    wrongly declined", declined)
    board.show("    baseline: sentence with the best word overlap", overlap)
    board.show("    baseline: sentence nearest by all-MiniLM-L6-v2", vectors)
    refused = []
    for asked in chosen[: count // 2]:
        passages, _ = offered(asked, pool, near, False, rng)
        refused.append(NOT_TOLD in board.add(await ask(generator, asked.question, passages), 4).text)
    board.show(f"SQuAD, 4 of {kind}, none answers: says so", refused)


async def kb_figures(generator: Generator, data: Path, board: Board) -> None:
    """From file to answer on the documentation trees, retrieval by the product."""
    rows = json_lines(data / "4_kb/questions.jsonl")
    for base in ("easycv", "fastapi_en"):
        with tempfile.TemporaryDirectory() as folder:
            library = Library(KnowledgeSettings(data_dir=Path(folder), min_free_disk=0))
            library.open()
            await asyncio.to_thread(library.load, _quiet)
            for path in sorted((data / "4_kb" / base).rglob("*.md")):
                library.add("default", str(path.relative_to(data / "4_kb" / base)).replace("/", "_"), path.read_bytes())
            while any(not job.done for job in library.jobs("default")):
                await asyncio.sleep(0.2)
            some, whole, found, refused, wrongly = [], [], [], [], []
            for row in rows:
                if row["kb"] != base or row["lang"] != "en" or row.get("history"):
                    continue
                passages = await asyncio.to_thread(library.search, "default", row["question"], 4)
                reply = board.add(await ask(generator, row["question"], passages), len(passages))
                phrases = [phrase.lower() for phrase in row["answer_phrases"]]
                if not phrases:
                    refused.append(NOT_TOLD in reply.text)
                    continue
                text = reply.text.lower()
                accepted = any(other.lower() in text for other in row.get("accept", []))
                some.append(accepted or any(phrase in text for phrase in phrases))
                whole.append(accepted or all(phrase in text for phrase in phrases))
                found.append(any(phrase in each.text.lower() for each in passages for phrase in phrases))
                wrongly.append(NOT_TOLD in reply.text)
            library.close()
        board.show(f"{base}: a key phrase in the reply", some)
        board.show("    all key phrases in the reply", whole)
        board.show("    a key phrase among the 4 retrieved passages (the ceiling)", found)
        board.show("    wrongly declined", wrongly)
        board.show("    unanswerable: says so", refused)


async def guide_figures(generator: Generator, board: Board, verbose: bool) -> None:
    """The exam on the program."""
    right: list[bool] = []
    other: list[bool] = []
    for row in yaml.safe_load(EXAM.read_text(encoding="utf-8")):
        reply = board.add(await ask(generator, row["question"], ()), 0)
        text = reply.text.lower()
        good = all(any(word.lower() in text for word in entry) for entry in row["checklist"])
        good = good and not any(word.lower() in text for word in row.get("never", []))
        (other if row["topic"] == "other" else right).append(good)
        if verbose and not good:
            print(f"    wrong: {row['question']!r} -> {reply.text!r}")
    board.show("questions on the program: right", right)
    board.show("    requests beyond it: says so", other)
    board.show("    all of the exam", right + other)


def _quiet(stage: str, part: float | None = None) -> None:
    """Report nothing."""


async def measure(arguments: Any) -> None:
    """Print all figures."""
    engine = Engine(GenerationSettings(model_path=str(arguments.model), max_concurrent=1))
    engine.check()
    begin = time.perf_counter()
    await engine.load()
    print(f"loaded in {time.perf_counter() - begin:.1f} s")
    generator = engine.generator
    embedder = Embedder(None)
    embedder.load(_quiet)
    board = Board()
    parts = arguments.only or ("squad", "kb", "guide")
    if "squad" in parts:
        known = squad(arguments.data / "1_qa/squad11_dev/dev-v1.1.rebuilt.json")
        held_out = [asked for asked in known if asked.article in HELD_OUT_ARTICLES]
        for near in (True, False):
            await squad_figures(generator, embedder, held_out, arguments.count, board, near)
    if "kb" in parts:
        await kb_figures(generator, arguments.data, board)
    if "guide" in parts:
        await guide_figures(generator, board, arguments.verbose)
    board.show("all replies: ended by themselves", [reply.finish == "stop" for reply, _ in board.replies])
    board.show("all replies: no citation that was not offered", [find(r.text, n).invalid == 0 for r, n in board.replies if n])
    timed = [reply for reply, _ in board.replies if reply.tokens > 8]
    print(f"first token after {np.median([reply.first for reply in timed]):.2f} s (median), "
          f"{np.median([(reply.tokens - 1) / (reply.seconds - reply.first) for reply in timed]):.0f} tokens/s")  # fmt: skip
    await engine.close()


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--only", nargs="*", choices=("squad", "kb", "guide"))
    parser.add_argument("--verbose", action="store_true")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
