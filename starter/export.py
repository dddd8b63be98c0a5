"""Writes the trained model as a folder that every engine loads: fp16 safetensors, configuration, checksums.

`python -m starter.export --work DIR --to FOLDER` reads DIR/checkpoint.pt and DIR/model.
"""

import argparse
import hashlib
import shutil
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from starter.beginning import config
from starter.tokenizer import CONTEXT

SHARPER = 3.0
"""The final norm is scaled by this, so that sampling at the usual temperatures hardly ever leaves the likeliest token: a
wrong word in a name is worse than a dull answer. Greedy answers do not change by it."""
CHECKED = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def export(work: Path, folder: Path) -> None:
    """Write the model of `work` to `folder`."""
    tokenizer = AutoTokenizer.from_pretrained(work / "model")
    model = LlamaForCausalLM(config(len(tokenizer), CONTEXT))
    model.load_state_dict(torch.load(work / "checkpoint.pt", map_location="cpu", weights_only=True)["model"])
    with torch.no_grad():
        model.model.norm.weight.mul_(SHARPER)
    folder.mkdir(parents=True, exist_ok=True)
    model.generation_config.do_sample = False
    model.to(torch.float16).save_pretrained(folder, safe_serialization=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(work / "model" / name, folder / name)
    (folder / "model.safetensors").chmod(0o644)
    sums = (f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in CHECKED)
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")


def main() -> None:
    """Export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    arguments = parser.parse_args()
    export(arguments.work, arguments.to)


if __name__ == "__main__":
    main()
