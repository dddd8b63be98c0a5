"""Every architecture that the README names and transformers has: a random small checkpoint answers through the product.

What this proves, and the README calls "architecture runs": a folder of this kind passes the checks, loads, renders by its
family's template with control tokens as such, gives token for token what the library's `generate` gives, and ends where
its family's answers end. It proves nothing about the quality of a trained model.
"""

from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging as library_logging

from generation.base import Message, ModelUnusable, Piece, Sampling
from generation.chat_template import family_of
from generation.families import FAMILIES
from generation.settings import GenerationSettings
from generation.transformers_backend import TransformersBackend
from tests.generation.conftest import Reports

CONTEXT, MADE = 128, 12
TALK = [Message("system", "Be brief."), Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "Bye")]
SMALL = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
    "initializer_range": 0.2,
    "tie_word_embeddings": False,
}


@dataclass(frozen=True)
class Kind:
    """One architecture: its configuration class, what it needs beside the usual, and the family that is given or guessed."""

    config: str
    family: str
    more: dict[str, Any] = field(default_factory=dict)
    given: bool = False


LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
    "rope_theta": 500_000.0,
}
KINDS = {
    "Llama 2": Kind("LlamaConfig", "llama2"),
    # Their own vocabularies are what Llama 3 and Yi are told by; a small one does not have that size.
    "Llama 3": Kind("LlamaConfig", "llama3", {"rope_parameters": LLAMA3}, given=True),
    "Yi": Kind("LlamaConfig", "yi", {"rope_parameters": {"rope_type": "default", "rope_theta": 5_000_000.0}}, given=True),
    "Qwen 1.5 and 2": Kind("Qwen2Config", "qwen"),
    "Qwen 2 MoE": Kind(
        "Qwen2MoeConfig",
        "qwen",
        {"num_experts": 4, "moe_intermediate_size": 32, "shared_expert_intermediate_size": 32, "num_experts_per_tok": 2},
    ),
    "Qwen 3": Kind("Qwen3Config", "chatml", {"head_dim": 16}),
    "Qwen 3 MoE": Kind(
        "Qwen3MoeConfig", "chatml", {"head_dim": 16, "num_experts": 4, "moe_intermediate_size": 32, "num_experts_per_tok": 2}
    ),
    "Mistral": Kind("MistralConfig", "mistral", {"sliding_window": None}),
    "Mistral with a sliding window": Kind("MistralConfig", "mistral", {"sliding_window": 16}),
    "Mixtral": Kind("MixtralConfig", "mistral", {"num_local_experts": 4}),
    "Falcon 7B": Kind(
        "FalconConfig", "falcon", {"multi_query": True, "parallel_attn": True, "new_decoder_architecture": False}
    ),
    "Falcon 40B and 180B": Kind("FalconConfig", "falcon", {"new_decoder_architecture": True, "num_kv_heads": 2}),
    "Falcon RW (ALiBi)": Kind(
        "FalconConfig", "falcon", {"alibi": True, "multi_query": False, "parallel_attn": False, "bias": True}
    ),
    "GLM-4": Kind("GlmConfig", "glm4", {"head_dim": 16, "pad_token_id": 0}),
    "GLM-4 0414": Kind("Glm4Config", "glm4", {"head_dim": 16, "pad_token_id": 0}),
}


def make(folder: Path, kind: Kind) -> Path:
    """Write a random small checkpoint of `kind`, with a tokenizer that knows its family's control tokens."""
    library_logging.disable_progress_bar()
    tokenizer = _tokenizer(kind.family)
    tokenizer.save_pretrained(folder)
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = getattr(transformers, kind.config)(vocab_size=len(tokenizer), **{**SMALL, **ends, **kind.more})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def _tokenizer(family: str) -> PreTrainedTokenizerFast:
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    controls = [text for text in (*FAMILIES[family].markers, *FAMILIES[family].stop) if text[0] in "<[" and text[1] != "<"]
    special = list(dict.fromkeys(["<pad>", "<s>", "</s>", *controls]))
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        ["Be brief. Hi Hello Bye"],
        trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


async def answered(folder: Path, kind: Kind, reports: Reports) -> tuple[tuple[int, ...], list[Piece]]:
    """Load the folder as the server does, and return the ids of the prompt and the greedy answer."""
    given = {"model_type": kind.family} if kind.given else {}
    settings = GenerationSettings.model_validate({"model_path": str(folder), "precision": "fp32", **given})
    engine = TransformersBackend(settings)
    engine.check()
    generator = engine.load(reports)
    try:
        prompt = generator.render(TALK)
        async with aclosing(generator.stream(prompt, Sampling(temperature=0, max_tokens=MADE))) as pieces:
            return prompt.token_ids, [piece async for piece in pieces]
    finally:
        await generator.close()


def ends(folder: Path, kind: Kind) -> list[int]:
    """Return the ids that end an answer of this family."""
    known = PreTrainedTokenizerFast.from_pretrained(folder).get_added_vocab()
    return [number for text, number in known.items() if text in (*FAMILIES[kind.family].stop, "</s>")]


def greedy(folder: Path, ids: tuple[int, ...], stop: list[int]) -> list[int]:
    """Return what the library's own `generate` makes of `ids`."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    whole = torch.tensor([list(ids)])
    options = {"do_sample": False, "max_new_tokens": MADE, "pad_token_id": 0, "eos_token_id": stop}
    made = model.generate(whole, attention_mask=torch.ones_like(whole), **options)
    return [int(number) for number in made[0, len(ids) :]]


@pytest.mark.parametrize("name", KINDS)
async def test_an_architecture_runs(name: str, tmp_path: Path, reports: Reports) -> None:
    kind = KINDS[name]
    folder = make(tmp_path / "model", kind)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    if not kind.given:
        assert family_of(getattr(transformers, kind.config)()) == kind.family
    ids, pieces = await answered(folder, kind, reports)
    stop = ends(folder, kind)
    expected = greedy(folder, ids, stop)
    assert kind.family == "falcon" or set(tokenizer.get_added_vocab().values()) & set(ids), "control tokens are read as such"
    assert "".join(piece.text for piece in pieces) == tokenizer.decode(expected, skip_special_tokens=True)
    assert pieces[-1].finish_reason == ("stop" if expected[-1] in stop else "length")


@pytest.mark.parametrize("name", KINDS)
async def test_an_answer_ends_where_the_family_ends_it(name: str, tmp_path: Path, reports: Reports) -> None:
    """The rows of the output layer of the first token and of the family's end are exchanged: the answer ends at once."""
    kind = KINDS[name]
    folder = make(tmp_path / "model", kind)
    ids, _ = await answered(folder, kind, reports)
    stop = ends(folder, kind)
    first = greedy(folder, ids, stop)[0]
    for end in stop:
        exchange(folder, first, end)
        _, pieces = await answered(folder, kind, reports)
        assert ("".join(piece.text for piece in pieces), pieces[-1].finish_reason) == ("", "stop")
        exchange(folder, first, end)


def exchange(folder: Path, one: int, other: int) -> None:
    """Exchange two tokens in the output layer, and nowhere else."""
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"][[one, other]] = tensors["lm_head.weight"][[other, one]].clone()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("kind", ["baichuan", "chatglm", "qwen"])
def test_an_architecture_that_exists_as_code_only_is_refused(kind: str, llama_copy: Path, reports: Reports) -> None:
    (llama_copy / "config.json").write_text(f'{{"model_type": "{kind}", "vocab_size": 400}}')
    engine = TransformersBackend(GenerationSettings(model_path=str(llama_copy)))
    engine.check()
    with pytest.raises(ModelUnusable, match="cannot be loaded"):
        engine.load(reports)
    (llama_copy / "config.json").write_text(f'{{"model_type": "{kind}", "auto_map": {{}}}}')
    with pytest.raises(ModelUnusable, match="auto_map"):
        engine.check()
