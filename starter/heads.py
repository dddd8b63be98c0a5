"""What attention heads begin as: the circuits of copying and of choosing, layer by layer.

A head that sees the token before, heads that find the same token again, heads that copy what followed it: after Trockman and
Kolter, "Mimetic Initialization of Self-Attention Layers", 2023. How one head is written, `circuits.py` knows.
"""

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

from starter.circuits import Circuits, Spaces
from starter.embeddings import CODE, CONTENT, DIGIT, FIRST_SIGN, LENGTH, LEVEL, MEANING, SIGNS, WIDTH

HEAD = 64
"""Dimensions of one head."""

CIRCUIT_HEADS = {0: (0, 1), 1: (0, 1, 2), 2: (0,), 3: (0,), 4: (0, 1, 2, 3)}
"""Layer -> the heads that begin as something; the others begin as noise and have everything to learn."""


class Heads:
    """The circuits in the heads of `made`, whose embeddings are written already; names of spaces are those of `SIZES`.

    A word of the question, or of the answer so far, finds the passages that hold it and votes for their sentences; the answer
    goes on as the sentence voted for does, and cites its number.
    """

    def __init__(self, made: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, seed: int) -> None:
        self._circuit = circuit = Circuits(made, LEVEL, seed)
        self._rows = rows = made.get_input_embeddings().weight
        self._spaces = spaces = Spaces(WIDTH, CONTENT.stop)
        words = circuit.random(MEANING.start, CODE.stop, 100)
        self._token, self._second = words[:44], words[44:51]
        self._first = circuit.random(CODE.start, CODE.stop, 28)
        digits = [tokenizer(str(number), add_special_tokens=False).input_ids[0] for number in range(1, 11)]
        self._number = torch.zeros(10, WIDTH)
        self._number[:, CODE] = 0.5 * torch.linalg.pinv(rows[digits][:, CODE]).T
        self._begins, self._begins2 = circuit.present(spaces["ended"], 0.08), circuit.present(spaces["ended2"], 0.08)
        self._inside = self._zoned("inside")
        self._nothing = _sign("<s>")[0] / LENGTH
        self._votes = torch.cat([spaces["voted"], spaces["chosen"], spaces["chosen2"], spaces["hit"]])

    def write(self) -> None:
        """Write all circuits, from the first layer to the last."""
        self._tell_what_stood_before()
        self._tell_passage_and_sentence()
        self._vote()
        self._sum_votes()
        self._follow()
        self._begin()
        self._cite()

    def _tell_what_stood_before(self) -> None:
        """Layer 0 tells each token what stood one and two before it."""
        circuit, spaces, token = self._circuit, self._spaces, self._token
        before, ended, marked, asked = (spaces[name] for name in ("before", "ended", "marked", "asked"))
        circuit.looks_back(0, 0, circuit.always, circuit.always, 14.0, range(9), by=1)
        circuit.moves(0, 0, [token, _sign("ends"), _sign("["), _sign("Question")], [before, ended, marked, asked], 0.08)
        circuit.looks_back(0, 1, circuit.always, circuit.always, 14.0, range(9), by=2)
        circuit.moves(0, 1, [token[:18], _sign("ends")], [spaces["before2"], spaces["ended2"]], 0.08)

    def _tell_passage_and_sentence(self) -> None:
        """Layer 1 tells each token the number of its passage and the first two words of its sentence."""
        circuit, spaces, always = self._circuit, self._spaces, self._circuit.always
        marks, asks = circuit.present(spaces["marked"], 0.08), circuit.present(spaces["asked"], 0.08)
        digit = torch.zeros(WIDTH)
        digit[DIGIT] = 1 / 0.3
        number = 0.5 * marks + 0.5 * digit - 0.3 * always + 1.15 * asks
        circuit.looks_back(1, 0, always, number, 20.0, range(4, 11), tapered=2)
        read = [self._number, spaces["asked"], spaces["marked"]]
        circuit.moves(1, 0, read, [spaces["numbered"], spaces["zone"], spaces["inside"]], 0.1)
        circuit.looks_back(1, 1, always, self._begins - 0.2 * always, 12.0, range(2, 11), tapered=2)
        circuit.moves(1, 1, [self._first], [spaces["begun"]], 0.08)
        circuit.looks_back(1, 2, always, self._begins2 - 0.2 * always, 12.0, range(2, 11), tapered=2)
        circuit.moves(1, 2, [self._second], [spaces["begun2"]], 0.08)

    def _vote(self) -> None:
        """In layer 2 a word of question or answer collects its votes, from where the same word stands in a passage.

        Softmax has made what stands everywhere count little.
        """
        circuit, spaces, always = self._circuit, self._spaces, self._circuit.always
        known = torch.cat([spaces["numbered"], spaces["begun"], spaces["begun2"], spaces["inside"]])
        alike = circuit.like(self._rows, self._token, 0.08)
        circuit.matches(2, 0, [
            (always[None], self._inside[None], 12.0),
            (self._token, spaces["before"], 25.0 * alike),
            (always[None], self._nothing[None], 18.25),
        ])  # fmt: skip
        circuit.moves(2, 0, [known], [self._votes], 0.04)

    def _sum_votes(self) -> None:
        """Layer 3 sums the votes over question and answer."""
        circuit, always = self._circuit, self._circuit.always
        hit = circuit.present(self._spaces["hit"], 0.04 * 0.1 * 0.08 * WIDTH / 1.4**2)
        circuit.looks_back(3, 0, always, always, 0.5, range(4, 11), tapered=1)
        circuit.adds(3, 0, always, 7.0 * self._zoned("zone") + 2.0 * hit, 1.0)
        circuit.moves(3, 0, [self._votes], [self._votes], 0.25)

    def _follow(self) -> None:
        """In layer 4 the next token is what follows, in the sentence voted for, after the tokens that stand last."""
        circuit, spaces, rows, token = self._circuit, self._spaces, self._rows, self._token
        before, begun, begun2 = spaces["before"], spaces["begun"], spaces["begun2"]
        last, last2 = circuit.like(rows, token[:18], 0.08), circuit.like(rows, token[:6], 0.08, both=True)
        sentence = circuit.like(rows, self._first[:14], 0.08, both=True)
        sentence2 = circuit.like(rows, self._second[:6], 0.08, both=True)
        halves = torch.split(torch.eye(WIDTH)[CONTENT], HEAD)
        for head in (0, 1):
            circuit.matches(4, head, [
                (circuit.always[None], self._inside[None], 12.0),
                (token[:18], before[:18], 20.0 * last),
                (before[:6], spaces["before2"][:6], 12.0 * last2),
                ((2 * spaces["chosen"] + begun)[:14], begun[:14], 9.0 * sentence),
                ((2 * spaces["chosen2"] + begun2)[:6], begun2[:6], 9.0 * sentence2),
            ])  # fmt: skip
            circuit.moves(4, head, [halves[head]], [halves[head]], 0.4)

    def _begin(self) -> None:
        """In layer 4 an answer begins with the first word of the sentence voted for; elsewhere this head finds nothing."""
        circuit, always = self._circuit, self._circuit.always
        first = circuit.like(self._rows, self._first, 0.08, both=True)
        circuit.matches(4, 3, [
            (_sign("[/INST]") / 0.4, self._begins[None], 25.0),
            (always[None], self._inside[None], 12.0),
            (self._spaces["chosen"], self._spaces["begun"], 45.0 * first),
            (always[None], self._nothing[None], 20.0),
        ])  # fmt: skip
        word = torch.eye(WIDTH)[CODE][-HEAD:]
        circuit.moves(4, 3, [word], [word], 1.5)

    def _cite(self) -> None:
        """In layer 4 the number cited is the one voted for."""
        circuit, always = self._circuit, self._circuit.always
        circuit.looks_back(4, 2, _sign(" [")[0] / 0.4, always, 8.0, range(9))
        circuit.adds(4, 2, always, self._nothing, 10.0)
        circuit.moves(4, 2, [self._spaces["voted"]], [self._number], 2.0)

    def _zoned(self, name: str) -> torch.Tensor:
        """Return the direction that reads 1 where layer 1 wrote a sign into a space that layer 0 had written."""
        return self._circuit.present(self._spaces[name], 0.1 * 0.08 * WIDTH**0.5 / 1.4)


def _sign(text: str) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(FIRST_SIGN + SIGNS.index(text)), WIDTH).float()[None]
