"""Reads the work folder's texts, the guide and the question sets into what conversations are made of."""

from pathlib import Path

import yaml

from starter.examples import Material, Piece
from starter.questions import Asked, adversarial, json_lines, squad

GUIDE = Path(__file__).with_name("guide.yaml")
HELD_OUT_ARTICLES = frozenset(
    ("Amazon_rainforest", "Apollo_program", "Ctenophora", "Packet_switching", "Scottish_Parliament", "Super_Bowl_50")
)
"""SQuAD articles that training never sees; the benchmark asks on these."""


def texts(work: Path) -> list[Piece]:
    """Return the passages of `work`/texts.jsonl that training may see."""
    rows = json_lines(work / "texts.jsonl")
    return [Piece(row["name"], tuple(row["headings"]), row["text"]) for row in rows if not row["held_out"]]


def questions(data: Path) -> list[Asked]:
    """Return the questions of people that training may see, from the evaluation data's public part at `data`."""
    found = {}
    for asked in [
        *squad(data / "1_qa/squad11_dev/dev-v1.1.rebuilt.json"),
        *squad(data / "1_qa/squad20_dev/dev-v2.0.rebuilt.json"),
        *adversarial(data / "6_train/context_qa_instructions.jsonl"),
    ]:
        if asked.article not in HELD_OUT_ARTICLES:
            found[asked.question, asked.passage] = asked
    return list(found.values())


def guide() -> tuple[list[tuple[list[str], str]], list[str], list[str]]:
    """Return the guide's (questions, answer), the requests beyond it, and the answers to those."""
    topics = yaml.safe_load(GUIDE.read_text(encoding="utf-8"))
    other = next(topic for topic in topics if topic["topic"] == "other")
    known = [(topic["questions"], topic["answer"]) for topic in topics if topic is not other]
    return known, other["questions"], other["answers"]


def beyond(data: Path) -> list[str]:
    """Return requests that have nothing to do with documents or the program, from `5_chat` and `6_train`."""
    found = [turn for row in json_lines(data / "5_chat/mt_bench/question.jsonl") for turn in row["turns"][:1]]
    found += [row["instruction"] for row in json_lines(data / "5_chat/self_instruct/seed_tasks.jsonl")]
    found += [row["messages"][0]["content"] for row in json_lines(data / "6_train/sgd_dialogues.train.jsonl")[:3000]]
    return [text for text in found if len(text) < 600]


def load(work: Path, data: Path) -> Material:
    """Return all material."""
    known, requests, answers = guide()
    asked = questions(data)
    # Without a passage beside it, a question on the world is beyond the built-in model as well.
    strange = [question.question for question in asked[::7]]
    return Material(texts(work), asked, known, requests * 8 + beyond(data) + strange, answers)
