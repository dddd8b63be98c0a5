"""Texts into the terms that lexical search compares, and terms into the bytes kept beside a passage. Pure functions.

Words are folded (NFKC, case) and cut to a stem by a few rules of English, which leave words of other languages nearly
alone. Scripts written without spaces give single characters and pairs of neighbours. Names with joints (paths,
`--options`, versions, `snake_case`) are a term as a whole besides their parts. What is searched, this does not know.
"""

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import PurePath

import numpy as np
import numpy.typing as npt

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u3100-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, kana, Bopomofo, Han and Hangul: words are not set apart by spaces, or not reliably."""

MOST = 255
"""A term counts at most this often in one passage: its number is kept in one byte."""

_WORD = re.compile(rf"([{UNSPACED}]+)|[^\W_{UNSPACED}]+")
# Begun only where a word begins, and never given back: a line of a million letters is read once.
_NAME = re.compile(
    rf"(?<![^\W{UNSPACED}])(?:[^\W{UNSPACED}]++(?:[-./:+#@]++[^\W{UNSPACED}]++)++"
    rf"|[^\W_{UNSPACED}]++(?:_++[^\W_{UNSPACED}]++)++)"
)
_UNSPACED = re.compile(f"[{UNSPACED}]")
_VOWEL = re.compile("[aeiouy]")
_SYLLABLE = re.compile("[aeiouy]+[^aeiouy]")
# Verbs of three letters that end in "e": used, died, owed; using, dying, owing. Not need, nor going.
_SHORT = re.compile("([aeiouy][^e]|[^aeiouy][aiouy])ed|([aeiou][^aeiou]|[^aeiou]y)ing")
_KEY = np.dtype("<u4")
_FIGURES = "0123456789.,:/+-_#@"
"""What a term of figures alone is made of."""
# What `_WORD` and `_NAME` find in a folded text of ASCII alone, in half the time.
_ASCII_WORD = re.compile("[a-z0-9]+")
_ASCII_NAME = re.compile(r"(?<![a-z0-9_])(?:[a-z0-9_]++(?:[-./:+#@]++[a-z0-9_]++)++|[a-z0-9]++(?:_++[a-z0-9]++)++)")

Keys = npt.NDArray[np.uint32]


def terms(text: str) -> list[str]:
    """Return the terms of a text, as often as they occur."""
    if text.isascii():
        folded = text.lower()
        return [*map(stem, _ASCII_WORD.findall(folded)), *_ASCII_NAME.findall(folded)]
    folded = unicodedata.normalize("NFKC", text).casefold()
    found: list[str] = []
    for match in _WORD.finditer(folded):
        if run := match[1]:
            found += run
            found += [first + second for first, second in pairwise(run)]
        else:
            found.append(stem(match[0]))
    found += _NAME.findall(folded)
    return found


@lru_cache(maxsize=64)
def held(text: str) -> frozenset[str]:
    """Return the terms of a text, each once; kept for the texts that a search looks at several times."""
    return frozenset(terms(text))


def unspaced(term: str) -> bool:
    """Whether a term is a character, or two, of a script without spaces."""
    return _UNSPACED.match(term) is not None


def joins(term: str) -> bool:
    """Whether a term is a pair of characters of which one alone may ask or join, so that it may be parts of two words."""
    return len(term) == 2 and unspaced(term) and term not in FUNCTION_WORDS and not FUNCTION_WORDS.isdisjoint(term)


@lru_cache(maxsize=32_768)  # as many words as a text of a million has; most of a text are a few thousand
def stem(word: str) -> str:
    """Return a folded word without the commonest endings of English; of other scripts, as it is."""
    if len(word) < 4 or not (word.isascii() and word.isalpha()):
        return word
    word = _singular(word)
    if short := _SHORT.fullmatch(word):
        return _of_three(*short.groups())
    word = _adjective(_unbound(word))
    if len(word) > 3:
        word = word.removesuffix("e")
    word = word[:-1] + "i" if len(word) > 3 and word[-1] == "y" else _verb(word)
    return word[:-1] if word.endswith("ll") and _long(word[:-1]) else word  # "controlled" as "control"


def _of_three(past: str, going: str) -> str:
    """Return the verb of three letters of "used" (given as its first two letters) or of "using" and "dying"."""
    if past:
        return f"{past}e"
    return f"{going[0]}ie" if going[1] == "y" else f"{going}e"


def _unbound(word: str) -> str:
    """Return a word without the endings of a verb in the past or in progress."""
    for ending in ("ingly", "edly", "ing", "ed"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= 3 and _VOWEL.search(rest):
            doubled = len(rest) > 3 and rest[-1] == rest[-2] and rest[-1] not in "lsz"
            return rest[:-1] if doubled else rest
    return word


def _adjective(word: str) -> str:
    """Return an adverb as the adjective it is made of: "currently" is "current", "possibly" is "possible"."""
    rest = word.removesuffix("ly")
    if rest == word or not _long(rest) or rest[-1] == "p":  # "multiply" is a verb
        return word
    return f"{rest}le" if rest[-1] == "b" else rest


def _verb(word: str) -> str:
    """Return a word, already without its "e", as the verb it is made of: "validation" and "validat" are "valid"."""
    if word.endswith(("sion", "tion")) and _long(word[:-3]):
        word = word[:-3]
    return word[:-2] if word.endswith("at") and _long(word[:-2]) else word


def _long(word: str) -> bool:
    """Whether a word stays itself without its ending, by Porter's measure (1980): "predict" does, "sect" does not."""
    return len(_SYLLABLE.findall(word)) > 1


ENGLISH = """
a about am an and are as at be been by can could did do does doing for from had has have how i if in into is it its may me
might my no not of on or our shall should so than that the their then there these this those to was we were what when where
which who whom whose why will with would you your
"""
CHINESE = """
什么 怎么 怎样 如何 哪个 哪种 哪些 哪几 哪里 多少 几个 什 么 哪 吗 呢 的 是 了 在 会 能 有 用 和 与 该 需 要 个 为
"""


def _singular(word: str) -> str:
    if not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("sses", "ches", "shes", "xes", "zes")) else word[:-1]


FUNCTION_WORDS = frozenset([stem(word) for word in ENGLISH.split()] + CHINESE.split())
"""Terms that ask or join and name nothing: in a manual, which asks nothing, even "what" is rare."""


def title(name: str, headings: Sequence[str]) -> str:
    """Return what a passage stands below: its headings, or the name of its document where there are none."""
    return " > ".join(part for part in headings if part.strip()) or PurePath(name).stem


def of_passage(name: str, headings: Sequence[str], text: str) -> list[str]:
    """Return the terms a passage is found by: of its text, its headings and the name of its document."""
    return terms("\n".join((name, *headings, text)))


@lru_cache(maxsize=32_768)
def key(term: str) -> int:
    """Return the number a term is kept by, odd for figures; of 200,000 terms some nine share theirs with another."""
    return zlib.crc32(term.encode("utf-8", "surrogatepass")) & ~1 | (not term.strip(_FIGURES))


def name_something(keys: Keys) -> npt.NDArray[np.bool_]:
    """Return which of some keys are of terms that are no figures: a table's figures make it no longer."""
    found: npt.NDArray[np.bool_] = keys % 2 == 0
    return found


def pack(found: Iterable[str]) -> bytes:
    """Return terms as bytes: their keys in order, four bytes each, then how often each occurs, one byte each."""
    counts = Counter(key(term) for term in found)
    keys = sorted(counts)
    return np.array(keys, dtype=_KEY).tobytes() + bytes(min(counts[number], MOST) for number in keys)


def unpack(packed: Sequence[bytes]) -> tuple[npt.NDArray[np.int32], Keys, npt.NDArray[np.uint8]]:
    """Return row (position in `packed`), key and count of every term of several texts."""
    sizes = [len(one) // 5 for one in packed]
    keys = b"".join([one[: 4 * size] for one, size in zip(packed, sizes, strict=True)])
    counts = b"".join([one[4 * size :] for one, size in zip(packed, sizes, strict=True)])
    rows = np.repeat(np.arange(len(packed), dtype=np.int32), sizes)
    return rows, np.frombuffer(keys, dtype=_KEY).astype(np.uint32, copy=False), np.frombuffer(counts, dtype=np.uint8)
