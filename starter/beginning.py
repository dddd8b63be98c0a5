"""Where training begins: weights that already know which tokens are alike and how to look for what stood before.

Copying and looking up emerge abruptly and late from noise; on a CPU most of the budget would go there. So a few attention
heads begin as what they end as in every trained model (a head that sees the token before, heads that find the same token
again, heads that copy what followed it; after Trockman and Kolter, "Mimetic Initialization of Self-Attention Layers", 2023),
and tokens of one word begin alike, those of related words a little (from all-MiniLM-L6-v2, Apache-2.0).
All of it is trained on; nothing is frozen.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from sklearn.decomposition import PCA
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from knowledge.embeddings import Embedder

CONSTANT, FLAGS, MEANING, CODE = 1, 8, 48, 71
"""Dimensions of an embedding: one constant (heads that look at positions need it), flags of its spelling, its meaning, and
a code of the word itself. The other half of the width begins empty: there the heads write what they find."""
BEFORE, NUMBERED, VOTED, BEGUN, CHOSEN = 48, 12, 12, 28, 28
"""Dimensions of what heads write: the token before, the number of one's passage and the votes on it, the first word of
one's sentence and the votes on that."""
CONTENT = CONSTANT + FLAGS + MEANING + CODE
SLOW = 12
"""Rotary pairs from this one on turn by less than one radian in 130 tokens, so words match wherever they stand."""

Matrix = npt.NDArray[np.float32]


def config(vocabulary: int, context: int) -> LlamaConfig:
    """Return the architecture: Llama 2, 8 M parameters."""
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=64,
        max_position_embeddings=context,
        rope_parameters={"rope_type": "default", "rope_theta": 500_000.0},
        tie_word_embeddings=True,
        rms_norm_eps=1e-5,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )


def model(tokenizer: PreTrainedTokenizerBase, context: int, seed: int) -> LlamaForCausalLM:
    """Return a model to train."""
    torch.manual_seed(seed)
    made = LlamaForCausalLM(config(len(tokenizer), context))
    with torch.no_grad():
        made.get_input_embeddings().weight.copy_(torch.from_numpy(_embeddings(tokenizer, made.config.hidden_size)))
        _heads(made, tokenizer, seed)
    return made


def _embeddings(tokenizer: PreTrainedTokenizerBase, width: int) -> Matrix:
    texts = [tokenizer.decode([number]) for number in range(len(tokenizer))]
    words = [text.strip().lower() or repr(text) for text in texts]
    rows = np.zeros((len(texts), width), np.float32)
    rows[:, 0] = 0.4
    for row, text in zip(rows, texts, strict=True):
        row[CONSTANT : CONSTANT + FLAGS] = 0.3 * _spelling(text)
    rows[:, CONSTANT + FLAGS : CONSTANT + FLAGS + MEANING] = 0.6 * _meanings(words)
    rows[:, CONTENT - CODE : CONTENT] = 0.7 * np.stack([_code(word, CODE) for word in words])
    return rows


def _spelling(text: str) -> Matrix:
    letters = text.strip()
    spaced, upper, lines = text[:1] == " ", letters[:1].isupper(), "\n" in text
    signs = (spaced, upper, letters.isupper() and len(letters) > 1, letters.isdigit(), letters.isalpha(), lines, not letters,
             not letters.isascii())  # fmt: skip
    return np.array([1.0 if sign else 0.0 for sign in signs], np.float32)


def _meanings(words: Sequence[str]) -> Matrix:
    embedder = Embedder(None)
    embedder.load(lambda what, share: None)
    vectors = np.asarray(embedder.encode(list(words)), np.float32)
    return _unit(PCA(MEANING, random_state=0).fit_transform(vectors).astype(np.float32))


def _code(word: str, width: int) -> Matrix:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    code: Matrix = _unit(np.random.default_rng(seed).standard_normal((1, width)).astype(np.float32))[0]
    return code


def _unit(rows: Matrix) -> Matrix:
    unit: Matrix = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)).astype(np.float32)
    return unit


class _Circuits:
    """Writes the weights of single attention heads. A *space* is a part of the residual stream, as rows of its directions."""

    def __init__(self, made: LlamaForCausalLM, seed: int) -> None:
        self._layers = [layer.self_attn for layer in made.model.layers]
        self._size, self._width = made.config.head_dim, made.config.hidden_size
        self._random = torch.Generator().manual_seed(seed)
        half = self._size // 2
        self._turns = made.config.rope_parameters["rope_theta"] ** (-torch.arange(half) / half)
        self.constant = torch.zeros(self._width)
        self.constant[0] = 1.0
        for layer in self._layers:
            layer.o_proj.weight.mul_(0.3)

    def spaces(self, *sizes: int) -> list[torch.Tensor]:
        """Return the parts of the stream that begin empty, of the given sizes, as rows that select their dimensions."""
        empty = torch.eye(self._width)[CONTENT:]
        return list(torch.split(empty, list(sizes)))

    def content(self, size: int) -> torch.Tensor:
        """Return `size` random directions in what a token is, orthogonal to each other."""
        width = CONTENT - CONSTANT
        turned: torch.Tensor = torch.linalg.qr(torch.randn(width, width, generator=self._random))[0]
        rows = torch.zeros(size, self._width)
        rows[:, CONSTANT : CONSTANT + width] = turned[:size]
        return rows

    def looks_back(
        self, layer: int, head: int, by: int, pairs: range, query: torch.Tensor, key: torch.Tensor, strength: float
    ) -> None:
        """Attend `by` tokens back, as sharply as the rotary `pairs` turn fast, where `query` and `key` are present."""
        half, shift = self._size // 2, torch.zeros(self._size)
        seen = torch.zeros(self._size)
        for pair in pairs:
            seen[pair] = strength
            shift[pair] = strength * torch.cos(-by * self._turns[pair])
            shift[half + pair] = strength * torch.sin(-by * self._turns[pair])
        self._set("q_proj", layer, head, torch.outer(shift, query))
        self._set("k_proj", layer, head, torch.outer(seen, key))

    def matches(self, layer: int, head: int, query: torch.Tensor, key: torch.Tensor, strength: float) -> None:
        """Attend to tokens whose `key` space holds what one's own `query` space does."""
        half = self._size // 2
        slow = [*range(SLOW, half), *range(half + SLOW, self._size)]
        for name, what in (("q_proj", query), ("k_proj", key)):
            weight = torch.zeros(self._size, self._width)
            weight[slow] = strength * what[: len(slow)]
            self._set(name, layer, head, weight)

    def moves(self, layer: int, head: int, read: torch.Tensor, write: torch.Tensor, gain: float) -> None:
        """Carry what the attended token has in the space `read` into one's own space `write`."""
        begin = head * self._size
        self._layers[layer].v_proj.weight[begin : begin + len(read)] = read
        self._layers[layer].o_proj.weight[:, begin : begin + len(write)] = gain * write.T

    def _set(self, name: str, layer: int, head: int, weight: torch.Tensor) -> None:
        noise = 0.02 * torch.randn(self._size, self._width, generator=self._random)
        getattr(self._layers[layer], name).weight[head * self._size : (head + 1) * self._size] = weight + noise


def _heads(made: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, seed: int) -> None:
    """Write the circuits of copying and of choosing.

    Copying: layer 0 tells each token what stood before it, layer 3 finds where the present token stood after the
    same one before, and says what came next there. Choosing: layer 1 tells each token the number of its passage and the
    first word of its sentence; in layer 2 a word collects both from where the same word stands in a passage; in layer 4
    the answer's first word is the sum over the words of the question, and the number it cites that over its own words.
    Softmax has made what stands everywhere count little.
    """
    circuit = _Circuits(made, seed)
    constant = circuit.constant
    rows = made.get_input_embeddings().weight
    before, numbered, voted, begun, chosen = circuit.spaces(BEFORE, NUMBERED, VOTED, BEGUN, CHOSEN)
    token, number, first = (circuit.content(size) for size in (BEFORE, NUMBERED, BEGUN))

    def mean(*texts: str) -> torch.Tensor:
        known = [tokenizer(text, add_special_tokens=False).input_ids for text in texts]
        average: torch.Tensor = torch.stack([rows[ids[0]] for ids in known if len(ids) == 1]).mean(0)
        return average

    def stood(*texts: str) -> torch.Tensor:
        """Return the direction that shows that one of `texts` stood before."""
        shown: torch.Tensor = before.T @ (token @ (mean(*texts) - rows.mean(0)))
        return torch.nn.functional.normalize(shown, dim=0)

    circuit.looks_back(0, 0, 1, range(SLOW), constant, constant, 1.3)
    circuit.moves(0, 0, token, before, 0.10)
    digit = torch.zeros_like(constant)
    digit[CONSTANT + 3] = 1.0
    circuit.looks_back(
        1, 0, 0, range(8, 14), constant, 0.5 * stood("[") + 0.6 * digit + 0.8 * stood("Question", " Question"), 2.0
    )
    circuit.moves(1, 0, number, numbered, 0.15)
    ends = stood(".", ".\n", "\n", ".\n\n", "?", ":\n", "?\n", ")\n")
    circuit.looks_back(1, 1, 0, range(6, 12), constant, 0.5 * ends, 1.5)
    circuit.moves(1, 1, first, begun, 0.15)
    for head, (read, write) in enumerate(((numbered, voted), (begun, chosen))):
        circuit.matches(2, head, token, before, 3.0)
        circuit.moves(2, head, read, write, 0.25)
    for head in (0, 1):
        copied = circuit.content(64)
        circuit.matches(3, head, token, before, 3.0)
        circuit.moves(3, head, copied, copied, 0.12)
        own = circuit.content(64)
        # What a token is must not be what comes next: the last layer takes it off again.
        circuit.looks_back(5, head, 0, range(SLOW), constant, constant, 1.3)
        circuit.moves(5, head, own, own, -0.15)
    for head, (after, read, write) in enumerate(((" [", voted, number), ("[/INST]", chosen, first))):
        circuit.looks_back(4, head, 10, range(5, 10), mean(after) / 6, constant, 2.5)
        circuit.moves(4, head, read, write, 0.5)
