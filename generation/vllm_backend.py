"""A model served by vLLM: what must be right before its engine starts, and the start. Does not import vLLM before it must.

What the running engine then does is in `generation.vllm_generator`; which arguments it takes and which machine it needs,
in `generation.vllm_arguments` and `generation.vllm_machine`.
"""

import json
import multiprocessing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generation import hub, machine, preflight, vllm_arguments, vllm_machine
from generation.base import ModelUnusable, Report
from generation.settings import GenerationSettings

if TYPE_CHECKING:
    from generation.chat_template import ChatTemplate
    from generation.vllm_generator import VllmGenerator

ENGINE_PROCESS = "EngineCore"
"""How vLLM calls the process that it starts from this one, and that starts the others."""


class VllmBackend:
    """Finds and checks the model that the settings name, and starts vLLM on it."""

    def __init__(self, settings: GenerationSettings) -> None:
        self._settings = settings
        self._abandoned = False

    def check(self) -> None:
        """Raise `ModelUnusable`: no vLLM, an unsafe folder, a wrong argument, no GPU, too small or too few GPUs."""
        on_cpu = vllm_machine.runs_on_cpu()
        folder = self._locate()
        if folder is not None:
            preflight.check(folder)
        made = self._arguments(on_cpu)
        if on_cpu:
            vllm_machine.check_cpu(self._settings)
        elif made.get("distributed_executor_backend") != "ray":  # with Ray, GPUs of other machines count too
            weights = vllm_machine.weight_bytes(folder, self._settings) if folder else None
            vllm_machine.check_gpus(self._settings, machine.accelerators().gpus, weights)

    def load(self, report: Report) -> "VllmGenerator":
        """Download what is missing, verify, start vLLM's processes; raises `ModelUnusable`."""
        report("looking at the model")
        folder = self._locate() or hub.download(self._settings.needed_model, self._settings.hub_cache, report)
        preflight.check(folder)
        preflight.verify_checksums(folder, report)
        report("loading the libraries")
        from generation.chat_template import ChatTemplate
        from generation.vllm_generator import VllmGenerator, start
        from generation.weights import load_tokenizer

        tokenizer = load_tokenizer(folder)
        config = _config(folder)
        template = ChatTemplate(tokenizer, config, self._settings.model_type)
        template.check()
        report("starting vLLM")
        if self._abandoned:
            raise ModelUnusable("The server ended before vLLM was started.")
        engine = start({"model": str(folder), **self._arguments(vllm_machine.runs_on_cpu())})
        adapter = vllm_arguments.served_adapter(self._settings)
        ends = _end_ids(folder, config, tokenizer, template)
        report("ready", 1.0)
        return VllmGenerator(self._settings.model_name, engine, template, ends, self._settings.max_concurrent, adapter)

    def abandon(self) -> None:
        """Kill vLLM's processes if they are starting; see `Abandonable`."""
        self._abandoned = True
        for process in multiprocessing.active_children():
            if process.name.startswith(ENGINE_PROCESS):
                process.kill()

    def _arguments(self, on_cpu: bool) -> dict[str, Any]:
        vllm_arguments.served_adapter(self._settings)
        return vllm_arguments.arguments(self._settings, vllm_arguments.fields(), on_cpu)

    def _locate(self) -> Path | None:
        return hub.locate(self._settings.needed_model, self._settings.hub_cache)


def _config(folder: Path) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the library raises whatever its parts raise
        raise ModelUnusable(f"{folder / 'config.json'} cannot be read: {type(error).__name__}. Download it again.") from error


def _end_ids(folder: Path, config: Any, tokenizer: Any, template: "ChatTemplate") -> frozenset[int]:
    """Return the ids that end an answer, by generation config, config, tokenizer and template, which do not always agree."""
    found: list[Any] = [tokenizer.eos_token_id, *(template.tokens.id_of(text) for text in template.stop)]
    path = folder / "generation_config.json"
    for source in (json.loads(path.read_bytes()) if path.is_file() else {}, config.to_dict()):
        ends = source.get("eos_token_id")
        found += ends if isinstance(ends, list) else [ends]
    return frozenset(int(number) for number in found if number is not None)
