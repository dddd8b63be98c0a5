"""How much passages tell about a question, in [0, 1]: what "the documents do not tell" is decided by. Pure functions.

A score orders the passages of one search; it grows and shrinks with how rare words are in the base, so one threshold on it
cannot serve a note of three passages and a shelf of thousands. This measure knows no base: the part of the words that name
something in the question which one passage holds, joined with its cosine, which counts less where the embedding model does not
know the question's script. What follows from it, whoever asks decides. Figures: docs/decisions.md.
"""

import re
from collections.abc import Mapping, Sequence

from knowledge import terms
from knowledge.base import Passage

COSINE = 0.6
"""What the cosine counts of the evidence where the embedding model knows all words of the question."""

ALONE = 0.8
"""What the cosine is worth alone: a model that knows several languages finds texts that share no word with the question."""

SINGLE = 0.5
"""What a single Han character counts beside pairs of them: it is in many passages by chance."""

REQUESTS = """
anything article book brief briefly chapter content contents describe doc document documents everything explain file files
give idea key know list main more outline overview page paper passage pdf please point points say section show sum
summaries summarise summarize summary tell text title topic topics write
"""
"""Words that ask something of the documents themselves, whatever is in them."""

_IDLE = terms.FUNCTION_WORDS | {terms.stem(word) for word in REQUESTS.split()}
_CHINESE = re.compile(
    "请|帮我|给我|告诉我|总结|概括|概述|归纳|摘要|简介|介绍|说明|解释|列出|翻译|这个|这些|这份|这篇|那个|那些|上述|以上|一下|所有|全部"
    "|文档|文件|文章|文本|资料|内容|段落|章节|主要|要点|重点|大意|讲了|说了|写了|讲的|关于|什么|怎么|怎样|如何|为什么|哪个|哪些|哪里"
    "|多少|几个|是否|可以|能否|有没有|吗|呢|的|了"
)


def evidence(
    turns: Sequence[tuple[str, float]], passages: Sequence[Passage], familiar: float, meant: Mapping[str, str] | None = None
) -> float:
    """Return the evidence of the best of `passages`, in [0, 1]: 0.0 without any, 1.0 for a question that names nothing.

    `turns`: the question and what was said before, each with what it counts. `familiar`: how well the embedding model
    knows the question's words, in [0, 1]. `meant`: terms that stand for misspelt ones.
    Passages bring their cosine as the score "dense".
    """
    named = {(meant or {}).get(term, term): counts for term, counts in naming(turns).items()}
    whole = sum(named.values())
    if not passages:
        return 0.0
    if not whole:
        return 1.0
    weight, best = COSINE * familiar, 0.0
    for passage in passages:
        cosine = min(1.0, max(0.0, passage.scores.get("dense", 0.0)))
        alone = ALONE * familiar * cosine
        if max(weight * cosine + 1 - weight, alone) <= best:  # even if it held all words, so they are not read
            continue
        texts = (passage.source.name, *passage.locator.headings, passage.text)
        held = [terms.held(text) for text in texts]
        part = sum(counts for term, counts in named.items() if any(term in one for one in held)) / whole
        best = max(best, weight * cosine + (1 - weight) * part, alone)
    return best


def naming(turns: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Return the terms that name something, and what each counts: none that only asks, joins, or means the documents."""
    found: dict[str, float] = {}
    for turn, counts in turns:
        for run in _CHINESE.split(turn):
            words = [word for word in terms.terms(run) if word not in _IDLE]
            paired = any(len(word) == 2 and terms.unspaced(word) for word in words)
            for word in words:
                found.setdefault(word, counts * SINGLE if paired and len(word) == 1 and terms.unspaced(word) else counts)
    return found
