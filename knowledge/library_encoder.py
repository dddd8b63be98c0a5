"""The encoder of whatever sentence-transformers can load, on a GPU where there is one; it alone knows that library.

bfloat16 where the CPU multiplies it natively (all-MiniLM-L6-v2, 256 tokens a text: AMD with AVX512-BF16 1.9 times the
speed of float32, Intel with AMX 3.2 times; cosine to float32 at least 0.9999), and on a GPU.
"""

import copy
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from knowledge.encoder_base import Batch
from knowledge.progress_bars import no_bars

CPU_BATCH = 8 * 256
"""Tokens at once, padding counted: 8 passages of the usual length are as fast as 32, and whoever waits is not held up."""
GPU_BATCH = 64 * 256
ALIKE = 0.8
"""The shortest text of a batch has this part of the longest one's tokens at least: what is padded is computed too."""
SHORT = 16
"""Texts of so few tokens may be together all the same: they cost little, and batches of one cost more."""


def batches(counts: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Yield the places of texts of so many tokens, the shortest first, in batches of like lengths and `limit` tokens."""
    batch: list[int] = []
    for place in sorted(range(len(counts)), key=lambda place: counts[place]):
        longest = max(1, counts[place])
        alike = not batch or counts[batch[0]] >= ALIKE * longest or longest <= SHORT
        if batch and (not alike or (len(batch) + 1) * longest > limit):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


class LibraryEncoder:
    """A model of sentence-transformers."""

    def __init__(self, folder: Path) -> None:
        """Load the model; blocks for seconds. Raises what the library raises."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        abilities = torch.cpu.get_capabilities()
        half = device == "cuda" or abilities.get("amx_bf16") or abilities.get("avx512_bf16")
        with no_bars():
            model: Any = SentenceTransformer(
                str(folder),
                device=device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True, "dtype": torch.bfloat16 if half else torch.float32},
            )
        if half:
            model.to(torch.bfloat16)  # also the modules behind the transformer, or their input would not fit them
        # The model's own tokenizer truncates, pads, and cannot serve two threads: counting has its own copy.
        tokenizer: Tokenizer = Tokenizer.from_str(model.tokenizer.backend_tokenizer.to_str())
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.tokenizer = tokenizer
        self.unknown: str | None = model.tokenizer.unk_token
        self.dimension = int(model.get_embedding_dimension())
        prompts = [len(tokenizer.encode(text or "", add_special_tokens=False)) for text in model.prompts.values()]
        special = tokenizer.num_special_tokens_to_add(False)
        self.max_tokens = int(model.max_seq_length or 512) - special - max(prompts, default=0)
        self._batch = GPU_BATCH if device == "cuda" else CPU_BATCH
        self._model = model
        # Questions have a copy with the same weights: the library's model, its tokenizer above all, serves one thread.
        self._asking = copy.deepcopy(model, {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())})

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has, without special ones."""
        return [len(found) for found in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        """Yield the batches of texts of documents, those of like lengths together."""
        for places in batches(self.count(texts), self._batch):
            yield Batch(places, partial(self._encode, [texts[place] for place in places], self._model.encode_document))

    def question(self, text: str) -> npt.NDArray[Any]:
        """Return the vector of a question, shape (1, dimension)."""
        return self._encode([text], self._asking.encode_query)

    def _encode(self, texts: list[str], encode: Any) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = encode(texts, batch_size=len(texts), show_progress_bar=False, convert_to_numpy=True)
        return found
