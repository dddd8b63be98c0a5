"""Where training begins: weights that already know which tokens are alike, how to look one up, and how to choose.

Copying and choosing emerge abruptly and late from noise; on a CPU most of the budget would go there. So attention heads
begin as what they end as in every trained model (a head that sees the token before, heads that find the same token again,
heads that copy what followed it; after Trockman and Kolter, "Mimetic Initialization of Self-Attention Layers", 2023), and
tokens of one word begin alike, those of related words a little (from all-MiniLM-L6-v2, Apache-2.0).
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
from starter.circuits import Circuits, Spaces

CONSTANT = 0
"""The dimension of an embedding that is the same in all: heads that look at positions need it."""
SPELLING = slice(1, 9)
SIGNS = ("ends", "[", " [", "[/INST]", "Question", "<s>")
"""One dimension each, behind the spelling: tokens that end a sentence, and those of the prompt's frame."""
FIRST_SIGN = 9
MEANING, CODE = slice(15, 59), slice(59, 128)
CONTENT = slice(1, 128)
"""What a token is. The rest of the width begins empty: there the heads write what they find."""
LEVEL, LENGTH = 0.4, 1.05
"""The constant dimension, and the norm of all others; equal in all tokens, or norms would look like positions."""
ENDING = (".", "?", "!", ":", "。", "？", "！")
DIGIT = 4  # of an embedding: spelled in digits

WIDTH, HEAD, LAYERS = 288, 64, 6
ROPE = 1e10
"""With so slow a base, two thirds of the rotary pairs hardly turn in a prompt, so words match wherever they stand."""

CIRCUIT_HEADS = {0: (0, 1), 1: (0, 1, 2), 2: (0,), 3: (0,), 4: (0, 1, 2, 3)}
"""Layer -> the heads that begin as something; the others begin as noise and have everything to learn."""

Matrix = npt.NDArray[np.float32]


def config(vocabulary: int, context: int) -> LlamaConfig:
    """Return the architecture: Llama 2, 9 M parameters."""
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=WIDTH,
        intermediate_size=512,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=HEAD,
        max_position_embeddings=context,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE},
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
        made.get_input_embeddings().weight.copy_(torch.from_numpy(_embeddings(tokenizer)))
        _heads(made, tokenizer, seed)
    return made


def _embeddings(tokenizer: PreTrainedTokenizerBase) -> Matrix:
    texts = [tokenizer.decode([number]) for number in range(len(tokenizer))]
    words = [text.strip().lower() or repr(text) for text in texts]
    rows = np.zeros((len(texts), WIDTH), np.float32)
    rows[:, MEANING] = 0.6 * _meanings(words)
    for row, text, word in zip(rows, texts, words, strict=True):
        row[SPELLING] = 0.3 * _spelling(text)
        row[FIRST_SIGN] = 0.4 * _ends(text)
        row[CODE] = 0.7 * _code(word, CODE.stop - CODE.start)
    begin = rows[tokenizer.bos_token_id]
    begin[CONTENT] = 0.0  # heads that find nothing look there, and should bring nothing back
    for number, sign in enumerate(SIGNS[1:], FIRST_SIGN + 1):
        rows[texts.index(sign), number] = 0.4
    rows[:, CONTENT] *= LENGTH / np.linalg.norm(rows[:, CONTENT], axis=1, keepdims=True)
    rows[:, CONSTANT] = LEVEL
    return rows


def _spelling(text: str) -> Matrix:
    letters = text.strip()
    spaced, upper, lines = text[:1] == " ", letters[:1].isupper(), "\n" in text
    signs = (spaced, upper, letters.isupper() and len(letters) > 1, letters.isdigit(), letters.isalpha(), lines, not letters,
             not letters.isascii())  # fmt: skip
    return np.array([1.0 if sign else 0.0 for sign in signs], np.float32)


def _ends(text: str) -> bool:
    """Return whether a sentence begins after the token `text`."""
    letters = text.strip("\"')*\n ")
    return "\n" in text or text == "[/INST]" or letters in ENDING


def _meanings(words: Sequence[str]) -> Matrix:
    embedder = Embedder(None)
    embedder.load(lambda what, share: None)
    vectors = np.asarray(embedder.encode(list(words)), np.float32)
    return _unit(PCA(MEANING.stop - MEANING.start, random_state=0).fit_transform(vectors).astype(np.float32))


def _code(word: str, width: int) -> Matrix:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    code: Matrix = _unit(np.random.default_rng(seed).standard_normal((1, width)).astype(np.float32))[0]
    return code


def _unit(rows: Matrix) -> Matrix:
    unit: Matrix = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)).astype(np.float32)
    return unit


def _heads(made: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, seed: int) -> None:
    """Write the circuits of copying and of choosing; what they write is in `starter.circuits.Spaces`.

    Layer 0 tells each token what stood one and two before it. Layer 1 tells it the number of its passage and the first two
    words of its sentence. In layer 2 a word of the question, or of the answer so far, collects those from where the same
    word stands in a passage: its votes (softmax has made what stands everywhere count little). Layer 3 sums the votes over
    question and answer. In layer 4 the answer's next token is what follows, in the sentence voted for, after the tokens
    that stand last, and the number it cites is the one voted for.
    """
    circuit = Circuits(made, LEVEL, seed)
    rows = made.get_input_embeddings().weight
    spaces = Spaces(WIDTH, CONTENT.stop)
    words = circuit.random(MEANING.start, CODE.stop, 100)
    token, second = words[:44], words[44:51]
    first = circuit.random(CODE.start, CODE.stop, 28)
    digits = [tokenizer(str(number), add_special_tokens=False).input_ids[0] for number in range(1, 11)]
    number = torch.zeros(10, WIDTH)
    number[:, CODE] = 0.5 * torch.linalg.pinv(rows[digits][:, CODE]).T

    def sign(text: str) -> torch.Tensor:
        return torch.nn.functional.one_hot(torch.tensor(FIRST_SIGN + SIGNS.index(text)), WIDTH).float()[None]

    before, before2, ended, ended2 = spaces["before"], spaces["before2"], spaces["ended"], spaces["ended2"]
    circuit.looks_back(0, 0, circuit.always, circuit.always, 14.0, range(9), by=1)
    circuit.moves(0, 0, [token, sign("ends"), sign("["), sign("Question")],
                  [before, ended, spaces["marked"], spaces["asked"]], 0.08)  # fmt: skip
    circuit.looks_back(0, 1, circuit.always, circuit.always, 14.0, range(9), by=2)
    circuit.moves(0, 1, [token[:18], sign("ends")], [before2, ended2], 0.08)

    begins, begins2, marks, asks = (circuit.present(spaces[name], 0.08) for name in ("ended", "ended2", "marked", "asked"))
    digit = torch.zeros(WIDTH)
    digit[DIGIT] = 1 / 0.3
    always = circuit.always
    circuit.looks_back(1, 0, always, 0.5 * marks + 0.5 * digit - 0.3 * always + 1.15 * asks, 20.0, range(4, 11), tapered=2)
    circuit.moves(
        1, 0, [number, spaces["asked"], spaces["marked"]], [spaces["numbered"], spaces["zone"], spaces["inside"]], 0.1
    )
    circuit.looks_back(1, 1, always, begins - 0.2 * always, 12.0, range(2, 11), tapered=2)
    circuit.moves(1, 1, [first], [spaces["begun"]], 0.08)
    circuit.looks_back(1, 2, always, begins2 - 0.2 * always, 12.0, range(2, 11), tapered=2)
    circuit.moves(1, 2, [second], [spaces["begun2"]], 0.08)

    zone, inside = (circuit.present(spaces[name], 0.1 * 0.08 * WIDTH**0.5 / 1.4) for name in ("zone", "inside"))
    nothing = sign("<s>")[0] / LENGTH
    known = torch.cat([spaces["numbered"], spaces["begun"], spaces["begun2"], spaces["inside"]])
    votes = torch.cat([spaces["voted"], spaces["chosen"], spaces["chosen2"], spaces["hit"]])
    alike = circuit.like(rows, token, 0.08)
    circuit.matches(2, 0, [(always[None], inside[None], 12.0), (token, before, 25.0 * alike),
                           (always[None], nothing[None], 18.25)])  # fmt: skip
    circuit.moves(2, 0, [known], [votes], 0.04)
    circuit.looks_back(3, 0, always, always, 0.5, range(4, 11), tapered=1)
    hit = circuit.present(spaces["hit"], 0.04 * 0.1 * 0.08 * WIDTH / 1.4**2)
    circuit.adds(3, 0, always, 7.0 * zone + 2.0 * hit, 1.0)
    circuit.moves(3, 0, [votes], [votes], 0.25)

    last, last2 = circuit.like(rows, token[:18], 0.08), circuit.like(rows, token[:6], 0.08, both=True)
    sentence, sentence2 = circuit.like(rows, first[:14], 0.08, both=True), circuit.like(rows, second[:6], 0.08, both=True)
    halves = torch.split(torch.eye(WIDTH)[CONTENT], HEAD)
    for head in (0, 1):
        circuit.matches(4, head, [
            (always[None], inside[None], 12.0),
            (token[:18], before[:18], 20.0 * last),
            (before[:6], before2[:6], 12.0 * last2),
            ((2 * spaces["chosen"] + spaces["begun"])[:14], spaces["begun"][:14], 9.0 * sentence),
            ((2 * spaces["chosen2"] + spaces["begun2"])[:6], spaces["begun2"][:6], 9.0 * sentence2),
        ])  # fmt: skip
        circuit.moves(4, head, [halves[head]], [halves[head]], 0.4)
    # The first word of the sentence voted for, where an answer begins; anywhere else this head finds nothing.
    circuit.matches(4, 3, [
        (sign("[/INST]") / 0.4, begins[None], 25.0),
        (always[None], inside[None], 12.0),
        (spaces["chosen"], spaces["begun"], 45.0 * circuit.like(rows, first, 0.08, both=True)),
        (always[None], nothing[None], 20.0),
    ])  # fmt: skip
    word = torch.eye(WIDTH)[CODE][-HEAD:]
    circuit.moves(4, 3, [word], [word], 1.5)
    circuit.looks_back(4, 2, sign(" [")[0] / 0.4, always, 8.0, range(9))
    circuit.adds(4, 2, always, nothing, 10.0)
    circuit.moves(4, 2, [spaces["voted"]], [number], 2.0)
