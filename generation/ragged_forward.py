"""One forward pass for rows of several requests at different places: prompts being read, answers being written.

Rows lie end to end in one sequence, each at its own positions, so nothing is padded and any mixture of lengths is one
pass. A model has to prove that it can: `opened` compares the logits of mixed rows with those of the plain forward pass.
Knows no request, no sampling, no budget.
"""

import inspect
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from generation.key_values import Form, KeyValues, form_of
from generation.ragged_attention import NAME, Stretch, register

LOG = logging.getLogger(__name__)
TOLERANCE = 0.05
"""Largest difference to the plain forward pass, as a part of the largest logit: rounding of bf16, and far from a fault."""
FEW, STEP = 32, 16
"""Tokens that a pass on a CPU reads in bfloat16 or float16: so few as they are, more are filled up to a multiple of the second.
oneDNN makes itself new code for each number of tokens. At a number not seen before, 500 tokens take 40 ms instead of 47 (the
model that comes along) and 410 instead of 450 (150 million weights; Xeon with AMX)."""
_ROPES_OF_THE_LONGEST = ("dynamic", "longrope")


@dataclass(frozen=True, slots=True)
class Part:
    """What one row feeds: `ids` behind the `start` tokens in its `memory`; of the last `wanted` come the logits."""

    memory: KeyValues
    start: int
    ids: Sequence[int]
    wanted: int


class RaggedForward:
    """The forward pass of one model over parts of rows."""

    def __init__(self, model: Any, form: Form) -> None:
        self._model, self.form = model, form

    @torch.inference_mode()
    def __call__(self, parts: Sequence[Part]) -> list[Tensor]:
        """Return the logits of each part, shape (wanted, vocabulary), and fill the memories."""
        device = self.form.device
        ids = [number for part in parts for number in part.ids]
        positions = [place for part in parts for place in range(part.start, part.start + len(part.ids))]
        nothing = [0] * self._missing(len(ids))
        logits = self._model(
            input_ids=torch.tensor([ids + nothing], device=device),
            position_ids=torch.tensor([positions + nothing], device=device),
            # A mask of four dimensions is passed on as it is: the library makes none, and ours is in `rows`.
            attention_mask=torch.empty(1, 1, 1, 1, device=device),
            use_cache=False,
            logits_to_keep=torch.tensor(_wanted(parts) or [len(ids) - 1], device=device),
            rows=[Stretch(part.memory, part.start, len(part.ids)) for part in parts],
        ).logits[0]
        return list(logits[: sum(part.wanted for part in parts)].split([part.wanted for part in parts]))

    def _missing(self, count: int) -> int:
        """Return how many tokens fill up a pass of so many."""
        halves = self._model.dtype in (torch.bfloat16, torch.float16)
        return -count % STEP if halves and self.form.device.type == "cpu" and count > FEW else 0


def _wanted(parts: Sequence[Part]) -> list[int]:
    """Return where the tokens stand whose logits are wanted."""
    places: list[int] = []
    end = 0
    for part in parts:
        end += len(part.ids)
        places += range(end - part.wanted, end)
    return places


def opened(model: Any) -> RaggedForward | None:
    """Return the ragged forward pass of `model`; None, with a line in the log, if rows of it cannot share a pass."""
    reason = _refusal(model)
    if reason is None:
        first, second = _probe(model, 0), _probe(model, 1)
        form = form_of(first[1], model.dtype, model.device)
        reason = "its memory is not plain keys and values" if form is None else _disproof(model, form, first[0], second[0])
        if form is not None and reason is None:
            return RaggedForward(model, form)
    LOG.info("Answers of this model are computed apart, not as a batch: %s.", reason)
    return None


def _refusal(model: Any) -> str | None:
    """Return why rows cannot share a pass, as far as the model says so itself."""
    accepted = inspect.signature(model.forward).parameters
    config = model.config.get_text_config(decoder=True)
    if not getattr(model, "_supports_attention_backend", False) or model.config._attn_implementation != "sdpa":
        return "it does not take an attention function"
    if getattr(model, "_is_stateful", False) or not {"position_ids", "logits_to_keep"} <= set(accepted):
        return "it does not take positions"
    if "chunked_attention" in (getattr(config, "layer_types", None) or ()):
        return "its attention is in chunks"
    if any(kind in str(getattr(config, "rope_parameters", None)) for kind in _ROPES_OF_THE_LONGEST):
        return "its positions depend on the longest row"
    return None


def _ids(model: Any, which: int) -> list[int]:
    vocabulary = int(model.get_input_embeddings().num_embeddings)
    return [(7 + 11 * which + 5 * place) % vocabulary for place in range(6 + 3 * which)]


@torch.inference_mode()
def _probe(model: Any, which: int) -> tuple[Tensor, Any]:
    """Return the logits and the memory of a plain forward pass."""
    out = model(input_ids=torch.tensor([_ids(model, which)], device=model.device), use_cache=True)
    return out.logits[0], out.past_key_values


def _disproof(model: Any, form: Form, *expected: Tensor) -> str | None:
    """Return why the ragged pass is not the plain one; None if it is. Leaves the model ready for it only then."""
    register()
    model.set_attn_implementation(NAME)
    try:
        far = _difference(RaggedForward(model, form), [_ids(model, which) for which in (0, 1)], expected)
    except Exception as error:  # a model is a foreign program: it can fail in any way
        far, reason = float("inf"), f"{type(error).__name__}: {error}"
    else:
        reason = f"its logits differ by {far:.3g}"
    if far <= TOLERANCE:
        return None
    model.set_attn_implementation("sdpa")
    return reason


def _difference(forward: RaggedForward, rows: list[list[int]], expected: Sequence[Tensor]) -> float:
    """Return the largest difference of two rows read together in two steps, as a part of the largest logit."""
    memories = [KeyValues(forward.form, len(ids)) for ids in rows]
    cuts = [3, len(rows[1]) - 1]
    parts = [Part(memory, 0, ids[:cut], cut) for memory, ids, cut in zip(memories, rows, cuts, strict=True)]
    begun = forward(parts)
    rest = [Part(m, cut, ids[cut:], len(ids) - cut) for m, ids, cut in zip(memories, rows, cuts, strict=True)]
    found = [torch.cat(both) for both in zip(begun, forward(rest), strict=True)]
    return max(float((mine - its).abs().max() / its.abs().max()) for mine, its in zip(found, expected, strict=True))
