"""Any causal language model that transformers can load, from a folder or the hub: how it comes to be.

Imports neither torch nor transformers before it must, so that a wrong path is told within a second. What the loaded
model then does is in `generation.transformers_generator`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from generation import hub, preflight
from generation.base import Report
from generation.settings import GenerationSettings

if TYPE_CHECKING:
    from generation.transformers_generator import TransformersGenerator


class TransformersBackend:
    """Finds, checks and loads the model that the settings name."""

    def __init__(self, settings: GenerationSettings) -> None:
        self._settings = settings

    def check(self) -> None:
        """Raise `ModelUnusable` for a folder that is not safe and whole, an unreachable id, an impossible precision."""
        folder = self._locate()
        if folder is not None:
            preflight.check(folder)
        if self._settings.precision in ("int8", "int4"):  # the only ones that a machine can lack
            from generation.placement import choose

            choose(self._settings.precision)

    def load(self, report: Report) -> "TransformersGenerator":
        """Download what is missing, verify, load, and compute once; raises `ModelUnusable`."""
        report("looking at the model")
        folder = self._locate() or hub.download(self._settings.needed_model, self._settings.hub_cache, report)
        preflight.check(folder)
        preflight.verify_checksums(folder, report)
        report("loading the libraries")
        from generation.chat_template import ChatTemplate
        from generation.placement import choose, free_bytes
        from generation.transformers_generator import TransformersGenerator
        from generation.weights import load_model, load_tokenizer

        placement = choose(self._settings.precision)
        report("loading the tokenizer")
        tokenizer = load_tokenizer(folder)
        model = load_model(folder, placement, report)
        template = ChatTemplate(tokenizer, model.config, self._settings.model_type)
        template.check()
        settings = self._settings
        kv_bytes = int(settings.kv_memory * 2**30) if settings.kv_memory else free_bytes(placement.device) // 4
        made = TransformersGenerator(
            settings.model_name, model, tokenizer, template, settings.max_concurrent, kv_bytes, settings.prompt_lookup
        )
        report("ready", 1.0)
        return made

    def _locate(self) -> Path | None:
        return hub.locate(self._settings.needed_model, self._settings.hub_cache)
