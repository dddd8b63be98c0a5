"""A model folder to a model in memory, or the reason why not. Trusts nothing that loads without an error.

The library loads a model with a missing tensor (filled at random) and one with NaN weights without complaint; here both
are refused. Knows no prompt and no request; `generation.preflight` looked at the folder before.
"""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as library_logging

from generation.base import ModelUnusable, Report
from generation.placement import Placement

_LOCAL = {"local_files_only": True, "trust_remote_code": False}


def load_tokenizer(folder: Path) -> Any:
    """Return the tokenizer in `folder`; raises `ModelUnusable`."""
    try:
        return AutoTokenizer.from_pretrained(folder, **_LOCAL)
    except Exception as error:  # the library raises whatever its converters raise
        raise ModelUnusable(f"The tokenizer in {folder} cannot be loaded: {_short(error)}. Download it again.") from error


def load_model(folder: Path, placement: Placement, report: Report) -> Any:
    """Return the model in `folder` on its device, proven whole and finite; raises `ModelUnusable`."""
    report("loading weights")
    library_logging.disable_progress_bar()  # `report` tells the progress; bars in a log are noise
    try:
        model, information = AutoModelForCausalLM.from_pretrained(
            folder,
            use_safetensors=True,
            output_loading_info=True,
            dtype=placement.dtype,
            **_LOCAL,
            **_quantized(placement),
        )
        _check_information(folder, information)
        if placement.quantized is None:
            model = model.to(placement.device)
    except ModelUnusable:
        raise
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ModelUnusable(
            f"{folder} does not fit into the memory of this machine. Use a smaller model or a smaller --precision."
        ) from error
    except Exception as error:  # the library raises whatever its parts raise
        raise ModelUnusable(f"The model in {folder} cannot be loaded: {_short(error)}.") from error
    report("checking weights")
    _check_finite(folder, model)
    return model.eval()


def context_length(config: Any, tokenizer: Any) -> int:
    """Return the tokens the model reads in all, from its config, else its tokenizer."""
    text_config = config.get_text_config(decoder=True)
    for key in ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length"):
        value = getattr(text_config, key, None)
        if isinstance(value, int) and value > 0:
            return value
    limit = int(getattr(tokenizer, "model_max_length", 0) or 0)
    # A tokenizer without a limit says 10**30; models without positions (ALiBi, recurrent) were seldom trained on more.
    return limit if 0 < limit < 10_000_000 else 2048


def _quantized(placement: Placement) -> dict[str, Any]:
    if placement.quantized is None:
        return {}
    from transformers import BitsAndBytesConfig

    bits: dict[str, Any] = {"load_in_8bit": True} if placement.quantized == "int8" else {"load_in_4bit": True}
    if placement.quantized == "int4":
        bits["bnb_4bit_compute_dtype"] = placement.dtype
    return {"quantization_config": BitsAndBytesConfig(**bits), "device_map": {"": placement.device}}


def _check_information(folder: Path, information: dict[str, Any]) -> None:
    for key, what in (
        ("missing_keys", "lacks the tensor"),
        ("mismatched_keys", "has the wrong shape for the tensor"),
        ("unexpected_keys", "does not belong to its config.json; it holds the unknown tensor"),
        ("error_msgs", "was not read whole:"),
    ):
        if found := sorted(str(item[0] if isinstance(item, tuple) else item) for item in information.get(key) or ()):
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            raise ModelUnusable(f"The model in {folder} {what} {found[0]}{more}. Download it again.")


@torch.inference_mode()
def _check_finite(folder: Path, model: Any) -> None:
    for name, weight in model.named_parameters():
        if weight.is_floating_point() and not bool(torch.isfinite(weight).all()):
            raise ModelUnusable(f"The model in {folder} has values that are no numbers in {name}. Download it again.")
    ids = torch.tensor([[0, 1, 2, 3]], device=model.device) % model.get_input_embeddings().num_embeddings
    try:
        logits = model(input_ids=ids).logits
    except Exception as error:  # a model is a foreign program: it can fail in any way
        raise ModelUnusable(f"The model in {folder} cannot compute: {_short(error)}.") from error
    if not bool(torch.isfinite(logits).all()):
        raise ModelUnusable(f"The model in {folder} computes values that are no numbers. Try another --precision (bf16, fp32).")


def _short(error: Exception) -> str:
    """Return the first line of a foreign error; the rest of it is for developers, and in the chain."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300].rstrip('.')}" if lines else type(error).__name__
