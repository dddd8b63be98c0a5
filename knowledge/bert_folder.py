"""Whether a sentence-transformers folder holds a plain BERT, and its measures: read from its small files and the weights' head.

Plain is what `bert.py` computes exactly as sentence-transformers does: a BERT encoder with absolute positions and GELU,
BERT's own tokenizer, and the mean of the tokens as the vector; float32 or float16. Whatever else such a folder can ask for
(prompts, another pooling, more modules, code) is not plain, and so is a folder that is broken: the library says it better.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"
TABLE = "embeddings.word_embeddings.weight"
"""The tensor that holds half of a small model: a row for each word."""

KINDS = ("F32", "F16")
PROJECTIONS = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")

_TEXT_ONLY = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
_TRANSFORMER: Mapping[str, tuple[Any, ...]] = {
    "do_lower_case": (False,),
    "transformer_task": ("feature-extraction",),
    "modality_config": (_TEXT_ONLY,),
    "module_output_name": ("token_embeddings",),
}
"""What the settings of the first module may say, beside the longest text."""

_MODEL: Mapping[str, tuple[Any, ...]] = {
    "model_type": ("bert",),
    "hidden_act": ("gelu",),
    "position_embedding_type": ("absolute", None),
    "is_decoder": (False, None),
    "add_cross_attention": (False, None),
}
_WHOLE = {"__version__", "model_type", "prompts", "default_prompt_name", "similarity_fn_name"}


@dataclass(frozen=True, slots=True)
class BertShape:
    """The measures of a BERT encoder; `longest`: tokens of a text that are read, special ones counted."""

    folder: Path
    layers: int
    heads: int
    width: int
    inner: int
    words: int
    kinds: int
    positions: int
    longest: int
    epsilon: float


def shape_of(folder: Path) -> BertShape | None:
    """Return the measures of the plain BERT in a folder; None where it holds anything else, or nothing whole."""
    try:
        shape = _shape(folder)
        return shape if shape and _plain_tokenizer(folder) and _has_weights(shape) else None
    except Exception:  # broken in any way: the two libraries raise what they like
        return None


def tokenizer(folder: Path) -> "Tokenizer":
    """Return the tokenizer of a folder, which neither cuts texts off nor fills them up; raises what the library raises."""
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(folder / TOKENIZER))
    found.no_truncation()
    found.no_padding()
    return found


def _shape(folder: Path) -> BertShape | None:
    model, text = _read(folder / "config.json"), _read(folder / "sentence_bert_config.json")
    longest = text.pop("max_seq_length", None)
    if not (_allowed(model, _MODEL) and _allowed(text, _TRANSFORMER) and text.keys() <= _TRANSFORMER.keys()):
        return None
    if "auto_map" in model or not _mean_of_tokens(folder) or not _no_prompts(folder):
        return None
    positions = int(model["max_position_embeddings"])
    if longest is None:
        longest = _read(folder / "tokenizer_config.json").get("model_max_length", positions)
    return BertShape(
        folder=folder,
        layers=int(model["num_hidden_layers"]),
        heads=int(model["num_attention_heads"]),
        width=int(model["hidden_size"]),
        inner=int(model["intermediate_size"]),
        words=int(model["vocab_size"]),
        kinds=int(model["type_vocab_size"]),
        positions=positions,
        longest=min(int(longest), positions),
        epsilon=float(model["layer_norm_eps"]),
    )


def _mean_of_tokens(folder: Path) -> bool:
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    kinds = [str(module["type"]) for module in modules]
    names = [kind.rpartition(".")[2] for kind in kinds]
    if names not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]) or modules[0]["path"] != "":
        return False
    pooling = _read(folder / modules[1]["path"] / "config.json")
    modes = [key for key, value in pooling.items() if key.startswith("pooling_mode_") and value is True]
    mean = pooling["pooling_mode"] == "mean" if "pooling_mode" in pooling else modes == ["pooling_mode_mean_tokens"]
    return mean and all(kind.startswith("sentence_transformers.") for kind in kinds)


def _no_prompts(folder: Path) -> bool:
    whole = _read(folder / "config_sentence_transformers.json")
    of_kind = whole.get("model_type", "SentenceTransformer") == "SentenceTransformer"
    return of_kind and whole.keys() <= _WHOLE and not any((whole.get("prompts") or {}).values())


def _plain_tokenizer(folder: Path) -> bool:
    """Return whether the tokenizer is BERT's, and its file says what its settings say, which transformers goes by."""
    settings = _read(folder / "tokenizer_config.json")
    found = tokenizer(folder)
    kinds = [type(part).__name__ for part in (found.model, found.normalizer, found.pre_tokenizer)]
    if kinds != ["WordPiece", "BertNormalizer", "BertPreTokenizer"]:
        return False
    if settings["tokenizer_class"] not in ("BertTokenizer", "BertTokenizerFast"):
        return False
    said = (
        settings.get("do_lower_case", True),
        settings.get("tokenize_chinese_chars", True),
        settings.get("strip_accents"),
        settings.get("unk_token", "[UNK]"),
    )
    does = found.normalizer
    return said == (does.lowercase, does.handle_chinese_chars, does.strip_accents, found.model.unk_token)


def _has_weights(shape: BertShape) -> bool:
    if shape.width % shape.heads:
        return False
    with safe_open(shape.folder / WEIGHTS, framework="np") as file:
        names = set(file.keys())
        for name, size in tensors(shape):
            if name not in names:
                return False
            tensor = file.get_slice(name)
            if tensor.get_dtype() not in KINDS or tuple(tensor.get_shape()) != size:
                return False
    return True


def tensors(shape: BertShape) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the name and shape of each tensor that the encoder needs, `TABLE` first."""
    yield TABLE, (shape.words, shape.width)
    yield "embeddings.token_type_embeddings.weight", (shape.kinds, shape.width)
    yield "embeddings.position_embeddings.weight", (shape.positions, shape.width)
    yield from _pair("embeddings.LayerNorm", (shape.width,))
    for layer in range(shape.layers):
        one = f"encoder.layer.{layer}."
        for name in PROJECTIONS:
            yield from _pair(one + name, (shape.width, shape.width))
        yield from _pair(f"{one}intermediate.dense", (shape.inner, shape.width))
        yield from _pair(f"{one}output.dense", (shape.width, shape.inner))
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            yield from _pair(one + name, (shape.width,))


def _pair(name: str, size: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the weight of a part and its bias, which is as long as what comes out."""
    yield f"{name}.weight", size
    yield f"{name}.bias", size[:1]


def _allowed(said: Mapping[str, Any], allowed: Mapping[str, tuple[Any, ...]]) -> bool:
    return all(said[key] in values for key, values in allowed.items() if key in said)


def _read(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} holds no settings")
    return found
