"""Questions whose answer is one sentence of a passage: made from the sentence itself, or asked by people.

A made question keeps some words of its sentence, drops the others (the answer among them), changes endings and order, and
must overlap with its own sentence more than with any other that is offered: else its label would be a lie.
"""

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORD = re.compile(r"[A-Za-z][\w'-]*|\d[\d.,:/-]*\d|\d")
SENTENCE_END = re.compile(
    r"(?<!\b[A-Z]\.)(?<!Mr\.)(?<!Dr\.)(?<!St\.)(?<!e\.g\.)(?<!i\.e\.)(?<=[.!?])(?:[\"')\]]|\[\d+\])*\s+(?=[\"'(\[]?[A-Z0-9])|\n+"
)
FUNCTION_WORDS = frozenset(
    re.split(
        r"\s+",
        "a an the of to in on at by for with from as and or but not no is are was were be been being it its this that "
        "these those he she they them his her their you your we our i do does did has have had will would can could may "
        "might must shall should if then than so such into about over under between which who whom what when where why "
        "how there here also more most some any each other only very just",
    )
)
PLACE_WORDS = frozenset(("in", "at", "on", "from", "near", "to"))
POLITE = ("", "", "", "", "", "", "Please tell me: ", "I would like to know: ", "Hi, ", "Quick question: ", "Can you tell me ")


@dataclass(frozen=True)
class Asked:
    """A question, the passage that answers it and the sentence of it; `sentence` "" and no `answers` where nothing does."""

    question: str
    passage: str
    sentence: str
    article: str
    answers: tuple[str, ...] = ()


def json_lines(path: Path) -> list[Any]:
    """Return the rows of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def sentences(text: str) -> list[str]:
    """Return the sentences and lines of `text`, as they are written."""
    return [part.strip() for part in SENTENCE_END.split(text) if part.strip()]


def spans(text: str) -> list[tuple[int, int]]:
    """Return where each of the sentences of `text` begins and ends."""
    found, position = [], 0
    for sentence in sentences(text):
        begin = text.index(sentence, position)
        position = begin + len(sentence)
        found.append((begin, position))
    return found


def telling(words: Sequence[str]) -> list[str]:
    """Return the words that mean something by themselves."""
    return [word for word in words if word.lower() not in FUNCTION_WORDS]


def content_words(text: str) -> set[str]:
    """Return what a question and its sentence can have in common: stems of the words that mean something."""
    return {_stem(word) for word in telling(WORD.findall(text))}


def fits(sentence: str) -> bool:
    """Return whether a question can be made of `sentence`."""
    return 30 <= len(sentence) <= 320 and len(content_words(sentence)) >= 4


def make(sentence: str, headings: Sequence[str], rng: random.Random) -> str:
    """Return a question that `sentence` answers."""
    words = WORD.findall(sentence)
    style = rng.random()
    if style < 0.2:
        text = _keywords(words, rng)
    elif style < 0.3 and (subject := _subject(sentence)):
        text = subject
    else:
        text = _dropped(words, rng)
    if headings and rng.random() < 0.12:
        text = f"In {headings[-1]}, {text}"
    text = " ".join(text.split())
    text = text[:1].upper() + text[1:] if rng.random() < 0.7 else text.lower() if rng.random() < 0.5 else text
    return rng.choice(POLITE) + text + ("?" if style >= 0.2 and rng.random() < 0.9 else "")


def is_clear(question: str, sentence: str, others: Sequence[str]) -> bool:
    """Return whether `question` has more in common with `sentence` than with any of `others`."""
    asked = content_words(question)
    own = len(asked & content_words(sentence))
    return own >= 2 and all(len(asked & content_words(other)) < own for other in others if other != sentence)


def _keywords(words: list[str], rng: random.Random) -> str:
    known = telling(words)
    chosen = rng.sample(known, min(len(known), rng.randint(2, 5)))
    return " ".join(_varied(word, rng) for word in chosen)


def _subject(sentence: str) -> str:
    match = re.match(r"((?:\S+\s){0,5}\S+?),? (is|are|was|were|can|has|provides|allows|contains|means|lets) \S", sentence)
    if not match or len(content_words(match[1])) < 1:
        return ""
    verb = match[2] if match[2] in ("is", "are", "was", "were") else None
    name = match[1][:1].lower() + match[1][1:] if match[1].split()[0].lower() in FUNCTION_WORDS else match[1]
    return f"what {verb} {name}" if verb else f"what {'can' if match[2] == 'can' else 'does'} {name} do"


def _dropped(words: list[str], rng: random.Random) -> str:
    """Leave out a span (the answer), put a question word for it, and thin out the rest."""
    solid = [i for i, word in enumerate(words) if word.lower() not in FUNCTION_WORDS]
    special = [i for i in solid if words[i][0].isdigit() or (words[i][0].isupper() and i > 0)]
    start = rng.choice(special) if special and rng.random() < 0.6 else rng.choice(solid)
    end = min(len(words), start + rng.randint(1, 4))
    before, after = words[:start], words[end:]
    opening = _opening(words, start, rng)
    if rng.random() < 0.5:
        kept = before[-rng.randint(3, 12) :] + after[: rng.randint(0, 8)]
    else:
        kept = after[: rng.randint(3, 10)] + before[-rng.randint(2, 10) :]
    thinned = [_varied(word, rng) for word in kept if rng.random() > (0.35 if word.lower() in FUNCTION_WORDS else 0.2)]
    if len(telling(thinned)) < 2:
        thinned = kept + [words[i] for i in rng.sample(solid, min(2, len(solid)))]
    return f"{opening} {' '.join(thinned[:16])}"


def _opening(words: list[str], start: int, rng: random.Random) -> str:
    word, before = words[start], words[start - 1].lower() if start else ""
    if word[0].isdigit():
        year = re.fullmatch(r"1\d{3}|20\d\d", word) is not None
        return rng.choice(
            ("when did", "in what year", "when was", "what year")
            if year
            else ("how many", "how much", "what number", "how long")
        )
    if word[0].isupper() and start:
        return rng.choice(
            ("where is", "where", "in what place") if before in PLACE_WORDS else ("who", "what", "which", "what is the name of")
        )
    return rng.choice(
        ("what", "what is", "what does", "which", "how", "how do I", "why", "what kind of", "how can", "what are", "what was")
    )


def _varied(word: str, rng: random.Random) -> str:
    if not word.isalpha() or len(word) < 4 or rng.random() > 0.18:
        return word
    for ending, other in (("ies", "y"), ("ing", ""), ("ed", ""), ("s", ""), ("", "s")):
        if word.endswith(ending):
            return word[: len(word) - len(ending)] + other
    return word


def _stem(word: str) -> str:
    word = word.lower().strip("'-").removesuffix("'s")
    for ending in ("ies", "ing", "ed", "es", "s", "y", "e"):
        if len(word) - len(ending) >= 3 and word.endswith(ending):
            return word[: -len(ending)]
    return word


def squad(path: Path) -> list[Asked]:
    """Read questions in SQuAD's JSON format (1.1 or 2.0); the answer becomes the sentence that holds it."""
    found = []
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            text = paragraph["context"]
            for question in paragraph["qas"]:
                answers = question["answers"]
                sentence = _sentence_at(text, answers[0]["answer_start"], answers[0]["text"]) if answers else ""
                if sentence or not answers:
                    known = tuple(answer["text"] for answer in answers)
                    found.append(Asked(question["question"].strip(), text, sentence, article["title"], known))
    return found


def adversarial(path: Path) -> list[Asked]:
    """Read the extractive questions of the evaluation data's `6_train` (adversarial_qa, template based_on)."""
    found = {}
    for row in json_lines(path):
        match = re.search(r"Question: (.+?)\nContext: (.+)", row["prompt"], re.DOTALL)
        if row["template"].startswith("adversarial_qa") and row["template"].endswith("based_on") and match:
            at = match[2].find(row["completion"])
            sentence = _sentence_at(match[2], at, row["completion"]) if at >= 0 else ""
            if sentence:
                found[match[1]] = Asked(match[1], match[2], sentence, "adversarial_qa", (row["completion"],))
    return list(found.values())


def _sentence_at(text: str, start: int, answer: str) -> str:
    """Return the sentence around `start`, or "" where the answer goes over its end."""
    sentence = next((text[begin:end] for begin, end in spans(text) if begin <= start < end), "")
    return sentence if answer in sentence else ""
