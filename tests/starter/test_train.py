"""Training: heads that begin with circuits are held back, the others are not."""

import torch
from transformers import LlamaForCausalLM

from starter.beginning import config
from starter.heads import CIRCUIT_HEADS
from starter.train import SLOWER, Brake


def test_the_brake_holds_back_the_heads_of_circuits_alone() -> None:
    model = LlamaForCausalLM(config(64, 32))
    brake = Brake(model)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    with brake, torch.no_grad():
        for weight in model.parameters():
            weight.add_(1.0)
    for name, weight in model.named_parameters():
        way = weight.detach() - before[name]
        for number in CIRCUIT_HEADS if "self_attn" in name else ():
            if f"layers.{number}." in name:
                rows = way.T if "o_proj" in name else way
                for head in range(4):
                    expected = SLOWER if head in CIRCUIT_HEADS[number] else 1.0
                    torch.testing.assert_close(rows[head * 64 : (head + 1) * 64], torch.full_like(rows[:64], expected))
                break
        else:
            torch.testing.assert_close(way, torch.ones_like(way))
