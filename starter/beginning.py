"""Where training begins: weights that already know which tokens are alike, how to look one up, and how to choose.

Copying and choosing emerge abruptly and late from noise; on a CPU most of the budget would go there. So embeddings begin as
what tokens are, and attention heads as what they end as in every trained model. All of it is trained on; nothing is frozen.
"""

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from starter.embeddings import WIDTH, embeddings
from starter.heads import HEAD, Heads

LAYERS = 6
ROPE = 1e10
"""With so slow a base, two thirds of the rotary pairs hardly turn in a prompt, so words match wherever they stand."""


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
        made.get_input_embeddings().weight.copy_(torch.from_numpy(embeddings(tokenizer)))
        Heads(made, tokenizer, seed).write()
    return made
