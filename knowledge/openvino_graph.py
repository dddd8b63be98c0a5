"""A BERT encoder (Devlin et al., 2018) as an OpenVINO graph, from its weights, without torch and without a converter.

Inputs: `ids`, shape (texts, tokens); `mask`, (texts, 1, 1, tokens), 0 where there is a token and far below elsewhere; `share`,
(texts, tokens, 1), what each token counts of its text's mean. Output: the means, (texts, width). How it is compiled, and how
text becomes tokens, it does not know.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import safe_open

from knowledge.bert_folder import TABLE, WEIGHTS, BertShape, tensors
from knowledge.silent_openvino import library
from knowledge.silent_openvino import operations as op

Floats = npt.NDArray[np.float32]
MOST = 60.0
"""Scores of attention are kept within it: their exponentials, and the sum of these, then need no largest one found first."""
Node = Any
"""OpenVINO's nodes have no types that say anything."""


class Graph:
    """Builds the graph of an encoder."""

    def __init__(self, shape: BertShape) -> None:
        """Read the weights; raises `OSError` or `SafetensorError`."""
        opened: Any = safe_open  # of which only a part has types
        file = opened(shape.folder / WEIGHTS, framework="np")
        self._weights: dict[str, Floats] = {
            name: file.get_tensor(name).astype(np.float32, copy=False) for name, _ in tensors(shape)
        }
        self._shape = shape
        root = np.float32((shape.width // shape.heads) ** -0.5)  # by which scores are divided, so the queries are
        queries = [name for name in self._weights if ".attention.self.query." in name]
        self._weights.update({name: self._weights[name] * root for name in queries})

    def model(self) -> Any:
        """Return the graph as OpenVINO's `Model`, for texts and tokens of any number."""
        ids = op.parameter([-1, -1], np.int32, "ids")
        mask = op.parameter([-1, 1, 1, -1], np.float32, "mask")
        share = op.parameter([-1, -1, 1], np.float32, "share")
        x = self._norm(op.add(op.gather(_numbers(self._weights[TABLE]), ids, op.constant(0)), self._places(ids)), "embeddings.")
        for number in range(self._shape.layers):
            x = self._layer(x, mask, f"encoder.layer.{number}.")
        # A product, not a sum: OpenVINO computes all that stands behind the last product in float32, and by way of what is
        # added to each layer's answer that would be every sum and norm.
        mean = op.squeeze(op.matmul(share, x, True, False), _places(1))
        return library.Model([mean], [ids, mask, share])

    def _places(self, ids: Node) -> Node:
        table = (
            self._weights["embeddings.position_embeddings.weight"] + self._weights["embeddings.token_type_embeddings.weight"][0]
        )
        length = op.gather(op.shape_of(ids), _places(1), op.constant(0))
        return op.unsqueeze(op.slice(_numbers(table), _places(0), length, _places(1), _places(0)), op.constant(0))

    def _layer(self, x: Node, mask: Node, name: str) -> Node:
        attended = self._linear(self._attention(x, mask, f"{name}attention.self."), f"{name}attention.output.dense")
        x = self._norm(op.add(attended, x), f"{name}attention.output.")
        inner = op.gelu(self._linear(x, f"{name}intermediate.dense"), "erf")
        return self._norm(op.add(self._linear(inner, f"{name}output.dense"), x), f"{name}output.")

    def _attention(self, x: Node, mask: Node, name: str) -> Node:
        query, key, value = (self._in_heads(self._linear(x, f"{name}{part}")) for part in ("query", "key", "value"))
        scores = op.clamp(op.add(op.matmul(query, key, False, True), mask), -MOST, MOST)
        shares = op.exp(scores)
        found = op.divide(op.matmul(shares, value, False, False), op.reduce_sum(shares, _places(3), True))
        return op.reshape(op.transpose(found, _places(0, 2, 1, 3)), _places(0, 0, self._shape.width), True)

    def _in_heads(self, x: Node) -> Node:
        """Return the numbers of each head by themselves, shape (texts, heads, tokens, width of a head)."""
        parts = op.reshape(x, _places(0, 0, self._shape.heads, self._shape.width // self._shape.heads), True)
        return op.transpose(parts, _places(0, 2, 1, 3))

    def _linear(self, x: Node, name: str) -> Node:
        """Return the layer of this name."""
        weight, bias = (self._weights[f"{name}.{part}"] for part in ("weight", "bias"))
        return op.add(op.matmul(x, _numbers(weight), False, True), _numbers(bias.reshape(1, 1, -1)))

    def _norm(self, x: Node, name: str) -> Node:
        centred = op.mvn(x, _places(-1), True, self._shape.epsilon, "inside_sqrt")
        weight, bias = (self._weights[f"{name}LayerNorm.{part}"].reshape(1, 1, -1) for part in ("weight", "bias"))
        return op.add(op.multiply(centred, _numbers(weight)), _numbers(bias))


def _numbers(values: Floats) -> Node:
    return op.constant(np.ascontiguousarray(values, dtype=np.float32), shared_memory=True)


def _places(*numbers: int) -> Node:
    return op.constant(np.array(numbers, dtype=np.int64))
