"""Cuts the blocks of a document into chunks, measured in the tokens of the embedding model, so that none is truncated.

Pure functions: which model it is, and what becomes of the chunks, they do not know. A chunk is embedded together with
its headings, or the name of its document where there are none, and without its markup (`Chunk.embedded`); it is shown as
it stands in its file (`Chunk.text`), and that is what its limit is measured by.
Measured with MiniLM (EasyCV documents, passage recall@4, tokens of 4): name and headings 0.57, 457; headings 0.62, 416;
nothing 0.52, 425; small sections merged and headings 0.57, 503. FastAPI's 0.86, but with nothing 0.71.

- Blocks below the same headings are merged as long as they fit; text is cut between sentences, Latin and CJK.
- A code block or a table stays whole where it fits. Else code is cut between lines, and a table between rows, each
  part repeating the header row.
- What is still too long (a sentence of a thousand words, a line of base64) is cut at a line end, a space, or anywhere.
- Neighbouring chunks share whole sentences up to the overlap, on one page only: a chunk's page is its text's.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePath
from typing import Protocol

from knowledge.base import Locator
from knowledge.loaders.base import Block
from knowledge.pieces import Piece, pieces_of
from knowledge.plain import plain

SLAB = 2000
"""Texts given to the tokenizer at once: its speed needs thousands, the memory of its answers no more."""

RULE = re.compile(r"[|:+ \t]*[-=][-|:+= \t]*\n?")
"""The line below a header row."""

PREFIX_PART = 5
"""Names and headings may take at most this fraction (1/5) of what the model reads."""


class Tokens(Protocol):
    """The tokenizer of the embedding model, as far as cutting needs it; special tokens are not counted."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has."""

    def ends(self, text: str) -> list[int]:
        """Return the character offset at which each token of the text ends."""


@dataclass(frozen=True, slots=True)
class Size:
    """Limits in tokens: of a chunk's text, of what neighbours share, and of all that the model reads at once."""

    chunk: int
    overlap: int
    whole: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document to embed; `prefix` is its line of headings; `tokens` are those of `embedded`."""

    text: str
    prefix: str
    locator: Locator
    tokens: int

    @property
    def embedded(self) -> str:
        """What the model reads."""
        return self.prefix + plain(self.text)


def _nothing() -> None:
    """Check nothing."""


def split(blocks: Iterable[Block], name: str, tokens: Tokens, size: Size, check: Callable[[], None] = _nothing) -> list[Chunk]:
    """Return the chunks of a document in order; every character but white space of every block is in one or more.

    `check` is called between steps and may raise to stop the work.
    """
    drafts: list[Chunk] = []
    pieces = _measured([piece for block in blocks for piece in pieces_of(block)], tokens, check)
    for headings, section in groupby(pieces, key=lambda piece: piece.block.locator.headings):
        prefix, taken = _prefix(name, headings, tokens, size.whole // PREFIX_PART)
        limit = max(1, min(size.chunk, size.whole - taken))
        fitting = _fitting(section, tokens, limit)
        drafts += [Chunk(text, prefix, locator, taken + limit) for text, locator in _pack(fitting, limit, size.overlap)]
        check()
    return list(_counted(drafts, tokens, check))


def embedded(text: str, name: str, headings: tuple[str, ...], tokens: Tokens, whole: int) -> str:
    """Return what a model that reads `whole` tokens is given of a passage that was cut before."""
    return _prefix(name, headings, tokens, whole // PREFIX_PART)[0] + plain(text)


def _prefix(name: str, headings: tuple[str, ...], tokens: Tokens, limit: int) -> tuple[str, int]:
    """Return the headings, or else the name, as one line, and its tokens; the outermost headings give way first."""
    parts = [part for part in headings or (PurePath(name).stem,) if part.strip()]
    while parts:
        line = " > ".join(parts) + "\n"
        taken = tokens.count([line])[0]
        if taken <= limit:
            return line, taken
        parts = parts[1:]
    return "", 0


def _measured(pieces: list[Piece], tokens: Tokens, check: Callable[[], None]) -> list[Piece]:
    """Return the pieces of a document, their tokens counted: all together, for that is what a tokenizer is quick at."""
    for piece, count in zip(pieces, _count([piece.text for piece in pieces], tokens, check), strict=True):
        piece.measure(count)
    return pieces


def _fitting(section: Iterable[Piece], tokens: Tokens, limit: int) -> list[list[Piece]]:
    """Return the pieces of each block, none longer than `limit` tokens."""
    fitting = (
        part for piece in section for part in (piece.cut(tokens.ends(piece.text), limit) if piece.cost > limit else [piece])
    )
    return [list(members) for _, members in groupby(fitting, key=lambda piece: id(piece.block))]


def _count(texts: list[str], tokens: Tokens, check: Callable[[], None]) -> list[int]:
    counts: list[int] = []
    for start in range(0, len(texts), SLAB):
        counts += tokens.count(texts[start : start + SLAB])
        check()
    return counts


def _pack(blocks: list[list[Piece]], limit: int, overlap: int) -> Iterator[tuple[str, Locator]]:
    """Yield text and locator of the chunks of one section."""
    draft = _Draft(limit, overlap)
    for pieces in blocks:
        whole = pieces[0].block.kind != "text" and sum(piece.cost for piece in pieces) <= limit
        header = [] if whole else _header(pieces, limit)
        for atom in [pieces] if whole else _atoms(pieces, limit):
            if not draft.fits(atom) or draft.is_on_another_page(atom[0].block):
                yield from draft.close()
                draft.open(atom, header)
            draft.pieces += atom
    yield from draft.close()


def _header(pieces: list[Piece], limit: int) -> list[Piece]:
    """Return what each part of a table that must be cut repeats: its caption, its header row, the rule.

    Without the caption, or not at all, where it would take half a chunk.
    """
    if pieces[0].block.kind != "table" or len(pieces) < 2:
        return []
    rule = _rule(pieces)
    for header in (pieces[: rule + 1], pieces[max(rule - 1, 0) : rule + 1]):  # a caption, perhaps an empty line, come first
        if sum(piece.cost for piece in header) <= limit // 2:
            return header
    return []


def _atoms(pieces: list[Piece], limit: int) -> list[list[Piece]]:
    """Return what is not divided further: pieces, and of a table its caption and header with the row below them."""
    rule = _rule(pieces) if pieces[0].block.kind == "table" else 0
    first = pieces[: rule + 2]
    if not rule or _cost(first) > limit:
        return [[piece] for piece in pieces]
    return [first, *([piece] for piece in pieces[rule + 2 :])]


def _rule(pieces: list[Piece]) -> int:
    """Return the place of the line below a table's header row; a caption, perhaps an empty line, come before that row."""
    return next((place for place in (1, 2, 3) if place < len(pieces) and RULE.fullmatch(pieces[place].text)), 0)


class _Draft:
    """The chunk being filled."""

    def __init__(self, limit: int, overlap: int) -> None:
        self.pieces: list[Piece] = []
        self._limit = limit
        self._overlap = overlap

    def fits(self, atom: list[Piece]) -> bool:
        return _cost(self.pieces) + _cost(atom) <= self._limit

    def is_on_another_page(self, block: Block) -> bool:
        """Whether a table would stand in a chunk of an earlier page: each of its rows is to be found on its page."""
        return block.kind == "table" and self.pieces != [] and self.pieces[0].block.locator.page != block.locator.page

    def close(self) -> Iterator[tuple[str, Locator]]:
        """Yield the chunk unless it is blank."""
        held = [piece for piece in self.pieces if piece.text.strip() and not piece.is_repeated]
        if held:
            yield _text(self.pieces), _locator(held)

    def open(self, atom: list[Piece], header: list[Piece]) -> None:
        """Start the next chunk, which will begin with `atom`, by what it shares with the last one."""
        continues = bool(header) and self.pieces != [] and self.pieces[-1].block is atom[0].block
        shared = [piece.repeated() for piece in header] if continues else self._shared(atom[0])
        while shared and _cost(shared) + _cost(atom) > self._limit:
            shared = [] if continues else shared[1:]
        self.pieces = shared

    def _shared(self, following: Piece) -> list[Piece]:
        shared: list[Piece] = []
        for piece in reversed(self.pieces[1:]):
            alike = piece.block.kind == "text" and piece.block.locator.page == following.block.locator.page
            if not alike or _cost(shared) + piece.cost > self._overlap:
                break
            shared.insert(0, piece)
        return shared


def _cost(pieces: list[Piece]) -> int:
    return sum(piece.cost for piece in pieces)


def _text(pieces: list[Piece]) -> str:
    parts = ("".join(piece.text for piece in members) for _, members in groupby(pieces, key=lambda piece: id(piece.block)))
    return "\n\n".join(part.strip("\n").rstrip() for part in parts if part.strip()).strip("\n")


def _locator(held: list[Piece]) -> Locator:
    spans = [span for piece in held if (span := piece.lines()) is not None]
    first, last = (min(span[0] for span in spans), max(span[1] for span in spans)) if spans else (None, None)
    return Locator(held[0].block.locator.page, held[0].block.locator.headings, first, last)


def _counted(drafts: list[Chunk], tokens: Tokens, check: Callable[[], None]) -> Iterator[Chunk]:
    """Yield the chunks with their true number of tokens, each over its limit halved until it fits.

    Pieces need not add up: a tokenizer may see two tokens where two pieces meet, so what counts is counted at the end.
    """
    for draft, count in zip(drafts, _count([draft.embedded for draft in drafts], tokens, check), strict=True):
        if count <= draft.tokens or len(draft.text) < 2:
            yield Chunk(draft.text, draft.prefix, draft.locator, count)
            continue
        middle = len(draft.text) // 2
        space = draft.text.rfind(" ", middle // 2, middle) + 1 or middle
        halves = [half for half in (draft.text[:space], draft.text[space:]) if half.strip()]
        yield from _counted([Chunk(half, draft.prefix, draft.locator, draft.tokens) for half in halves], tokens, check)
