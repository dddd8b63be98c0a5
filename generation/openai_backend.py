"""Any engine that speaks OpenAI's chat completions, somewhere else: vLLM, SGLang, llama.cpp, a cluster, a hosted model.

Looks before the port opens whether the engine is there, takes our key and has the model. What it then does is in
`generation.openai_generator`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from generation import preflight
from generation.base import ModelUnusable, Report
from generation.openai_connection import Connection, refusal
from generation.settings import GenerationSettings

if TYPE_CHECKING:
    from generation.chat_template import ChatTemplate
    from generation.openai_generator import OpenAIGenerator


class OpenAIBackend:
    """Checks and opens the remote engine that `--api-base` and `--model-path` name."""

    def __init__(self, settings: GenerationSettings) -> None:
        self._settings = settings

    def check(self) -> None:
        """Raise `ModelUnusable` for an engine that is not there, a key it refuses, a model it has not."""
        self._context(Connection(self._settings))
        if self._settings.remote_tokenizer is not None:
            preflight.check_files(self._settings.remote_tokenizer.expanduser())

    def load(self, report: Report) -> "OpenAIGenerator":
        """Look once more, and read the tokenizer if there is one; raises `ModelUnusable`."""
        report("asking the remote engine")
        connection = Connection(self._settings)
        context = self._context(connection)
        from generation.openai_generator import OpenAIGenerator

        template = self._template(report)
        report("ready", 1.0)
        return OpenAIGenerator(self._name(), connection, context, template, self._settings)

    @property
    def _model(self) -> str:
        return self._settings.model_path or ""

    def _context(self, connection: Connection) -> int:
        """Return the tokens that the model reads in all: what it says, bounded by what the settings say."""
        models = connection.models()
        if self._model not in models:
            raise ModelUnusable(f"{refusal(self._model, models)} Give one of its names to --model-path.")
        told = [length for length in (models[self._model], self._settings.remote_context) if length is not None]
        if not told:
            raise ModelUnusable(
                f"The engine at {connection.base} does not tell how many tokens {self._model} reads. "
                "Give the number with --remote-context, like --remote-context=8192."
            )
        return min(told)

    def _template(self, report: Report) -> "ChatTemplate | None":
        folder = self._settings.remote_tokenizer
        if folder is None:
            return None
        report("loading the tokenizer")
        from generation.chat_template import ChatTemplate
        from generation.weights import load_tokenizer

        template = ChatTemplate(load_tokenizer(folder.expanduser()), None, self._settings.model_type)
        template.check()
        return template

    def _name(self) -> str:
        return next(iter(self._settings.served_model_name), Path(self._model).name or self._model)
