"""The forward pass of a BERT encoder in numpy (Devlin et al., 2018), for one text at a time: a question, not a document.

For a program that answers one question and ends: torch takes seconds of CPU to be imported, this takes milliseconds. Of the
table of words only the rows of the text are read. How text becomes tokens, and tokens a vector, it does not know.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import safe_open

from knowledge.bert_folder import TABLE, WEIGHTS, BertShape, tensors

Floats = npt.NDArray[np.float32]

_ERF = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


class Bert:
    """The weights of an encoder; `hidden` may be called from any thread."""

    def __init__(self, shape: BertShape) -> None:
        """Read the weights; raises `OSError` or `SafetensorError`."""
        self._shape = shape
        opened: Any = safe_open  # of which only a part has types
        file = opened(shape.folder / WEIGHTS, framework="np")
        self._rows = file.get_slice(TABLE)
        self._weights = {name: _exact(file.get_tensor(name)) for name, _ in tensors(shape) if name != TABLE}

    def hidden(self, tokens: Sequence[int]) -> Floats:
        """Return the last hidden state of each token, shape (tokens, width); tokens: one text's, at most `positions`."""
        x = np.concatenate([_exact(self._rows[token : token + 1]) for token in tokens])
        x = x + self._weights["embeddings.position_embeddings.weight"][: len(tokens)]
        x = x + self._weights["embeddings.token_type_embeddings.weight"][0]
        x = self._normed(x, "embeddings.LayerNorm")
        for layer in range(self._shape.layers):
            x = self._layer(x, f"encoder.layer.{layer}.")
        return x

    def _layer(self, x: Floats, name: str) -> Floats:
        attended = self._dense(self._attention(x, f"{name}attention.self."), f"{name}attention.output.dense")
        x = self._normed(x + attended, f"{name}attention.output.LayerNorm")
        inner = gelu(self._dense(x, f"{name}intermediate.dense"))
        return self._normed(x + self._dense(inner, f"{name}output.dense"), f"{name}output.LayerNorm")

    def _attention(self, x: Floats, name: str) -> Floats:
        def heads(part: str) -> Floats:
            return self._dense(x, name + part).reshape(len(x), self._shape.heads, -1).transpose(1, 0, 2)

        query, key, value = heads("query"), heads("key"), heads("value")
        scores = query @ key.transpose(0, 2, 1) / np.float32(query.shape[-1] ** 0.5)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        attended = (scores / scores.sum(axis=-1, keepdims=True)) @ value
        return np.asarray(attended.transpose(1, 0, 2).reshape(x.shape), dtype=np.float32)

    def _dense(self, x: Floats, name: str) -> Floats:
        return np.asarray(x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"], dtype=np.float32)

    def _normed(self, x: Floats, name: str) -> Floats:
        apart = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((apart * apart).mean(axis=-1, keepdims=True) + np.float32(self._shape.epsilon))
        return np.asarray(apart / scale * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"], dtype=np.float32)


def gelu(x: Floats) -> Floats:
    """Return x times the normal distribution's share below it (Hendrycks and Gimpel, 2016), as BERT was trained with.

    numpy has no error function: formula 7.1.26 of Abramowitz and Stegun (1964) is off by 1.5e-7 at most, as far as
    float32 can tell numbers near 1 apart.
    """
    size = np.abs(x) * np.float32(0.5**0.5)
    near = 1 / (1 + np.float32(0.3275911) * size)
    series = np.zeros_like(x)
    for factor in _ERF:
        series += np.float32(factor)
        series *= near
    tail = series * np.exp(-size * size)
    return np.asarray(np.where(x < 0, tail, 2 - tail) * x * np.float32(0.5), dtype=np.float32)


def _exact(values: npt.NDArray[Any]) -> Floats:
    return values.astype(np.float32, copy=False)
