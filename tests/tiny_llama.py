"""A tiny random Llama with everything a real model folder has: the model of the tests that need a real engine.

Its tokenizer is byte-level BPE with Llama-2's special tokens and no chat template; its answers are noise.
"""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging as library_logging

CORPUS = [
    "The quick brown fox jumps over the lazy dog.",
    "[INST] <<SYS>>\nYou are a helpful assistant.\n<</SYS>>\n\nHello, world! [/INST]",
    "Question: what is a vector store? Answer: a store of vectors.",
    "你好，世界。知识库里有很多文档。🙂🚀",
]
CONTEXT = 512


def make_tiny_llama(folder: Path, context: int = CONTEXT, seed: int = 0, heads: int = 4) -> Path:
    """Write config, tokenizer and safetensors weights to `folder` and return it; the same seed gives the same model.

    vLLM's CPU kernels take heads of at least 32 numbers, which are `heads=2`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    library_logging.disable_progress_bar()
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=heads,
        num_key_value_heads=heads // 2,
        max_position_embeddings=context,
        # Larger than a trained model's, so that the noise is not the same token for ever.
        initializer_range=0.2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    LlamaForCausalLM(config).save_pretrained(folder)
    torch.random.set_rng_state(state)
    return folder


def _tokenizer() -> PreTrainedTokenizerFast:
    raw = Tokenizer(models.BPE(unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
