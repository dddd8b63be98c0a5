"""An extractive summary: sentences that stand for most of some documents, word for word and with the numbers of their passages.

What is answered to "Summarise handbook.pdf" where the model is too small to summarise. Sentences are chosen by SumBasic
(Nenkova and Vanderwende, 2005): each is worth the mean probability of its words, and words that were taken count less from then
on. Pure functions; knows no run and no engine.
"""

import re
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from assistant.refusal import HAN
from assistant.support import sentences
from assistant.whole import even
from generation.base import Piece, Usage
from knowledge import terms
from knowledge.base import Passage

SENTENCES = 8
"""Sentences of one summary, unless the question wants fewer, or there are more documents."""
MOST = 20
SHORTEST, LONGEST = 5, 80
"""Words that a sentence must have and may have: shorter ones are headings and labels, longer ones lists and tables."""
FEW = 4
"""Words added to a sentence's length, so that a short one is not the best for the single frequent word in it."""
STRAY = 0.2
"""What a word counts that stands in one sentence only, where others count the sentences they stand in."""
FADING = 0.5
"""What a word counts after each sentence that has it. (SumBasic squares, which makes strays the best of a few sentences.)"""
OPENING = 1.5
"""What the first sentence of a passage counts more: texts say first what they are about."""

ENGLISH = (
    "The model is too small to summarise, so these are sentences of the documents themselves that stand for much of them:",
    "They are of {} of {} documents.",
)
CHINESE = ("当前模型太小，无法概括。以下是文档中较有代表性的原句：", "取自 {}/{} 个文档。")

Taken = tuple[str, Passage]
"""A sentence and the passage that it stands in."""

_COUNT = re.compile(
    r"(\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten|[一两二三四五六七八九十])\s*"
    "(?:short |brief )?(?:sentence|bullet|point|句|点)"
)
_NUMBERS = {
    word: number
    for words in (("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), "一二三四五六七八九十")
    for number, word in enumerate(words, 1)
} | {"两": 2}
_ENDED = re.compile(r"[.!?。！？][\"'”’»)\]]*$")
_AMID = re.compile(r"^(?:[a-z]+\b(?![-_./])|\d+\.\d)")
"""How what is cut out of a sentence, or the heading of a numbered section, begins."""
_BEGUN = re.compile(r"^(?:[-*•]\s+|\d+[.)]\s+|>\s+)?(?=[\w\"'“‘«(])")
_WRAPPED = re.compile(r"(?<=[^\n]{50}[^\s.!?。！？:：|])\n(?=[^\W\d]|[\"'“‘«(`])")
_MARKUP = re.compile(r"[|{}<>=\\]|```|!\[|\]\(|\w\(\)|://")
_CITED = re.compile(r"\s*\[\d+(?:,\s*\d+)*\]")


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence, where its passage stands among all, and the words that count."""

    text: str
    place: int
    words: frozenset[str]
    opening: bool


def wanted(question: str) -> int:
    """Return how many sentences `question` asks for: as many as it says ("in three sentences"), else `SENTENCES`."""
    match = _COUNT.search(question.casefold())
    if match is None:
        return SENTENCES
    return min(MOST, max(1, int(match[1]) if match[1].isdigit() else _NUMBERS[match[1]]))


def chosen(passages: Sequence[Passage], most: int) -> list[Taken]:
    """Return the sentences, in the order of the documents, each with its passage: of `MOST` documents one at least."""
    found: list[_Sentence] = []
    number = {passage.source.name for passage in passages}
    each = max(1, most // max(1, len(number)))
    for _, own in groupby(enumerate(passages), key=lambda placed: placed[1].source.name):
        found += _best(_sentences(list(own)), each)
    found.sort(key=lambda one: one.place)
    return [(one.text, passages[one.place]) for one in even(found, min(MOST, max(most, len(number))))]


def words(question: str, taken: Sequence[Taken], documents: int) -> str:
    """Return the summary in the language of `question`; its numbers are those of `sources`. `documents`: of how many it is."""
    offered = sources(taken)
    names = {passage.source.name for passage in offered}
    told, part = CHINESE if HAN.search(question) else ENGLISH
    blocks = [told] if len(names) == documents else [told, part.format(len(names), documents)]
    for name, own in groupby(taken, key=lambda pair: pair[1].source.name):
        blocks += [f"**{name}**"] if documents > 1 else []
        blocks.append("\n".join(f"- {text} [{offered.index(passage) + 1}]" for text, passage in own))
    return "\n\n".join(blocks)


async def pieces(text: str) -> AsyncGenerator[Piece, None]:
    """Yield a summary as an engine yields an answer, at the cost of no token."""
    yield Piece(text)
    yield Piece("", "stop", Usage(0, 0))


def sources(taken: Sequence[Taken]) -> list[Passage]:
    """Return the passages that sentences were taken from, each once, in order."""
    return list({passage.chunk_id: passage for _, passage in taken}.values())


def _sentences(placed: Sequence[tuple[int, Passage]]) -> list[_Sentence]:
    found: dict[str, _Sentence] = {}
    for place, passage in placed:
        first, whole = True, _WRAPPED.sub(" ", passage.text)
        for start, end in sentences(whole):
            text = _CITED.sub("", _BEGUN.sub("", whole[start:end].strip(), count=1))
            words = frozenset(terms.terms(text)) - terms.FUNCTION_WORDS
            if _whole(text, len(words)):
                found.setdefault(text.casefold(), _Sentence(text, place, words, first))
                first = False
    return list(found.values())


def _whole(text: str, words: int) -> bool:
    """Return whether `text` reads as a sentence of its own."""
    if not SHORTEST <= words <= LONGEST or _AMID.match(text) or _MARKUP.search(text):
        return False
    return bool(_ENDED.search(text) and _BEGUN.match(text))


def _best(candidates: Sequence[_Sentence], most: int) -> list[_Sentence]:
    counts = Counter(word for one in candidates for word in one.words)
    whole = sum(counts.values())
    weight = {word: (count if count > 1 else STRAY) / whole for word, count in counts.items()}
    left, found = list(candidates), list[_Sentence]()
    while left and len(found) < most:
        best = max(left, key=lambda one: _worth(one, weight))
        found.append(best)
        left.remove(best)
        for word in best.words:
            weight[word] *= FADING
    return found


def _worth(one: _Sentence, weight: Mapping[str, float]) -> float:
    mean = sum(weight[word] for word in one.words) / (len(one.words) + FEW)
    return mean * OPENING if one.opening else mean
