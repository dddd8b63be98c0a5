"""A question asked within a conversation, made one that can be searched for alone. Pure functions, by rule.

What the person said before counts along, the less the longer ago: "And with eight of them?" is about what was asked
last. Answers are left out: measured on MTRAG (248 questions), their words and vectors make the ranking worse.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from knowledge import terms

FADING = 0.5
"""What each turn counts of the one after it, in words and in the vector."""

JOINING = 0.3
"""What a word that only asks or joins ("which", "the") counts of one that names something."""

SPELT = 0.5
"""What a term of a script without spaces counts: a word of two characters is three terms there, and a name only one."""

GUESSED = 0.8
"""What a term counts that was read for a misspelt one."""

TURNS = 4
"""Earlier turns whose words count; of the vectors only the last one's does."""

LONGEST = 2000
"""Characters of a turn that are read: a question is shorter, and a pasted page would drown it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is searched for: texts and what the vector of each counts, and terms and what each counts.

    `text` is the question as a person may read it, with what was taken over from before; `turns`: the question and what
    was said before it, each with what its words count. `meant`: terms that stand for others, which were misspelt.
    """

    text: str
    texts: tuple[tuple[str, float], ...]
    words: dict[str, float]
    turns: tuple[tuple[str, float], ...] = ()
    meant: Mapping[str, str] = field(default_factory=dict)


def asked(question: str, earlier: Sequence[str] = ()) -> Asked:
    """Return what to search for; `earlier`: what the same person said before, the oldest first."""
    before = [turn.strip()[:LONGEST] for turn in reversed(earlier) if turn.strip()][:TURNS]
    words: dict[str, float] = {}
    for age, turn in enumerate((question, *before)):
        for word in terms.terms(turn):
            words.setdefault(word, FADING**age * _part(word))
    texts = ((question, 1.0), *((turn, FADING) for turn in before[:1]))
    turns = tuple((turn, FADING**age) for age, turn in enumerate((question, *before)))
    return Asked("\n".join((*before[:1], question)), texts, words, turns)


def respelt(question: Asked, meant: Mapping[str, str]) -> Asked:
    """Return what to search for with misspelt terms replaced by those that were `meant`, which count less: it is a guess."""
    words = {word: part for word, part in question.words.items() if word not in meant}
    for word, other in meant.items():
        words[other] = max(words.get(other, 0.0), GUESSED * question.words[word])
    return replace(question, words=words, meant=meant)


def without(question: Asked, apart: Collection[str]) -> Asked:
    """Return what to search for without terms that are no words but parts of two."""
    return replace(question, words={word: part for word, part in question.words.items() if word not in apart})


def _part(word: str) -> float:
    """Return what a term of the question counts beside its others."""
    return (JOINING if word in terms.FUNCTION_WORDS else 1.0) * (SPELT if terms.unspaced(word) else 1.0)
