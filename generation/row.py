"""One answer in a batch: its tokens, how many of them are in its memory, and what it feeds next. Knows no other row.

Reading a prompt, writing an answer and reading everything again after the memory was given away are the same thing: feed
what is not yet in memory, and choose a token when the last one has been fed.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from generation.answer import Answer
from generation.choice import Choice
from generation.key_values import KeyValues
from generation.kv_memory import Kept
from generation.prompt_lookup import PromptLookup
from generation.ragged_forward import Part


class Row:
    """`ids`: prompt and answer so far; the first `read` are in `memory`."""

    def __init__(self, answer: Answer, device: torch.device, lookup: int) -> None:
        self.answer = answer
        self.ids = list(answer.prompt.token_ids)
        self.read = 0
        self.memory: KeyValues | None = None
        self.choice = Choice(answer.sampling, self.ids, device)
        self.begun = self.ended = False
        self._lookup = PromptLookup(lookup) if lookup else None
        self._guess: list[int] = []

    @property
    def unread(self) -> int:
        """Tokens not yet in memory: one while it writes, more while it reads."""
        return len(self.ids) - self.read

    def guess(self, most: int) -> int:
        """Guess what comes next, for the next `part`; returns how many tokens were guessed."""
        room = min(most, self.answer.limit - self.answer.made - 1)
        self._guess = self._lookup.guess(self.ids, room) if self._lookup else []
        return len(self._guess)

    def part(self, memory: KeyValues, most: int) -> Part:
        """Return what to feed into `memory`: at most `most` tokens, and the guess behind the last one."""
        end = min(len(self.ids), self.read + most)
        if end < len(self.ids):
            return Part(memory, self.read, self.ids[self.read : end], 0)
        return Part(memory, self.read, [*self.ids[self.read :], *self._guess], 1 + len(self._guess))

    def take(self, part: Part, logits: Tensor, largest: Sequence[int] | None, ends: frozenset[int]) -> None:
        """Choose from the logits of `part`, shape (wanted, vocabulary); `largest`: their largest ids if known.

        What was guessed stands as long as the choice is the guess: each token is chosen as if there were no guess.
        """
        self.read = part.start + len(part.ids) - max(0, part.wanted - 1)
        # Chosen one by one as they are needed: a choice that is not needed would use up a random number.
        chosen = (largest[place] if largest is not None else self.choice(logits[place]) for place in range(part.wanted))
        right = self._extend(chosen, ends)
        if self._lookup:
            self._lookup.judge(len(self._guess), right)
        self._guess = []

    def _extend(self, chosen: Iterable[int], ends: frozenset[int]) -> int:
        """Append what is `chosen` as far as the guess before it was right; returns how much of the guess was."""
        right = 0
        for right, token in enumerate(chosen):
            if token in ends:
                self.ended = True
                break
            self.ids.append(token)
            self.answer.push(token)
            self.ended = not self.answer.wanted
            if self.ended or self._guess[right : right + 1] != [token]:
                break
            self.read += 1
        return right

    def kept(self) -> Kept | None:
        """Return what is in memory, for others to begin with."""
        return Kept(np.asarray(self.ids[: self.read], dtype=np.int64), self.memory) if self.memory and self.read else None
