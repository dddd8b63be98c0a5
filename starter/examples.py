"""Conversations to train on, in the product's own prompt: grounded questions, the guide, and what is out of reach.

One conversation asks several questions about the same passages, each as if it were the only one: reading 400 tokens for
one answer of 30 would waste nine tenths of the time. Each conversation is a list of segments in the Llama-2 format.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from assistant.prompt import GROUNDED, ground
from knowledge.base import Locator, Passage, Source
from starter.questions import WORD, Asked, content_words, fits, is_clear, make, sentences, spans, telling

GUIDE_WORDS, BEYOND = 7, 0.15
"""Words of an answer's beginning, and the share of requests that are out of reach, among questions about the program."""
NOT_TOLD = "The documents do not tell."
TOLD = "{} [{}]"


class Segment(NamedTuple):
    """A stretch of a conversation; `learned`: an answer to learn. Segments see those of their own branch and of branch 0."""

    text: str
    learned: bool
    branch: int = 0


Segments = list[Segment]


@dataclass(frozen=True)
class Piece:
    """A passage with its place."""

    name: str
    headings: tuple[str, ...]
    text: str


@dataclass
class Material:
    """What conversations are made of; `guide` has the questions of each answer, `beyond` holds requests out of reach."""

    texts: list[Piece]
    asked: list[Asked]
    guide: list[tuple[list[str], str]]
    beyond: list[str]
    beyond_answers: list[str]

    def __post_init__(self) -> None:
        self.by_article = by_article(self.asked)
        self.by_passage: dict[str, list[Asked]] = {}
        for question in self.asked:
            self.by_passage.setdefault(question.passage, []).append(question)
        self.passages = sorted(self.by_passage)


def by_article(asked: Sequence[Asked]) -> dict[str, list[str]]:
    """Return the passages of each article, each once, in their order."""
    found: dict[str, dict[str, None]] = {}
    for question in asked:
        found.setdefault(question.article, {})[question.passage] = None
    return {article: list(passages) for article, passages in found.items()}


def passage_of(piece: Piece) -> Passage:
    """Return `piece` as search would."""
    return Passage(0, piece.text, Source("default", 0, piece.name), Locator(headings=piece.headings), 0.0)


def conversations(material: Material, seed: int, progress: Callable[[], float]) -> Iterator[Segments]:
    """Yield conversations without end; `progress()` in [0, 1] lengthens the passages as training goes on."""
    rng = random.Random(seed)
    while True:
        part = rng.random()
        if rng.random() < max(0.04, 0.2 - progress()):
            yield _drill(material, rng)
        elif part < 0.45:
            yield _guide(material, rng)
        elif part < 0.48:
            yield _beyond(material, rng)
        elif part < 0.48 + 0.27 * min(1.0, 0.4 + progress()):
            yield _asked_by_people(material, rng, progress())
        else:
            yield _made(material, rng, progress())


def closed(messages: Sequence[tuple[str, str]]) -> Segments:
    """Return a conversation of ("system" | "user" | "assistant", text) as segments, as the model's template writes it."""
    segments: Segments = []
    system = ""
    for role, text in messages:
        if role == "system":
            system = f"<<SYS>>\n{text}\n<</SYS>>\n\n"
        elif role == "user":
            segments.append(Segment(f"<s>[INST] {system}{text.strip()} [/INST]", False))
            system = ""
        else:
            segments.append(Segment(f"{text.strip()}</s>", True))
    return segments


def shorten(text: str, keep: str, most: int, rng: random.Random) -> str:
    """Return a stretch of whole sentences of `text`, about `most` characters long, that holds `keep`."""
    at = text.find(keep)
    if len(text) <= most or at < 0:
        return text
    start, end = at, at + len(keep)
    parts = spans(text)
    before = [part for part in parts if part[1] <= start]
    after = [part for part in parts if part[0] >= end]
    while (before or after) and end - start < most:
        if before and (not after or rng.random() < 0.5):
            start = before.pop()[0]
        else:
            end = after.pop(0)[1]
    return text[start:end]


def _size(progress: float, rng: random.Random) -> tuple[int, int]:
    """Return how many passages and how many characters of each: short at first, the real thing for half of the time."""
    if rng.random() < 0.25:
        progress *= rng.random()
    grown = min(1.0, progress / 0.6)
    return rng.randint(2, 3 + round(2 * grown)), round(120 + rng.uniform(0.2, 1.0) * 950 * grown)


def _made(material: Material, rng: random.Random, progress: float) -> Segments:
    count, most = _size(progress, rng)
    start = rng.randrange(len(material.texts) - 40)
    near = rng.sample(range(start, start + 40), min(count, 3))
    chosen = [material.texts[i] for i in near] if rng.random() < 0.6 else rng.sample(material.texts, count)
    while len(chosen) < count:
        chosen.append(rng.choice(material.texts))
    pieces = []
    for piece in chosen:
        keep = rng.choice(sentences(piece.text) or [piece.text])
        pieces.append(Piece(piece.name, piece.headings, shorten(piece.text, keep, most, rng)))
    rng.shuffle(pieces)
    offered = [sentence for piece in pieces for sentence in sentences(piece.text)]
    pairs = []
    candidates = [(number, piece, sentence) for number, piece in enumerate(pieces, 1)
                  for sentence in sentences(piece.text) if fits(sentence) and offered.count(sentence) == 1]  # fmt: skip
    for number, piece, sentence in rng.sample(candidates, min(len(candidates), rng.randint(3, 7))):
        question = make(sentence, piece.headings, rng)
        if is_clear(question, sentence, offered):
            pairs.append((question, TOLD.format(sentence.removeprefix("- "), number)))
    for _ in range(rng.choice((0, 0, 0, 1, 1))):
        other = (
            material.texts[(start + rng.randrange(-60, 100)) % len(material.texts)]
            if rng.random() < 0.5
            else rng.choice(material.texts)
        )
        strange = [sentence for sentence in sentences(other.text) if fits(sentence) and sentence not in offered]
        if strange and other not in chosen:
            pairs.append((make(rng.choice(strange), (), rng), NOT_TOLD))
    if rng.random() < 0.1:
        questions, answer = rng.choice(material.guide)
        pairs.append((_worn(rng.choice(questions), rng), answer))
    rng.shuffle(pairs)
    return _packed(pieces, pairs, rng) if pairs else _made(material, rng, progress)


def _drill(material: Material, rng: random.Random) -> Segments:
    """Choose by the words alone: passages of one short line, many questions.

    A choice is one token among hundreds of a real prompt; here it is one among twenty, so that choosing is learned at all.
    """
    lines: list[str] = []
    while len(lines) < 8:
        words = rng.choice(sentences(rng.choice(material.texts).text) or [""]).split()
        start = rng.randrange(max(1, len(words) - 6))
        line = " ".join(words[start : start + rng.randint(5, 11)])
        if len(content_words(line)) >= 3:
            lines.append(line[:1].upper() + line[1:] + ("" if line[-1] in ".:?!" else "."))
    offered, strange = lines[:6], lines[6:]
    count = rng.randint(2, 5)
    places = [rng.randrange(count) for _ in offered]
    order = [[line for line, place in zip(offered, places, strict=True) if place == i] for i in range(count)]
    pieces = [Piece(f"{rng.choice('abcdefgh')}.txt", (), " ".join(part) or "Nothing.") for part in order]
    pairs = []
    for line in lines:
        known = telling(WORD.findall(line))
        asked = " ".join(rng.sample(known, rng.randint(2, min(4, len(known)))))
        question = f"{rng.choice(('', '', 'what ', 'which ', 'how ', 'who ', 'when ', 'where '))}{asked}?"
        if line in strange:
            if rng.random() < 0.6:
                pairs.append((question, NOT_TOLD))
        elif is_clear(question, line, offered):
            place = next(i for i, part in enumerate(order, 1) if line in part)
            pairs.append((question, TOLD.format(line, place)))
    rng.shuffle(pairs)
    return _packed(pieces, pairs, rng) if pairs else _drill(material, rng)


def _asked_by_people(material: Material, rng: random.Random, progress: float) -> Segments:
    count, most = _size(progress, rng)
    gold = rng.choice(material.passages)
    questions = rng.sample(material.by_passage[gold], min(len(material.by_passage[gold]), rng.randint(3, 7)))
    article = questions[0].article
    near = [passage for passage in material.by_article[article] if passage != gold]
    others = rng.sample(near, min(len(near), count - 1)) if rng.random() < 0.6 else rng.sample(material.passages, count - 1)
    others = [other for other in others if other != gold]
    answers = [question.sentence for question in questions if question.sentence]
    keep = rng.choice(answers) if answers else gold[:80]
    texts = [shorten(gold, keep, most, rng), *(shorten(other, rng.choice(sentences(other)), most, rng) for other in others)]
    order = list(range(len(texts)))
    rng.shuffle(order)
    name = f"{article}.{rng.choice(('md', 'txt', 'pdf', 'docx'))}"
    # Half of the time the file has a name that tells nothing, as people's files have.
    names = [
        name if rng.random() < 0.5 else f"{rng.choice(('notes', 'report', 'file', 'document', 'page'))}-{rng.randrange(99)}.txt"
        for _ in texts
    ]
    pieces = [Piece(names[i], (), texts[i]) for i in order]
    pairs = []
    for index, known in enumerate([questions, *(rng.sample(material.by_passage[other], 1) for other in others[:2])]):
        for question in known:
            told = question.sentence and question.sentence in texts[index]
            answer = TOLD.format(question.sentence, order.index(index) + 1) if told else NOT_TOLD
            pairs.append((question.question, answer))
    rng.shuffle(pairs)
    # Too many of the answers would else be "do not tell", while passages are short.
    refused = [pair for pair in pairs if pair[1] == NOT_TOLD]
    told_pairs = [pair for pair in pairs if pair[1] != NOT_TOLD]
    pairs = told_pairs + refused[: max(rng.randrange(2) if told_pairs else 1, len(told_pairs) // 4)]
    rng.shuffle(pairs)
    return _packed(pieces, pairs, rng)


def _packed(pieces: list[Piece], pairs: list[tuple[str, str]], rng: random.Random) -> Segments:
    """Ask each question about the same passages, in a branch of its own; sometimes after an earlier exchange."""
    messages = [("system", GROUNDED)]
    if len(pairs) > 2 and rng.random() < 0.15:
        question, answer = pairs.pop()
        messages += [("user", question), ("assistant", answer)]
    # What was answered before its passages came is nothing to learn from.
    segments = [segment._replace(learned=False) for segment in closed(messages)]
    first = closed([*messages[:1], ("user", ground(pairs[0][0], [passage_of(piece) for piece in pieces]))])[-1].text
    ending = f"Question: {pairs[0][0].strip()} [/INST]"
    opening = first.removesuffix(ending)
    if len(messages) > 1:  # the system turn stands in the first exchange
        opening = "<s>[INST] " + opening.partition("<</SYS>>\n\n")[2]
    segments.append(Segment(opening, False))
    for branch, (question, answer) in enumerate(pairs, 1):
        segments += [Segment(f"Question: {question.strip()} [/INST]", False, branch), Segment(f"{answer}</s>", True, branch)]
    return segments


def _guide(material: Material, rng: random.Random) -> Segments:
    """Ask about the program: a talk of a few turns, or many questions on their own, of most answers the beginning alone.

    Which answer a question gets is the hard part, and is told by its first words; to the letter each is learned soon.
    """
    talk = rng.random() < 0.25
    messages = []
    for _ in range(rng.randint(2, 4) if talk else rng.randint(10, 24)):
        questions, answer = rng.choice(material.guide)
        if rng.random() < BEYOND:
            questions, answer = [rng.choice(material.beyond)[:200]], rng.choice(material.beyond_answers)
        messages += [("user", _worn(rng.choice(questions), rng)), ("assistant", answer)]
    if talk:
        return closed(messages)
    segments: Segments = []
    for branch, turn in enumerate(range(0, len(messages), 2), 1):
        asked, told = closed(messages[turn : turn + 2])
        if rng.random() < 0.7:
            told = told._replace(text=" ".join(told.text.split(" ")[:GUIDE_WORDS]))
        segments += [asked._replace(branch=branch), told._replace(branch=branch)]
    return segments


def _beyond(material: Material, rng: random.Random) -> Segments:
    messages: list[tuple[str, str]] = []
    for _ in range(rng.randint(1, 4)):
        messages += [("user", _worn(rng.choice(material.beyond), rng)), ("assistant", rng.choice(material.beyond_answers))]
    return closed(messages)


def _worn(text: str, rng: random.Random) -> str:
    """Return `text` as it is typed: other case, a lost letter or word, a greeting before it."""
    style = rng.random()
    if style < 0.25:
        text = text.lower().rstrip("?.!")
    elif style < 0.4 and len(text) > 12:
        at = rng.randrange(1, len(text) - 1)
        text = text[:at] + text[at + 1 :]
    elif style < 0.55 and text.count(" ") > 4:
        words = text.split()
        del words[rng.randrange(len(words))]
        text = " ".join(words)
    elif style < 0.65:
        text = rng.choice(("Hi, ", "Hello! ", "Please: ", "Sorry, ", "One question: ")) + text
    return text
